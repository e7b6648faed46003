/* SPDX-License-Identifier: PostgreSQL
 * answer - our side of PostgreSQL's authentication exchange when a pool logs in by itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/wire/md5.h"
#include "gateway/wire/scram.h"

struct builder;
struct fault;
struct pool;

/* A reply: a SCRAM message with its mechanism, or the longest password. */
enum { PASSWORD_MAX_BYTES = 2047, SCRAM_REPLY_BYTES = SCRAM_MESSAGE_MAX_BYTES + 64 };

enum answer_step { ANSWER_START, ANSWER_SASL_FIRST, ANSWER_SASL_FINAL, ANSWER_PASSWORD_SENT, ANSWER_DONE };

struct answer {
    enum answer_step step;
    struct scram_client scram;
    bool have_password, have_keys;
    char password[PASSWORD_MAX_BYTES + 1];
    char md5[MD5_TEXT_ROOM]; /* "" = none */
    char user[256];
};

/* Copies the pool's credentials. binding: on a TLS connection the hash of the server's certificate
 * (tls-server-end-point, at most SCRAM_BINDING_MAX_BYTES), which ties a SCRAM login to this connection if
 * the server offers that; 0 bytes: none. */
void answer_init(struct answer *answer, struct pool *pool, const void *binding, size_t binding_bytes);
void answer_wipe(struct answer *answer);

/* One AuthenticationXXX body in; a 'p' message of at most SCRAM_REPLY_BYTES out when one is due. *done is
 * set by AuthenticationOk, which counts only when a begun SCRAM exchange proved the server. False: 28000
 * when PostgreSQL asks for something that is not known here, 08P01 for a broken exchange, 28P01 when the
 * server cannot prove itself. */
bool answer_next(struct answer *answer, const void *body, size_t size, struct builder *reply, bool *done,
                 struct fault *fault);
