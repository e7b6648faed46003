/* SPDX-License-Identifier: PostgreSQL
 * takeover - restart and upgrade without refusing anyone. A new process takes the listening sockets of the
 * old one, says that it serves, and then gets one idle session after the other; the old one serves the rest
 * to its end. Each process may have an older one and a newer one. Main thread.
 *
 *      old                                                     new
 *       | <----------------------- HELLO ------------------------ |  serve --takeover
 *       | --- SOCKET, SOCKET ... OFFERED -----------------------> |  listens, starts its threads
 *       | <------------ DROPPED ..., SERVING -------------------- |  both accept until here
 *       | --- CLIENT -------------------------------------------> |  for each session that is idle
 *       | <-- READY or DECLINED --------------------------------- |
 *       | --- HEARING ------------------------------------------> |  if it listens: a mark is notified here
 *       | --- GONE ---------------------------------------------> |  and serves the session from here on
 *
 * Until SERVING nothing has changed for anybody; until GONE a session is the old process's. When the new one
 * dies, the old one accepts and serves again. */
#pragma once

#include <stdbool.h>

#include "gateway/takeover/courier.h"
#include "gateway/takeover/packet.h"

struct fault;
struct gateway;
struct note;

/* Before the listening sockets are opened: gets those of the process that serves this configuration now. */
bool takeover_join(struct gateway *gateway, struct fault *fault);

/* This process serves: tells the old one, if there is one, and lets a newer one come. That it cannot is
 * logged. */
void takeover_open(struct gateway *gateway);

/* This process stops: no newer one may come. Whether the listening sockets' files are another process's. */
bool takeover_stop(struct gateway *gateway);
/* Whether another process has the listening sockets, and their files. */
bool takeover_is_handed_over(const struct gateway *gateway);
/* After all threads were joined. */
void takeover_close(struct gateway *gateway);

/* What a worker says to the process on the note's side. */
void takeover_pass_on(struct gateway *gateway, struct note *note);

/* False: there is nobody to send it to. */
bool takeover_send_cancel(struct takeover *takeover, const struct pack *pack, int fd, enum courier_way way);
