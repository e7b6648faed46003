/* SPDX-License-Identifier: PostgreSQL
 * direct - session-mode passthrough: one client, one server connection that nobody else ever gets, two
 * byte streams. The gateway sees startup, authentication and BackendKeyData; then it only moves and counts
 * bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct worker;

/* Connects for a client whose startup packet is `packet`. */
void direct_begin(struct client *client, const unsigned char *packet, size_t bytes);
/* Connects for a client whose TLS goes end to end, and passes on what it said: nothing is known about it. */
void direct_pass_on(struct client *client, const unsigned char *bytes, size_t length);
/* The client goes: closes the server side and writes the audit line. */
void direct_end(struct client *client);
/* Tries again for those that PostgreSQL had no room for. */
void direct_sweep(struct worker *worker, uint64_t now_us);

/* Those that wait for room ask again. */
void direct_serve(struct worker *worker);
/* It has not connected yet, for want of room in the budget. */
bool direct_is_waiting(const struct client *client);

/* Bytes to and from the client so far, for SHOW. */
void direct_traffic(const struct client *client, uint64_t *to_server, uint64_t *to_client);
uint32_t direct_backend_pid(const struct client *client);
