/* SPDX-License-Identifier: PostgreSQL
 * types - the words of the configuration contract: modes, classes, authentication methods, lists. */
#pragma once

#include <stddef.h>

/* How a listener or route serves a session. */
enum mode { MODE_TRANSACTION, MODE_SESSION, MODE_STATEMENT, MODE_DIRECT, MODE_REJECT };

/* What a connection is for; decided once by router/classify. */
enum class {
    CLASS_APP, CLASS_DUMP, CLASS_RESTORE, CLASS_BACKUP, CLASS_REPLICATION, CLASS_MAINTENANCE, CLASS_ADMIN
};

/* What happens to a class that arrives on a port that does not serve it. */
enum on_wrong_port { ON_WRONG_PORT_MOVE, ON_WRONG_PORT_REFUSE, ON_WRONG_PORT_WARN };

/* Rows of gateway/auth.def in the same order. */
enum auth_type { AUTH_RELAY, AUTH_TRUST, AUTH_SCRAM };

enum { MODES = MODE_REJECT + 1, CLASSES = CLASS_ADMIN + 1 };

const char *mode_name(enum mode mode);
const char *class_name(enum class class);
const char *auth_type_name(enum auth_type type);
const char *on_wrong_port_name(enum on_wrong_port what);

struct strings {
    const char **items;
    size_t count;
};

struct pair {
    const char *name, *value;
};

struct pairs {
    struct pair *items;
    size_t count;
};
