/* SPDX-License-Identifier: PostgreSQL
 * pool_options - how the pools of a route behave: rows of scope `pool` in options.def. */
#pragma once

#include <stdint.h>

#include "conf/session_state.h"
#include "conf/types.h"

/* What `defaults` sets and a route may override. Times in microseconds, 0 = never. */
struct pool_options {
    int default_pool_size, min_pool_size;
    int max_prepared_statements;
    int max_route_connections, max_db_connections, max_user_connections; /* 0 = no limit */
    uint64_t query_wait_timeout_us, direct_wait_timeout_us;
    uint64_t server_idle_timeout_us, server_lifetime_us;
    uint64_t server_connect_timeout_us, server_login_retry_us;
    enum target target;
    uint64_t max_lag_us;
    int reserve_pool_size;
    uint64_t reserve_pool_timeout_us;
    int priority, max_route_client_connections;
    uint64_t query_wait_notify_us, query_timeout_us, transaction_timeout_us;
    uint64_t idle_transaction_timeout_us, client_idle_timeout_us, leak_report_after_us;
    int64_t max_rate; /* bytes a second, or enum rate */
    int64_t min_rate_bytes;
    uint64_t throttle_target_us;
    enum on_wrong_port on_wrong_port;
    struct session_state session_state;
    int max_pinned; /* 0 = no limit */
    enum isolation isolation;
};
