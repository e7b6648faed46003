/* SPDX-License-Identifier: PostgreSQL
 * setup_plan - the statements that bring a database to where auth_query works; none when it is already so.
 * Reads the catalogs over the administrator's connection, changes nothing. For gateway/setup*.c only. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

struct fault;

enum { SETUP_STATEMENTS_MAX = 64, SETUP_PASSWORD_ROOM = 1024 };

struct setup_wish {
    const char *role;
    bool superusers;                    /* their secrets are given out too */
    bool password_given;                /* else a role that exists keeps the one that it has */
    char password[SETUP_PASSWORD_ROOM]; /* for a new role; wiped by the owner */
};

/* What is to be done in one database, in this order, within one transaction. */
struct setup_script {
    PGconn *connection;
    char *statements[SETUP_STATEMENTS_MAX];
    size_t count;
    bool makes_role; /* with the wish's password */
    bool role_is_missing;
};

/* Appends what the role lacks. False with a fault when the catalogs cannot be read, or when it is a
 * superuser: the gateway must not be one. */
bool setup_plan_role(struct setup_script *script, const struct setup_wish *wish, struct fault *fault);

/* Appends what schema, function and grants lack, after setup_plan_role. False with a fault when they are
 * somebody else's, who could then answer in PostgreSQL's place. */
bool setup_plan_database(struct setup_script *script, const struct setup_wish *wish, struct fault *fault);

/* Wipes and frees the statements. */
void setup_script_clear(struct setup_script *script);
