/* SPDX-License-Identifier: PostgreSQL
 * answer - our side of PostgreSQL's authentication exchange when a pool logs in by itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/wire/scram.h"

struct builder;
struct fault;
struct pool;

enum { SCRAM_REPLY_BYTES = SCRAM_MESSAGE_MAX_BYTES + 64, PASSWORD_MAX_BYTES = 1024 };

enum answer_step { ANSWER_START, ANSWER_SASL_FIRST, ANSWER_SASL_FINAL, ANSWER_PASSWORD_SENT, ANSWER_DONE };

struct answer {
    enum answer_step step;
    struct scram_client scram;
    bool have_password, have_keys;
    char password[PASSWORD_MAX_BYTES];
    char user[256];
};

/* Copies the pool's credentials. */
void answer_init(struct answer *answer, struct pool *pool);
void answer_wipe(struct answer *answer);

/* One AuthenticationXXX body in; a 'p' message out when one is due. *done is set by AuthenticationOk, which
 * counts only when a begun SCRAM exchange proved the server. False: 28000 when PostgreSQL asks for
 * something that is not known here, 08P01 for a broken exchange. */
bool answer_next(struct answer *answer, const void *body, size_t size, struct builder *reply, bool *done,
                 struct fault *fault);
