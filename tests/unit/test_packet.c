/* SPDX-License-Identifier: PostgreSQL
 * test_packet - what two processes say to each other during a takeover arrives as it was meant, and nothing
 * else is taken for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/takeover/packet.h"

static void every_kind_of_head_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (int kind = 0; kind < PACKET_KINDS; kind++) {
        bool has_fd = kind == PACKET_SOCKET || kind == PACKET_CLIENT || kind == PACKET_CANCEL;
        const struct packet_head packet = {8, (enum packet_kind)kind, has_fd};
        unsigned char bytes[PACKET_HEAD_BYTES + 8] = {0};
        struct packet_head read;

        packet_write_head(bytes, &packet);
        assert_int_equal(packet_peek(bytes, sizeof bytes, &read), PACKET_OK);
        assert_int_equal(read.size, 8);
        assert_int_equal(read.kind, kind);
        assert_int_equal(read.has_fd, has_fd);
        assert_true(*packet_name(read.kind) != '\0');
        for (size_t cut = 0; cut < sizeof bytes; cut++)
            assert_int_equal(packet_peek(bytes, cut, &read), PACKET_SHORT);
        bytes[5] = !has_fd;
        assert_int_equal(packet_peek(bytes, sizeof bytes, &read), PACKET_BAD);
    }
}

static void a_body_that_its_kind_cannot_have_is_refused_before_it_comes(void **state)
{
    unsigned char bytes[PACKET_HEAD_BYTES];
    struct packet_head read;

    (void)state;
    packet_write_head(bytes, &(struct packet_head){257, PACKET_HELLO, false});
    assert_int_equal(packet_peek(bytes, sizeof bytes, &read), PACKET_BAD);
    packet_write_head(bytes, &(struct packet_head){LUGGAGE_MAX_BYTES + 1, PACKET_CLIENT, true});
    assert_int_equal(packet_peek(bytes, sizeof bytes, &read), PACKET_BAD);
    packet_write_head(bytes, &(struct packet_head){LUGGAGE_MAX_BYTES, PACKET_CLIENT, true});
    assert_int_equal(packet_peek(bytes, sizeof bytes, &read), PACKET_SHORT);
}

static void kinds_that_do_not_exist_are_refused(void **state)
{
    unsigned char bytes[PACKET_HEAD_BYTES] = {0};
    struct packet_head read;

    (void)state;
    for (int kind = PACKET_KINDS; kind < 256; kind++) {
        bytes[4] = (unsigned char)kind;
        assert_int_equal(packet_peek(bytes, sizeof bytes, &read), PACKET_BAD);
    }
    bytes[4] = PACKET_HELLO;
    bytes[7] = 1;
    assert_int_equal(packet_peek(bytes, sizeof bytes, &read), PACKET_BAD);
}

static void what_is_packed_is_unpacked(void **state)
{
    struct pack pack = {0};
    struct reader reader;
    struct chunk chunk;

    (void)state;
    pack_u8(&pack, 200);
    pack_u32(&pack, 0xfedcba98);
    pack_u64(&pack, 0xfedcba9876543210);
    pack_text(&pack, "text");
    pack_chunk(&pack, "ch\0nk", 5);
    pack_chunk(&pack, NULL, 0);
    assert_false(pack.bad);
    reader_init(&reader, pack.bytes, pack.used);
    assert_int_equal(reader_u8(&reader), 200);
    assert_int_equal(reader_u32(&reader), 0xfedcba98);
    assert_true(unpack_u64(&reader) == 0xfedcba9876543210);
    assert_string_equal(reader_string(&reader), "text");
    chunk = unpack_chunk(&reader);
    assert_int_equal(chunk.size, 5);
    assert_memory_equal(chunk.bytes, "ch\0nk", 5);
    assert_int_equal(unpack_chunk(&reader).size, 0);
    assert_false(reader.bad);
    assert_int_equal(reader_left(&reader), 0);
    pack_free(&pack);
    assert_null(pack.bytes);
}

static void a_chunk_longer_than_what_is_there_is_none(void **state)
{
    const unsigned char bytes[] = {0xff, 0xff, 0xff, 0xff, 'a'};
    struct reader reader;

    (void)state;
    reader_init(&reader, bytes, sizeof bytes);
    assert_int_equal(unpack_chunk(&reader).size, 0);
    assert_true(reader.bad);
}

static void a_pack_that_grows_too_large_says_so(void **state)
{
    struct pack pack = {0};
    char *half = calloc(1, LUGGAGE_MAX_BYTES / 2 + 1);

    (void)state;
    assert_non_null(half);
    pack_bytes(&pack, half, LUGGAGE_MAX_BYTES / 2 + 1);
    assert_false(pack.bad);
    pack_bytes(&pack, half, LUGGAGE_MAX_BYTES / 2);
    assert_true(pack.bad);
    pack_u8(&pack, 1);
    assert_true(pack.bad);
    pack_free(&pack);
    free(half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_head_is_read_as_it_was_written),
        cmocka_unit_test(a_body_that_its_kind_cannot_have_is_refused_before_it_comes),
        cmocka_unit_test(kinds_that_do_not_exist_are_refused),
        cmocka_unit_test(what_is_packed_is_unpacked),
        cmocka_unit_test(a_chunk_longer_than_what_is_there_is_none),
        cmocka_unit_test(a_pack_that_grows_too_large_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
