/* SPDX-License-Identifier: PostgreSQL
 * arrive - sessions that come to a worker from the process that is taken over. */
#pragma once

struct client;
struct errand;
struct note;
struct worker;

/* What the old process says, by main. */
void arrive_hear(struct worker *worker, struct note *note);

/* For gateway/notify, while a client is ARRIVING: its errand is back. */
void arrive_errand_back(struct client *client, struct errand *errand);
