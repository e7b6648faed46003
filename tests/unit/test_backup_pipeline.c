/* SPDX-License-Identifier: PostgreSQL
 * test_backup_pipeline - what goes through the filters comes back; what was changed, cut or exchanged does
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backup/digest.h"
#include "backup/failure.h"
#include "backup/filter.h"
#include "backup/pump.h"
#include "backup/seal.h"
#include "gateway/base/clock.h"

enum { CHUNK = 1 << SEAL_CHUNK_LOG };

struct text {
    unsigned char *bytes;
    size_t size;
};

static const unsigned char master[SEAL_KEY] = "0123456789abcdef0123456789abcde";

static int file_of(const void *bytes, size_t size)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static struct filter *source_of(struct text text)
{
    return filter_source(file_of(text.bytes, text.size), "test", NULL);
}

/* Everything that the chain gives; .bytes is NULL when it failed. */
static struct text drain(struct filter *chain, struct fault *fault)
{
    struct text text = { malloc(1), 0 };
    unsigned char bytes[7001];
    size_t count = 1;

    while (count > 0) {
        if (!filter_pull(chain, bytes, sizeof bytes, &count, fault)) {
            free(text.bytes);
            text.bytes = NULL;
            break;
        }
        text.bytes = realloc(text.bytes, text.size + count + 1);
        memcpy(text.bytes + text.size, bytes, count);
        text.size += count;
    }
    filter_free(chain);
    return text;
}

/* Half noise, half repetition. */
static struct text sample(size_t size)
{
    struct text text = { malloc(size + 1), size };
    uint32_t seed = 12345;

    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        text.bytes[i] = i / 1000 % 2 == 0 ? (unsigned char)(seed >> 24) : (unsigned char)(i % 7);
    }
    return text;
}

static void texts_equal(struct text a, struct text b)
{
    assert_non_null(b.bytes);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.bytes, b.bytes, a.size);
    free(b.bytes);
}

static bool key_known(void *context, const unsigned char *header, struct seal_key *key, struct fault *fault)
{
    memcpy(key->wrap, header + SEAL_WRAP_AT, SEAL_WRAP);
    return seal_key_unwrap(key, context) || failure_set(fault, FAILURE_CRYPTO, "another key");
}

static struct text opened(struct text sealed, struct fault *fault)
{
    struct seal_opener opener = { key_known, (void *)(size_t)master };

    return drain(filter_unseal(source_of(sealed), &opener), fault);
}

static struct text sealed(struct text plain)
{
    struct seal_key key;
    struct fault fault;

    seal_key_make(&key, master);
    return drain(filter_seal(source_of(plain), &key), &fault);
}

static void every_size_comes_back_through_every_filter(void **state)
{
    static const size_t sizes[] = { 0, 1, 4096, FILTER_BYTES, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17 };
    struct fault fault;

    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct text plain = sample(sizes[i]), packed;

        for (int threads = 0; threads < 3; threads++) {
            packed = drain(filter_zstd(source_of(plain), 3, threads), &fault);
            texts_equal(plain, drain(filter_unzstd(source_of(packed)), &fault));
            free(packed.bytes);
        }
        packed = drain(filter_gzip(source_of(plain), 1), &fault);
        texts_equal(plain, drain(filter_gunzip(source_of(packed)), &fault));
        free(packed.bytes);
        packed = sealed(plain);
        assert_int_equal(packed.size, SEAL_HEADER + sizes[i] + SEAL_TAG * (sizes[i] / CHUNK + 1));
        texts_equal(plain, opened(packed, &fault));
        free(packed.bytes);
        free(plain.bytes);
    }
}

static void several_frames_and_members_are_read_as_one(void **state)
{
    struct text plain = sample(5000), packed, twice, both = sample(10000);
    struct fault fault;

    (void)state;
    memcpy(both.bytes + 5000, plain.bytes, 5000);
    for (int zstd = 0; zstd < 2; zstd++) {
        packed = drain(zstd ? filter_zstd(source_of(plain), 1, 0) : filter_gzip(source_of(plain), 6), &fault);
        twice = (struct text){ malloc(2 * packed.size), 2 * packed.size };
        memcpy(twice.bytes, packed.bytes, packed.size);
        memcpy(twice.bytes + packed.size, packed.bytes, packed.size);
        texts_equal(both, drain(zstd ? filter_unzstd(source_of(twice)) : filter_gunzip(source_of(twice)),
                                &fault));
        free(packed.bytes);
        free(twice.bytes);
    }
    free(plain.bytes);
    free(both.bytes);
}

static void every_cut_of_a_compressed_stream_is_noticed(void **state)
{
    struct text plain = sample(3000), packed;
    struct fault fault;

    (void)state;
    for (int zstd = 0; zstd < 2; zstd++) {
        packed = drain(zstd ? filter_zstd(source_of(plain), 1, 0) : filter_gzip(source_of(plain), 6), &fault);
        for (size_t size = 0; size < packed.size; size++) {
            struct text cut = { packed.bytes, size };

            if (drain(zstd ? filter_unzstd(source_of(cut)) : filter_gunzip(source_of(cut)), &fault).bytes)
                fail_msg("%s cut to %zu of %zu bytes was taken for whole", zstd ? "zstd" : "gzip", size,
                         packed.size);
            assert_int_equal(failure_of(&fault), FAILURE_VERIFY);
        }
        free(packed.bytes);
    }
    free(plain.bytes);
}

static void every_flipped_bit_of_a_zstd_stream_is_noticed(void **state)
{
    struct text plain = sample(3000), packed, back;
    struct fault fault;

    (void)state;
    packed = drain(filter_zstd(source_of(plain), 1, 0), &fault);
    for (size_t i = 0; i < packed.size; i++) {
        packed.bytes[i] ^= 1;
        back = drain(filter_unzstd(source_of(packed)), &fault);
        /* A bit of the frame header may mean nothing; then the contents must be the same. */
        if (back.bytes != NULL)
            texts_equal(plain, back);
        packed.bytes[i] ^= 1;
    }
    free(packed.bytes);
    free(plain.bytes);
}

