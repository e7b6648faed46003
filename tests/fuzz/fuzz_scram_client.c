/* SPDX-License-Identifier: PostgreSQL
 * fuzz_scram_client - two messages of a server, the first with our nonce where it has a `@`; no signature is
 * ever believed. The input's first newline parts them. Keys instead of a password, so that it is quick. Each
 * input is played to clients that bind, could bind and cannot; and read as a list of mechanisms. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/wire/scram.h"
#include "gateway/wire/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t message_make(const struct scram_client *c, const uint8_t *data, size_t size, char *out,
                           size_t room)
{
    size_t used = 0;

    for (size_t i = 0; i < size && used + sizeof c->nonce < room; i++) {
        if (data[i] != '@') {
            out[used++] = (char)data[i];
            continue;
        }
        memcpy(out + used, c->nonce, strlen(c->nonce));
        used += strlen(c->nonce);
    }
    return used;
}

static void play(const uint8_t *data, size_t size, size_t binding_bytes, bool plus)
{
    const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);
    size_t first = newline == NULL ? size : (size_t)(newline - data), bytes;
    char message[4096], room[SCRAM_MESSAGE_MAX_BYTES];
    unsigned char binding[SCRAM_BINDING_MAX_BYTES] = { 7 };
    struct builder out;
    struct scram_client c;
    struct fault fault;

    memset(&c, 0, sizeof c);
    scram_binding_set(&c.binding, binding, binding_bytes);
    c.plus = plus;
    builder_init(&out, room, 128);
    scram_client_first(&c, &out);
    CHECK(out.bytes[0] == (plus ? 'p' : binding_bytes > 0 ? 'y' : 'n'));
    bytes = message_make(&c, data, first, message, sizeof message);
    builder_init(&out, room, sizeof room);
    if (!scram_client_final(&c, message, bytes, &out, &fault))
        CHECK(out.used == 0 && strlen(fault.sqlstate) == 5);
    else
        CHECK(out.used > 0 && memchr(out.bytes, '\0', out.used) == NULL);
    if (newline != NULL)
        CHECK(!scram_client_verify(&c, newline + 1, size - first - 1, &fault));
}

/* The input as a list of mechanisms: what is chosen was offered. */
static void choose(const uint8_t *data, size_t size, size_t binding_bytes)
{
    unsigned char binding[SCRAM_BINDING_MAX_BYTES] = { 7 };
    struct scram_client c;
    const char *mechanism;

    memset(&c, 0, sizeof c);
    scram_binding_set(&c.binding, binding, binding_bytes);
    mechanism = scram_client_choose(&c, data, size);
    CHECK(mechanism == NULL || scram_offered(data, size, mechanism));
    CHECK(!c.plus || (binding_bytes > 0 && strcmp(mechanism, SCRAM_MECHANISM_PLUS) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scram_verifier verifier;
    char text[4096];

    play(data, size, 0, false);
    play(data, size, SCRAM_BINDING_MAX_BYTES, false);
    play(data, size, SCRAM_BINDING_MAX_BYTES, true);
    choose(data, size, 0);
    choose(data, size, 32);
    if (size < sizeof text) {
        memcpy(text, data, size);
        text[size] = '\0';
        (void)scram_verifier_parse(text, &verifier);
    }
    return 0;
}
