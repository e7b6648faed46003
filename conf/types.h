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

/* Whether PostgreSQL is asked what a transaction left behind only with cause, or always. */
enum isolation { ISOLATION_NORMAL, ISOLATION_STRICT };

/* Which of an upstream's hosts serves a route. */
enum target { TARGET_PRIMARY, TARGET_STANDBY, TARGET_PREFER_STANDBY, TARGET_ANY };

/* What max_rate and memory_limit may be besides a number. */
enum rate { RATE_NONE = 0, RATE_ADAPTIVE = -1 };
enum memory_limit { MEMORY_NO_LIMIT = 0, MEMORY_AUTO = -1 };

/* How a client proves who it is. Those behind `hba` can only be chosen there, line by line.
 * Rows of gateway/auth.def in the same order. */
enum auth_type {
    AUTH_RELAY, AUTH_TRUST, AUTH_PLAIN, AUTH_MD5, AUTH_SCRAM, AUTH_CERT, AUTH_HBA,
    AUTH_PEER, AUTH_LDAP, AUTH_PAM, AUTH_REJECT
};

/* As in libpq and PgBouncer, in the order of strictness; DEFAULT = what the `tls` group says. */
enum sslmode {
    SSLMODE_DISABLE, SSLMODE_ALLOW, SSLMODE_PREFER, SSLMODE_REQUIRE, SSLMODE_VERIFY_CA, SSLMODE_VERIFY_FULL,
    SSLMODE_DEFAULT
};

/* How TLS begins towards PostgreSQL: asked for by SSLRequest, or at once (PostgreSQL 17 and later). */
enum tls_negotiation { TLS_POSTGRES, TLS_DIRECT };

/* What a listener does with TLS. */
enum listener_tls { LISTENER_TERMINATES, LISTENER_PASSES_THROUGH };

enum { MODES = MODE_REJECT + 1, CLASSES = CLASS_ADMIN + 1 };

const char *mode_name(enum mode mode);
const char *class_name(enum class class);
const char *auth_type_name(enum auth_type type);
const char *on_wrong_port_name(enum on_wrong_port what);
const char *sslmode_name(enum sslmode mode);
const char *target_name(enum target target);
const char *isolation_name(enum isolation isolation);

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
