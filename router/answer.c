/* SPDX-License-Identifier: PostgreSQL
 * answer - our side of PostgreSQL's authentication exchange when a pool logs in by itself. */
#include "router/answer.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/write.h"
#include "router/pool.h"

void answer_init(struct answer *answer, struct pool *pool, const void *binding, size_t binding_bytes)
{
    const struct credentials *known = &pool->credentials;

    memset(answer, 0, sizeof *answer);
    snprintf(answer->user, sizeof answer->user, "%s", pool->user);
    scram_binding_set(&answer->scram.binding, binding, binding_bytes);
    pthread_mutex_lock(&pool->lock);
    if (known->password != NULL && strlen(known->password) < sizeof answer->password) {
        strcpy(answer->password, known->password);
        answer->have_password = true;
    }
    memcpy(answer->md5, known->md5, sizeof answer->md5);
    answer->have_keys = known->keys;
    memcpy(answer->scram.client_key, known->client_key, sizeof answer->scram.client_key);
    memcpy(answer->scram.server_key, known->server_key, sizeof answer->scram.server_key);
    pthread_mutex_unlock(&pool->lock);
    answer->scram.password = answer->have_keys ? NULL : answer->password;
}

void answer_wipe(struct answer *answer)
{
    explicit_bzero(answer, sizeof *answer);
}

static bool no_secret(const struct answer *answer, const char *method, struct fault *fault)
{
    const char *known = answer->have_keys         ? "only the keys of a SCRAM login"
                        : answer->md5[0] != '\0' ? "only an MD5 hash"
                                                 : "nothing";

    fault_set(fault, "28000",
              "PostgreSQL asks for %s authentication of user \"%s\", and pgsluice has %s to answer with",
              method, answer->user, known);
    return fault_hint(fault,
                      "With auth_type = \"relay\" only the clients' own logins open server connections; "
                      "otherwise put the user's password into auth_file or passfile.");
}

static void write_password(struct builder *reply, const char *password)
{
    builder_begin(reply, 'p');
    builder_string(reply, password);
    builder_end(reply);
}

/* From the hash where there is one, for it is newer than the password. */
static bool answer_md5(struct answer *answer, struct reader *body, struct builder *reply, struct fault *fault)
{
    const void *salt = reader_bytes(body, MD5_SALT_BYTES);
    char text[MD5_TEXT_ROOM];
    bool made = true;

    if (body->bad)
        return fault_set(fault, "08P01", "the server sent an MD5 request without a salt");
    if (answer->md5[0] == '\0' && !answer->have_password)
        return no_secret(answer, "MD5", fault);
    if (answer->md5[0] == '\0')
        made = md5_hash(answer->password, answer->user, answer->md5);
    if (made && md5_answer(answer->md5, salt, text)) {
        write_password(reply, text);
        return true;
    }
    return fault_set(fault, "XX000", "PostgreSQL asks for MD5 authentication, and the cryptographic library "
                     "has no MD5");
}

static bool sasl_first(struct answer *answer, struct reader *body, struct builder *reply, struct fault *fault)
{
    size_t left = reader_left(body);
    char room[SCRAM_MESSAGE_MAX_BYTES];
    struct builder first;
    const char *mechanism;

    if (!answer->have_password && !answer->have_keys)
        return no_secret(answer, "SCRAM", fault);
    mechanism = scram_client_choose(&answer->scram, reader_bytes(body, left), left);
    if (mechanism == NULL)
        return fault_set(fault, "0A000", "PostgreSQL offers no SASL mechanism that is known here: expected "
                         SCRAM_MECHANISM ", or " SCRAM_MECHANISM_PLUS " on a TLS connection");
    builder_init(&first, room, sizeof room);
    scram_client_first(&answer->scram, &first);
    builder_begin(reply, 'p');
    builder_string(reply, mechanism);
    builder_u32(reply, (uint32_t)first.used);
    builder_bytes(reply, first.bytes, first.used);
    builder_end(reply);
    answer->step = ANSWER_SASL_FIRST;
    return true;
}

static bool sasl_continue(struct answer *answer, struct reader *body, struct builder *reply,
                          struct fault *fault)
{
    size_t left = reader_left(body);
    const void *message = reader_bytes(body, left);

    if (answer->step != ANSWER_SASL_FIRST)
        return fault_set(fault, "08P01", "the server went on with a SASL exchange that was not begun");
    builder_begin(reply, 'p');
    if (!scram_client_final(&answer->scram, message, left, reply, fault))
        return false;
    builder_end(reply);
    answer->step = ANSWER_SASL_FINAL;
    return true;
}

static bool sasl_final(struct answer *answer, struct reader *body, struct fault *fault)
{
    size_t left = reader_left(body);

    if (answer->step != ANSWER_SASL_FINAL)
        return fault_set(fault, "08P01", "the server ended a SASL exchange that was not begun");
    if (!scram_client_verify(&answer->scram, reader_bytes(body, left), left, fault))
        return false;
    answer->step = ANSWER_DONE;
    return true;
}

static bool answer_ok(struct answer *answer, bool *done, struct fault *fault)
{
    if (answer->step == ANSWER_SASL_FIRST || answer->step == ANSWER_SASL_FINAL)
        return fault_set(fault, "08P01",
                         "the server ended the authentication without proving that it knows the "
                         "password");
    *done = true;
    return true;
}

bool answer_next(struct answer *answer, const void *body, size_t size, struct builder *reply, bool *done,
                 struct fault *fault)
{
    struct reader reader;
    uint32_t code;

    reader_init(&reader, body, size);
    code = reader_u32(&reader);
    if (reader.bad)
        return fault_set(fault, "08P01", "the server sent an authentication message without a code");
    if (code == ASK_OK)
        return answer_ok(answer, done, fault);
    if (code == ASK_SASL_CONTINUE)
        return sasl_continue(answer, &reader, reply, fault);
    if (code == ASK_SASL_FINAL)
        return sasl_final(answer, &reader, fault);
    if (answer->step != ANSWER_START)
        return fault_set(fault, "08P01", "the server asked for a second authentication in one login");
    if (code == ASK_SASL)
        return sasl_first(answer, &reader, reply, fault);
    if (code != ASK_CLEARTEXT && code != ASK_MD5)
        return fault_set(fault, "0A000",
                         "PostgreSQL asks for authentication method %u, which is not supported", code);
    answer->step = ANSWER_PASSWORD_SENT;
    if (code == ASK_MD5)
        return answer_md5(answer, &reader, reply, fault);
    if (!answer->have_password)
        return no_secret(answer, "password", fault);
    write_password(reply, answer->password);
    return true;
}
