/* SPDX-License-Identifier: PostgreSQL
 * fuzz_startup - any first packet is refused, or read so that writing it again gives the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/wire/startup.h"
#include "gateway/wire/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void session_check(const struct startup *startup, const uint8_t *data, size_t used)
{
    unsigned char again[STARTUP_MAX_BYTES];
    struct builder builder;

    CHECK(startup->user[0] != '\0' && strlen(startup->user) <= 63 && strlen(startup->database) <= 63);
    CHECK((startup->database[0] == '\0') == (startup->replication == REPLICATION_PHYSICAL));
    builder_init(&builder, again, sizeof again);
    write_startup(&builder, startup->major, startup->minor, startup->parameters, startup->parameter_count);
    CHECK(builder_ok(&builder) && builder.used == used && memcmp(again, data, used) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct startup startup;
    struct fault fault = { .sqlstate = "" };
    size_t used;
    enum startup_result result = startup_parse(data, size, arena, &startup, &used, &fault);

    CHECK((result == STARTUP_OK) == (used > 0) && used <= size);
    CHECK((result == STARTUP_BAD) == (fault.sqlstate[0] != '\0'));
    if (result == STARTUP_OK && startup.kind == STARTUP_SESSION)
        session_check(&startup, data, used);
    if (result == STARTUP_OK && startup.kind == STARTUP_CANCEL)
        CHECK(startup.cancel_key_bytes >= 4 && startup.cancel_key_bytes <= CANCEL_KEY_MAX_BYTES);
    arena_free(arena);
    return 0;
}
