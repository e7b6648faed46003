/* SPDX-License-Identifier: PostgreSQL
 * listener - the listening sockets; accepts and hands each connection to the least loaded worker. Main
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fault;
struct gateway;
struct inherited;

/* Opens every address of every listener; all or nothing. Logs `listener=NAME address=ADDRESS` for each. */
bool listeners_open(struct gateway *gateway, struct fault *fault);
/* keep_files: another process listens on the same sockets, whose files stay. */
void listeners_close(bool keep_files);

/* For handing them over: all of them in a lasting order. Paused, they go on collecting connections, for
 * whoever else has them. */
void listeners_each(void (*see)(void *owner, const struct inherited *socket), void *owner);
void listeners_pause(void);
void listeners_resume(void);
/* Closes the index-th. */
void listeners_drop(size_t index);

/* The options of their sockets changed. */
void listeners_retune(void);
