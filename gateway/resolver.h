/* SPDX-License-Identifier: PostgreSQL
 * resolver - the thread that looks host names up, so that nobody else waits for a name server. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fault;
struct upstreams;

/* Looks these names up now and after every max_ttl_us, those of hosts in trouble every second, until the
 * process ends. The newest upstreams count. */
void resolver_watch(struct upstreams *upstreams, uint64_t max_ttl_us);
bool resolver_start(struct fault *fault);
void resolver_stop(void);
