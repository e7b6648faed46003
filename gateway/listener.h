/* SPDX-License-Identifier: PostgreSQL
 * listener - the listening sockets; accepts and hands each connection to the least loaded worker. Main
 * thread. */
#pragma once

#include <stdbool.h>

struct fault;
struct gateway;

/* Opens every address of every listener; all or nothing. Logs `listener=NAME address=ADDRESS` for each. */
bool listeners_open(struct gateway *gateway, struct fault *fault);
void listeners_close(void);

/* The options of their sockets changed. */
void listeners_retune(void);
