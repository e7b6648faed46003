/* SPDX-License-Identifier: PostgreSQL
 * tcp_options - how the kernel treats TCP connections. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* 0 = as the kernel is set. */
struct tcp_options {
    bool keepalive;
    int keepcnt;
    uint64_t keepidle_us, keepintvl_us, user_timeout_us, defer_accept_us;
};
