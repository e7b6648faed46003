/* SPDX-License-Identifier: PostgreSQL
 * listening - one client that listens on a pooled port: its channels, the notifications that wait for a
 * place in its stream, and what its server really listens to. Made with the client's first LISTEN. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/table.h"
#include "gateway/notify/listen_text.h"

struct client;
struct ear;
struct errand;
struct server;
struct subscription;

/* A LISTEN that is answered here. */
enum listen_stage { STAGE_NONE, STAGE_ASKED, STAGE_DONE, STAGE_NOT_HERE };

/* How far the channels of the linked server are on their way to the hub. */
enum move_step {
    MOVE_NONE,
    MOVE_ASKING,  /* the server is asked for its channels */
    MOVE_MARKING, /* the server begins to listen to the hub's marker */
    MOVE_GOING    /* the hub has the errand; both streams will show the mark */
};

/* What PostgreSQL said that the server listens to. */
struct answer_list {
    char (*names)[CHANNEL_BYTES];
    size_t count, room;
    bool cut; /* more than a client may have, or no memory */
};

struct listening {
    struct client *client;
    struct ear *ear;
    struct table subscriptions; /* by name */
    struct list all;            /* the same */
    struct list doomed;         /* in a list of those to be closed */
    struct errand *errand, *fence; /* on their way */
    enum listen_stage stage;
    enum move_step step;
    bool suspected;             /* its server may listen to what is not known here */
    bool server_listens;        /* its server does listen, or may */
    bool replayed;              /* ... to all of `subscriptions` as well */
    bool asked_replayed;        /* ... when it was asked */
    bool here_marked, hub_marked; /* MOVE_GOING: which of the streams showed the mark */
    uint64_t move_number;       /* MOVE_GOING: what the mark says */
    bool stays;                 /* the hub cannot listen for it: its server does */
    bool waits;                 /* a statement of its does, until that is settled */
    bool notified;              /* its transaction may have notified */
    uint32_t own_pid;           /* of the server that did */
    struct answer_list answer;
    unsigned char *queue;       /* whole messages that wait */
    size_t queued, room;
    size_t ahead;               /* of queued: what the server said while only half of the move is done */
};

/* The client's, made when it has none; NULL when it cannot be served by a hub, or memory ran out. */
struct listening *listening_of(struct client *client);
/* Whether a hub may listen for this client at all. */
bool listening_is_possible(const struct client *client);
struct subscription *listening_find(const struct listening *listening, const char *name);

/* A notification for it: sent, or queued until its stream has a place for it. One whose client takes too
 * little goes to `doomed`. */
void listening_notify(struct listening *listening, const unsigned char *message, size_t size,
                      struct list *doomed);
/* The same for one that the client's own server sent. */
void listening_pass_on(struct listening *listening, const unsigned char *message, size_t size);
/* Whether something waits for the next ReadyForQuery. */
bool listening_has_queued(const struct listening *listening);
void listening_errand_back(struct client *client, struct errand *errand);

/* Subscriptions that are not to be heard any more go, and what is queued of them. */
void listening_forget(struct listening *listening, struct subscription *subscription);
void listening_forget_all(struct listening *listening);

/* Sends what is queued, when the stream has a place for it now. */
void listening_idle(struct listening *listening);
/* The ReadyForQuery that is held goes on its way, or waits for what still has to come before it. */
void listening_ready_next(struct listening *listening);

/* move.c. False when the server has nothing left of it; true: something is on its way. */
bool move_settle(struct listening *listening);
/* Asks the server for its channels. False: out of memory, the session was ended. */
bool move_ask(struct listening *listening);
void move_hub_answered(struct listening *listening, bool done);
