/* SPDX-License-Identifier: PostgreSQL
 * service - a session's connection parameters, handed to PostgreSQL's programs without a file and without
 * argv.
 *
 * They are written as a libpq service file into memory that has no name in any file system; the program
 * inherits the descriptor. So no password is ever in a command line, in an environment or on a disk. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

struct fault;

enum { SERVICE_PATH = 64 };

struct service {
    int fd;                  /* give it to struct command.keep_fd; -1 when closed */
    char file[SERVICE_PATH]; /* "PGSERVICEFILE=..." for the program's environment */
    const char *env[3];      /* both variables, NULL-terminated: struct command.env */
};

/* Takes every parameter of the open connection, but not its database (programs are told theirs) and not its
 * encoding (an archive keeps the database's own). `application` announces the program's sessions. */
bool service_open(struct service *service, PGconn *conn, const char *application, struct fault *fault);
void service_close(struct service *service);
