/* SPDX-License-Identifier: PostgreSQL
 * resolver - the thread that looks host names up, so that nobody else waits for a name server. */
#pragma once

#include <stdbool.h>

struct fault;
struct upstreams;

/* Looks these names up now and every 15 seconds until the process ends. The newest upstreams count. */
void resolver_watch(struct upstreams *upstreams);
bool resolver_start(struct fault *fault);
void resolver_stop(void);