static void every_flipped_bit_of_a_sealed_file_is_noticed(void **state)
{
    struct text plain = sample(200), file = sealed(plain);
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < file.size * 8; i++) {
        file.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        if (opened(file, &fault).bytes != NULL)
            fail_msg("bit %zu of byte %zu was flipped and nothing noticed", i % 8, i / 8);
        file.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    free(plain.bytes);
    free(file.bytes);
}

static void a_sealed_file_cut_at_any_chunk_edge_is_noticed(void **state)
{
    struct text plain = sample(3 * CHUNK), file = sealed(plain);
    struct fault fault;

    (void)state;
    for (size_t chunks = 0; chunks <= 3; chunks++)
        for (int off = -1; off <= 1; off++) {
            struct text cut = { file.bytes,
                                (size_t)((int)(SEAL_HEADER + chunks * (CHUNK + SEAL_TAG)) + off) };

            assert_null(opened(cut, &fault).bytes);
            assert_int_equal(failure_of(&fault), FAILURE_VERIFY);
        }
    free(plain.bytes);
    free(file.bytes);
}

static void chunks_cannot_change_places_or_files(void **state)
{
    struct text plain = sample(2 * CHUNK), file = sealed(plain), other = sealed(plain);
    size_t record = CHUNK + SEAL_TAG;
    unsigned char *kept = malloc(record);
    struct fault fault;

    (void)state;
    memcpy(kept, file.bytes + SEAL_HEADER, record);
    memcpy(file.bytes + SEAL_HEADER, file.bytes + SEAL_HEADER + record, record);
    memcpy(file.bytes + SEAL_HEADER + record, kept, record);
    assert_null(opened(file, &fault).bytes);
    memcpy(file.bytes + SEAL_HEADER + record, file.bytes + SEAL_HEADER, record);
    memcpy(file.bytes + SEAL_HEADER, other.bytes + SEAL_HEADER, record);
    assert_null(opened(file, &fault).bytes);
    free(kept);
    free(plain.bytes);
    free(file.bytes);
    free(other.bytes);
}

static void the_measure_hashes_what_passes(void **state)
{
    struct text plain = sample(100000);
    struct digest seen, expected;
    struct fault fault;

    (void)state;
    digest_bytes(plain.bytes, plain.size, &expected);
    texts_equal(plain, drain(filter_measure(source_of(plain), &seen), &fault));
    assert_string_equal(seen.sha256, expected.sha256);
    assert_int_equal(seen.bytes, plain.size);
    free(plain.bytes);
}

static void the_rate_is_kept(void **state)
{
    struct text plain = sample(300000);
    uint64_t started_us = clock_now_us();
    struct fault fault;

    (void)state;
    texts_equal(plain, drain(filter_rate(source_of(plain), 1000000, NULL), &fault));
    assert_true(clock_now_us() - started_us >= 290000);
    free(plain.bytes);
}

static void a_pump_ends_with_its_stream_and_keeps_a_fault(void **state)
{
    struct text plain = sample(500000), cut;
    struct fault fault;
    struct pump pump;
    int to = memfd_create("to", MFD_CLOEXEC), ends[2];

    (void)state;
    pump_init(&pump);
    pump_start(&pump, source_of(plain), dup(to), "test");
    assert_true(pump_finish(&pump, NULL, &fault));
    assert_int_equal(lseek(to, 0, SEEK_END), (off_t)plain.size);
    cut = drain(filter_zstd(source_of(plain), 1, 0), &fault);
    cut.size /= 2;
    pump_start(&pump, filter_unzstd(source_of(cut)), dup(to), "test");
    assert_false(pump_finish(&pump, NULL, &fault));
    assert_int_equal(failure_of(&fault), FAILURE_VERIFY);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0); /* nobody reads: only pump_end ends it */
    pump_start(&pump, source_of(plain), ends[1], "test");
    pump_end(&pump);
    close(ends[0]);
    close(to);
    free(plain.bytes);
    free(cut.bytes);
}

static void a_reader_who_leaves_does_not_hide_a_damaged_rest(void **state)
{
    struct text plain = sample(500000);
    struct fault fault;
    struct pump pump;
    int ends[2];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    for (int damaged = 0; damaged < 2; damaged++) {
        struct text packed = drain(filter_zstd(source_of(plain), 1, 0), &fault);

        packed.bytes[packed.size - 2] ^= (unsigned char)damaged;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        close(ends[0]);
        pump_init(&pump);
        pump_start(&pump, filter_unzstd(source_of(packed)), ends[1], "test");
        assert_int_equal(pump_finish(&pump, NULL, &fault), !damaged);
        free(packed.bytes);
    }
    free(plain.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_comes_back_through_every_filter),
        cmocka_unit_test(several_frames_and_members_are_read_as_one),
        cmocka_unit_test(every_cut_of_a_compressed_stream_is_noticed),
        cmocka_unit_test(every_flipped_bit_of_a_zstd_stream_is_noticed),
        cmocka_unit_test(every_flipped_bit_of_a_sealed_file_is_noticed),
        cmocka_unit_test(a_sealed_file_cut_at_any_chunk_edge_is_noticed),
        cmocka_unit_test(chunks_cannot_change_places_or_files),
        cmocka_unit_test(the_measure_hashes_what_passes),
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(a_pump_ends_with_its_stream_and_keeps_a_fault),
        cmocka_unit_test(a_reader_who_leaves_does_not_hide_a_damaged_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
