/* SPDX-License-Identifier: PostgreSQL
 * leave - sessions of one worker that go to the process that takes over: those without TLS that left nothing
 * in their server, each at the end of its transaction. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct errand;
struct listening;
struct note;
struct worker;

/* A session holds no server any more, and the worker drains: it goes when this turn is over, if it can. */
void leave_begin(struct client *client);

/* The sessions that became able to go otherwise; those that never will be, when their time is over. */
void leave_sweep(struct worker *worker, uint64_t now_us);

/* What main says, or the new process. */
void leave_hear(struct worker *worker, struct note *note);

/* For gateway/notify, while a client is LEAVING: its errand is back; and whether a notification is not for
 * it, because it is the mark or comes behind it. */
void leave_errand_back(struct client *client, struct errand *errand);
bool leave_is_past(struct client *client, const unsigned char *message, size_t size);
