/* SPDX-License-Identifier: PostgreSQL
 * child - one of PostgreSQL's programs, run in a process group of its own, its error texts kept. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "backup/failure.h"

struct fault;
struct pulse;

struct command {
    const char *path;        /* absolute */
    const char *const *argv; /* NULL-terminated */
    const char *const
        *env;    /* "NAME=value", NULL-terminated: added to the few variables that are handed on */
    int keep_fd; /* one descriptor that the program inherits, -1 for none */
    uid_t uid;   /* whom to run as; 0 with gid 0 = as the runner itself */
    gid_t gid;
    int input_fd, output_fd; /* its standard input and output; 0 = empty, and kept in the child's text */
    int death_signal; /* what it gets when the runner dies; 0 = SIGTERM */
};

struct child {
    const char *name;
    pid_t pid; /* 0 when nothing runs */
    int text_fd;
    int status;       /* of waitpid, valid when pid is 0 again */
    char text[16384]; /* the last part of what it wrote to standard output and standard error */
    size_t used;
};

/* Starts the program. The caller must end with child_wait or child_end. */
bool child_start(struct child *child, const struct command *command, struct fault *fault);

/* Takes in what the program wrote so far and notices when it ended; never blocks. Returns true while it
 * runs. */
bool child_running(struct child *child);

/* Waits for the end. False when the pulse failed: the whole group was then ended. */
bool child_wait(struct child *child, const struct pulse *pulse, struct fault *fault);

/* SIGTERM (or `signal` when not 0) to the group, SIGKILL after ten seconds; collects it. Nothing when it
 * does not run. */
void child_end(struct child *child, int signal);

/* True when it ended by exit code 0. */
bool child_succeeded(const struct child *child);

/* start, wait, and explain a failure by reasons.def (`otherwise` when no row fits). */
bool child_run(const struct command *command, struct child *child, const struct pulse *pulse,
               enum failure otherwise, struct fault *fault);
