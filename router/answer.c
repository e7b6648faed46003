/* SPDX-License-Identifier: PostgreSQL
 * answer - our side of PostgreSQL's authentication exchange when a pool logs in by itself. */
#include "router/answer.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/write.h"
#include "router/pool.h"

enum { AUTH_OK = 0, AUTH_CLEARTEXT = 3, AUTH_MD5 = 5, AUTH_SASL = 10, AUTH_SASL_CONTINUE = 11,
       AUTH_SASL_FINAL = 12 };

void answer_init(struct answer *answer, struct pool *pool)
{
    memset(answer, 0, sizeof *answer);
    snprintf(answer->user, sizeof answer->user, "%s", pool->user);
    pthread_mutex_lock(&pool->lock);
    if (pool->credentials.password != NULL && strlen(pool->credentials.password) < sizeof answer->password) {
        strcpy(answer->password, pool->credentials.password);
        answer->have_password = true;
    }
    answer->have_keys = pool->credentials.keys;
    memcpy(answer->scram.client_key, pool->credentials.client_key, sizeof answer->scram.client_key);
    memcpy(answer->scram.server_key, pool->credentials.server_key, sizeof answer->scram.server_key);
    pthread_mutex_unlock(&pool->lock);
    answer->scram.password = answer->have_password ? answer->password : NULL;
}

void answer_wipe(struct answer *answer)
{
    explicit_bzero(answer, sizeof *answer);
}

static bool no_secret(struct answer *answer, const char *method, struct fault *fault)
{
    fault_set(fault, "28000",
              "PostgreSQL asks for %s authentication of user \"%s\", and pgsluice has no %s for "
              "it",
              method, answer->user, answer->have_keys ? "plain password" : "password");
    return fault_hint(fault,
                      "With auth_type = \"relay\" only the clients' own logins open server connections; "
                      "with \"scram-sha-256\" or \"trust\" put the user into auth_file.");
}

static void write_password(struct builder *reply, const char *password)
{
    builder_begin(reply, 'p');
    builder_string(reply, password);
    builder_end(reply);
}

static void md5_hex(const void *a, size_t a_bytes, const void *b, size_t b_bytes, char *hex)
{
    unsigned char digest[16];
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    EVP_DigestInit_ex(context, EVP_md5(), NULL);
    EVP_DigestUpdate(context, a, a_bytes);
    EVP_DigestUpdate(context, b, b_bytes);
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static bool answer_md5(struct answer *answer, struct reader *body, struct builder *reply, struct fault *fault)
{
    const void *salt = reader_bytes(body, 4);
    char inner[33], text[36] = "md5";

    if (body->bad)
        return fault_set(fault, "08P01", "the server sent an MD5 request without a salt");
    md5_hex(answer->password, strlen(answer->password), answer->user, strlen(answer->user), inner);
    md5_hex(inner, 32, salt, 4, text + 3);
    write_password(reply, text);
    explicit_bzero(inner, sizeof inner);
    return true;
}

static bool sasl_offers_scram(struct reader *body)
{
    while (reader_left(body) > 1) {
        const char *mechanism = reader_string(body);

        if (body->bad || *mechanism == '\0')
            return false;
        if (strcmp(mechanism, "SCRAM-SHA-256") == 0)
            return true;
    }
    return false;
}

static bool sasl_first(struct answer *answer, struct reader *body, struct builder *reply, struct fault *fault)
{
    char room[SCRAM_MESSAGE_MAX_BYTES];
    struct builder first;

    if (!answer->have_password && !answer->have_keys)
        return no_secret(answer, "SCRAM", fault);
    if (!sasl_offers_scram(body))
        return fault_set(fault, "0A000", "PostgreSQL offers no SASL mechanism that is known here: expected "
                         "SCRAM-SHA-256");
    builder_init(&first, room, sizeof room);
    scram_client_first(&answer->scram, &first);
    builder_begin(reply, 'p');
    builder_string(reply, "SCRAM-SHA-256");
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
    if (code == AUTH_OK)
        return answer_ok(answer, done, fault);
    if (code == AUTH_SASL_CONTINUE)
        return sasl_continue(answer, &reader, reply, fault);
    if (code == AUTH_SASL_FINAL)
        return sasl_final(answer, &reader, fault);
    if (answer->step != ANSWER_START)
        return fault_set(fault, "08P01", "the server asked for a second authentication in one login");
    if (code == AUTH_SASL)
        return sasl_first(answer, &reader, reply, fault);
    if (code != AUTH_CLEARTEXT && code != AUTH_MD5)
        return fault_set(fault, "0A000",
                         "PostgreSQL asks for authentication method %u, which is not supported", code);
    if (!answer->have_password)
        return no_secret(answer, code == AUTH_MD5 ? "MD5" : "password", fault);
    answer->step = ANSWER_PASSWORD_SENT;
    if (code == AUTH_MD5)
        return answer_md5(answer, &reader, reply, fault);
    write_password(reply, answer->password);
    return true;
}
