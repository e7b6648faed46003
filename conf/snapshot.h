/* SPDX-License-Identifier: PostgreSQL
 * snapshot - one validated configuration, immutable after it was built, shared by reference count. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/access.h"
#include "conf/pool_options.h"
#include "conf/tcp_options.h"
#include "conf/types.h"

struct arena;
struct match; /* conf/conditions.h */
struct problems;

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
    struct strings patroni; /* "http://HOST:PORT" or "https://..." of Patroni's REST API */
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
    const char *log_level, *takeover_socket; /* the latter "auto", a path, or "" */
    struct auth_options auth;
    struct tls_options tls;
    uint64_t control_interval_us;
    int direct_reserved, pooled_reserved, admin_reserved, headroom;
    int max_client_conn, max_login_conn;
    int max_user_client_connections, max_db_client_connections, max_client_conn_per_address;
    int64_t memory_limit_bytes; /* or enum memory_limit */
    uint64_t cancel_wait_timeout_us, catalog_refresh_us, dns_max_ttl_us;
    struct tcp_options tcp;
    uint64_t client_login_timeout_us, shutdown_timeout_us, takeover_timeout_us;
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
