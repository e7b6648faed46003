/* SPDX-License-Identifier: PostgreSQL
 * fuzz_scram_server - two messages of a client, the second with the right nonce where it has a `@`; no proof
 * ever matches. The input's first newline parts them. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/wire/scram.h"
#include "gateway/wire/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char secret[32] = { 7 };

static size_t message_make(const struct scram_server *s, const uint8_t *data, size_t size, char *out,
                           size_t room)
{
    size_t used = 0;

    for (size_t i = 0; i < size && used + sizeof s->nonce < room; i++) {
        if (data[i] != '@') {
            out[used++] = (char)data[i];
            continue;
        }
        memcpy(out + used, s->nonce, strlen(s->nonce));
        used += strlen(s->nonce);
    }
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);
    size_t first = newline == NULL ? size : (size_t)(newline - data), bytes;
    char message[4096], room[512];
    struct builder out;
    struct scram_server s;
    struct fault fault;
    bool matches = false;

    memset(&s, 0, sizeof s);
    scram_verifier_mock("user", secret, &s.verifier);
    builder_init(&out, room, sizeof room);
    if (!scram_server_first(&s, data, first, &out, &fault)) {
        CHECK(out.used == 0 && strlen(fault.sqlstate) == 5);
        return 0;
    }
    CHECK(out.used > 0 && memchr(out.bytes, '\0', out.used) == NULL);
    if (newline == NULL)
        return 0;
    bytes = message_make(&s, newline + 1, size - first - 1, message, sizeof message);
    builder_init(&out, room, 64);
    (void)scram_server_final(&s, message, bytes, &out, &matches, &fault);
    CHECK(!matches && out.used == 0);
    return 0;
}
