/* SPDX-License-Identifier: PostgreSQL
 * memory - keeps the process below memory_limit: what connections hold is summed up by each worker's sweep
 * from counters of leases, so that no message costs anything, and the kernel is asked what the process
 * really has. Above the limit nobody new comes in, and the sessions that hold most are ended. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct client;
struct gateway;
struct rows;
struct worker;

/* Part of struct gateway. */
struct memory {
    int64_t machine;           /* [s] bytes that there are */
    _Atomic int64_t resident;  /* [a] bytes that the process has, as worker 0 saw last */
    _Atomic bool scarce;       /* [a] more are used than may be */
};

void memory_open(struct gateway *gateway);

/* Sums up, and ends sessions of this worker when it must be. */
void memory_sweep(struct worker *worker);

/* Whether nobody new may come in. Any thread. */
bool memory_is_scarce(struct gateway *gateway);

/* Refuses a login for that. */
void memory_refuse(struct client *client);

/* SHOW MEMORY. */
void show_memory(struct worker *worker, struct rows *rows);
