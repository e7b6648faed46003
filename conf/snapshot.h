/* SPDX-License-Identifier: PostgreSQL
 * snapshot - one validated configuration, immutable after it was built, shared by reference count. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/access.h"
#include "conf/session_state.h"
#include "conf/types.h"

struct arena;
struct match; /* conf/conditions.h */
struct problems;

/* What `defaults` sets and a route may override. Times in microseconds, 0 = never. */
struct pool_options {
    int default_pool_size, min_pool_size;
    int max_prepared_statements;
    uint64_t query_wait_timeout_us;
    uint64_t server_idle_timeout_us, server_lifetime_us;
    uint64_t server_connect_timeout_us, server_login_retry_us;
    enum on_wrong_port on_wrong_port;
    struct session_state session_state;
    int max_pinned; /* 0 = no limit */
    enum isolation isolation;
};

struct listener_options {
    const char *name;
    struct strings listen; /* "ADDRESS:PORT", "[V6]:PORT" or an absolute socket path */
    enum mode mode;
    enum listener_tls tls;
    enum sslmode client_tls_sslmode; /* never SSLMODE_DEFAULT once loaded */
    int line;                        /* in the file, 0 when built in */
};

struct upstream_options {
    const char *name;
    struct strings hosts; /* "HOST:PORT", "[V6]:PORT" or "/socket/directory:PORT"; the port is always there */
    enum sslmode server_tls_sslmode; /* never SSLMODE_DEFAULT once loaded */
};

struct route_options {
    const char *name;
    struct match *match; /* NULL for built-in routes */
    enum mode mode;
    const char *upstream; /* never NULL */
    const char *user;     /* whom its server connections log in as; NULL = the client's user */
    struct pairs settings;
    struct pool_options pool;
    int index; /* position in the snapshot, for hit counters */
    int line;  /* in the file, 0 when built in */
};

struct snapshot {
    _Atomic int references;
    struct arena *arena;
    const char *file; /* NULL when built from --upstream */
    struct listener_options *listeners;
    size_t listener_count;
    struct upstream_options *upstreams;
    size_t upstream_count;
    struct route_options *routes; /* the operator's, then the built-in ones: "(direct)", "(transaction)"... */
    size_t route_count;
    size_t own_route_count; /* how many of them are the operator's */
    struct pool_options defaults;
    int workers; /* 0 = one per core */
    const char *log_level;
    const char *takeover_socket; /* "auto", a path, or "" */
    struct auth_options auth;
    struct tls_options tls;
    int max_client_conn, max_login_conn;
    uint64_t catalog_refresh_us;
    uint64_t client_login_timeout_us;
    uint64_t shutdown_timeout_us, takeover_timeout_us;
    int64_t max_message_hold_bytes;
    int max_listen_channels;
    int64_t max_notify_hold_bytes;
    struct strings admin_users, stats_users;
};

/* Reads and validates a whole file. NULL when there was any problem: all of them are in problems.
 * The caller owns the one reference. */
struct snapshot *snapshot_load(const char *path, struct problems *problems);

/* What `serve --upstream HOST:PORT` runs on without a file: 127.0.0.1:6432 pooled by transaction,
 * 127.0.0.1:6433 direct, relayed authentication. NULL when the address is not one (problems say so). */
struct snapshot *snapshot_from_upstream(const char *address, struct problems *problems);

struct snapshot *snapshot_retain(struct snapshot *snapshot);
void snapshot_release(struct snapshot *snapshot); /* frees with the last reference; any thread */

/* The built-in route of a mode: direct always exists, the others when a listener has that mode. */
const struct route_options *snapshot_builtin_route(const struct snapshot *snapshot, enum mode mode);

/* The upstream of that name; NULL when there is none. */
const struct upstream_options *snapshot_upstream(const struct snapshot *snapshot, const char *name);

/* One row of SHOW CONFIG. */
struct shown_option {
    const char *name;
    char value[512], fallback[128];
    bool reloadable;
};

/* Fills the index-th row; false after the last one. */
bool snapshot_option(const struct snapshot *snapshot, size_t index, struct shown_option *shown);
