/* SPDX-License-Identifier: PostgreSQL
 * fuzz_scram_client - two messages of a server, the first with our nonce where it has a `@`; no signature is
 * ever believed. The input's first newline parts them. Keys instead of a password, so that it is quick. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);
    size_t first = newline == NULL ? size : (size_t)(newline - data), bytes;
    char message[4096], room[SCRAM_MESSAGE_MAX_BYTES];
    struct builder out;
    struct scram_client c;
    struct scram_verifier verifier;
    struct fault fault;

    memset(&c, 0, sizeof c);
    builder_init(&out, room, 128);
    scram_client_first(&c, &out);
    bytes = message_make(&c, data, first, message, sizeof message);
    builder_init(&out, room, sizeof room);
    if (!scram_client_final(&c, message, bytes, &out, &fault))
        CHECK(out.used == 0 && strlen(fault.sqlstate) == 5);
    else
        CHECK(out.used > 0 && memchr(out.bytes, '\0', out.used) == NULL);
    if (newline != NULL)
        CHECK(!scram_client_verify(&c, newline + 1, size - first - 1, &fault));
    if (size < sizeof message) {
        memcpy(message, data, size);
        message[size] = '\0';
        (void)scram_verifier_parse(message, &verifier);
    }
    return 0;
}
