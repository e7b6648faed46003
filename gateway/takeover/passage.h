/* SPDX-License-Identifier: PostgreSQL
 * passage - a session on its way from one process to another: LEAVING in the old one, ARRIVING in the new
 * one. Both have it until the old one says `gone`, which happens once; whatever goes wrong before, the old
 * one keeps it and the new one forgets it, so that exactly one process ever serves it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/net/mailbox.h"
#include "gateway/notify/listen_text.h"
#include "gateway/takeover/note.h"

struct client;
struct errand;
struct gateway;
struct worker;

enum passage_stage {
    PASSAGE_BEGUN,   /* old: its last answer is being sent; new: the old process has not let go of it */
    PASSAGE_SENT,    /* old: the other process has what it takes along */
    PASSAGE_ASKING,  /* old: will listen for the mark; new: listens to its channels and notifies the mark */
    PASSAGE_HEARING, /* old: what is notified up to the mark is sent here; new: and from there on, there */
    PASSAGE_MARKED   /* old: the mark came, nothing more is sent here */
};

struct passage {
    struct list link;           /* worker->passages */
    struct client *client;
    uint64_t token;             /* as in passage_token, of the old process */
    uint64_t since_us;
    enum passage_stage stage;
    bool gone;                  /* new: the old process let go of it */
    uint64_t number;            /* what the mark says */
    char mark[CHANNEL_BYTES];   /* old: the channel on which it says so */
    struct errand *errand;      /* new: the channels, until they are listened to */
};

/* A worker's part in it. */
struct passages {
    struct list leaving, arriving;
    bool draining, ending;      /* sessions go; those that cannot are ended between transactions */
    uint32_t era;               /* of the drain */
    size_t under_way;           /* of leaving: sent and not gone yet */
    struct letter turn;         /* to the worker itself: look at `leaving` when this turn is over */
    bool turn_sent;
};

/* Says which client of which worker it is, here and to the other process. */
uint64_t passage_token(const struct client *client);
/* Which worker of the old process, or of the new one, has to do with it. */
struct worker *passage_old_worker(struct gateway *gateway, uint64_t token);
struct worker *passage_new_worker(struct gateway *gateway, uint64_t token);

/* NULL: out of memory. */
struct passage *passage_new(struct client *client, struct list *list, uint64_t token);
struct passage *passage_find(struct list *list, uint64_t token);
/* Takes it away from its client. */
void passage_free(struct passage *passage);
/* Its client ends: the other process is told. */
void passage_abandon(struct client *client);

/* Tells the other process something about a session, with more behind the token. */
void passage_say(struct passage *passage, enum note_side side, enum packet_kind packet, const void *more,
                 size_t bytes);
