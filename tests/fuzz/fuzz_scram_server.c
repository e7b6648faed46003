/* SPDX-License-Identifier: PostgreSQL
 * fuzz_scram_server - two messages of a client, the second with the right nonce where it has a `@` and the
 * right binding where it has a `#`; no proof ever matches. The input's first newline parts them. Each input
 * is played to a server without binding, to one that offers it in vain, and to one whose client took it. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/wire/scram.h"
#include "gateway/wire/scram_parts.h"
#include "gateway/wire/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char secret[32] = { 7 };

/* What stands for this byte of the input. */
static size_t piece_make(const struct scram_server *s, uint8_t byte, char *out)
{
    if (byte == '#')
        return scram_binding_text(s->gs2_header, &s->binding, out);
    if (byte != '@') {
        *out = (char)byte;
        return 1;
    }
    memcpy(out, s->nonce, strlen(s->nonce));
    return strlen(s->nonce);
}

static size_t message_make(const struct scram_server *s, const uint8_t *data, size_t size, char *out,
                           size_t room)
{
    size_t used = 0;

    for (size_t i = 0; i < size && used + sizeof s->nonce + SCRAM_BINDING_TEXT_ROOM < room; i++)
        used += piece_make(s, data[i], out + used);
    return used;
}

static void play(const uint8_t *data, size_t size, bool offered, bool plus)
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
    scram_binding_set(&s.binding, secret, offered ? sizeof secret : 0);
    CHECK(scram_server_choose(&s, plus ? SCRAM_MECHANISM_PLUS : SCRAM_MECHANISM, &fault) && s.plus == plus);
    builder_init(&out, room, sizeof room);
    if (!scram_server_first(&s, data, first, &out, &fault)) {
        CHECK(out.used == 0 && strlen(fault.sqlstate) == 5);
        return;
    }
    CHECK(out.used > 0 && memchr(out.bytes, '\0', out.used) == NULL);
    CHECK((s.gs2_header == 'p') == plus && (s.gs2_header != 'y' || !offered));
    if (newline == NULL)
        return;
    bytes = message_make(&s, newline + 1, size - first - 1, message, sizeof message);
    builder_init(&out, room, 64);
    (void)scram_server_final(&s, message, bytes, &out, &matches, &fault);
    CHECK(!matches && out.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scram_initial initial;

    if (scram_initial_read(data, size, &initial)) {
        CHECK(strlen(initial.mechanism) + 1 + 4 + initial.bytes == size);
        CHECK(initial.flag == '\0' || *(const char *)initial.message == initial.flag);
    }
    play(data, size, false, false);
    play(data, size, true, false);
    play(data, size, true, true);
    return 0;
}
