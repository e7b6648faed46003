/* SPDX-License-Identifier: PostgreSQL
 * setup_password - the password of the role that `pgsluice setup` makes. For gateway/setup*.c only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fault;

/* 192 random bits as text; room for 33 bytes at least. */
void setup_password_make(char *password, size_t room);

/* The first line of a file. False with a fault: it cannot be read, is empty or too long. */
bool setup_password_read(const char *path, char *password, size_t room, struct fault *fault);

/* Whether a stored SCRAM verifier is this password's. */
bool setup_password_matches(const char *password, const char *verifier);

/* On standard output: the role's line for auth_file, and the one for passfile. Lines begin with prefix. */
void setup_password_print(const char *prefix, const char *role, const char *password);
