/* SPDX-License-Identifier: PostgreSQL
 * relay_answer - what one message of PostgreSQL means for the bookkeeping of its server and client. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/wire/frame.h"

struct server;

/* What to do with one message. */
enum fate {
    FATE_FORWARD,
    FATE_SWALLOW,
    FATE_REPLACE, /* relay_error has what is said instead */
    FATE_RENAME,  /* state_send_name says it instead */
    FATE_BROKEN,  /* it makes no sense here */
    FATE_ENDED    /* the server was closed over it */
};

/* Does the bookkeeping. `body` is whole for every type that relay_answer_is_whole names. */
enum fate relay_answer(struct server *server, char type, const unsigned char *body, size_t size);

/* Whether a message must be here as a whole; hold: the largest that can be. */
bool relay_answer_is_whole(struct server *server, const struct frame *frame, size_t hold);
