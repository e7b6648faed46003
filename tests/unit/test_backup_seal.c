/* SPDX-License-Identifier: PostgreSQL
 * test_backup_seal - how keys are read, wrapped and exchanged, and the format of encrypted files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/keyring.h"
#include "backup/pipeline.h"
#include "backup/seal.h"

static const unsigned char master[SEAL_KEY] = "0123456789abcdef0123456789abcde";

static void a_new_master_key_opens_the_same_data_key(void **state)
{
    unsigned char next[SEAL_KEY] = "another master key";
    struct seal_key key, again;

    (void)state;
    seal_key_make(&key, master);
    again = key;
    seal_key_rewrap(&again, next);
    assert_false(seal_key_unwrap(&again, master));
    memset(again.data, 0, SEAL_KEY);
    assert_true(seal_key_unwrap(&again, next));
    assert_memory_equal(again.data, key.data, SEAL_KEY);
}

/* The expected values come from another implementation of what seal.h describes (Python's cryptography). */
static void the_format_does_not_change(void **state)
{
    unsigned char bytes[256], header[SEAL_HEADER], file_key[SEAL_KEY], data[SEAL_KEY];
    char id[SEAL_ID_TEXT], key[2 * SEAL_KEY + 1];

    (void)state;
    seal_master_id(master, id);
    assert_string_equal(id, "cf2d15e3ed01ffd1");
    for (unsigned i = 0; i < SEAL_HEADER; i++)
        header[i] = (unsigned char)i;
    memset(data, 7, sizeof data);
    seal_file_key(header, data, file_key);
    seal_hex(file_key, SEAL_KEY, key);
    assert_string_equal(key, "ef3175bb213e467521d8f7e07fcf3d6afa1b27eabdf7cbfac27f7e2895981f30");
    strcpy((char *)bytes, "hello");
    seal_chunk_close(&(struct seal_chunk){ data, 258, true }, bytes, 5);
    seal_hex(bytes, 21, (char *)bytes + 100);
    assert_string_equal((char *)bytes + 100, "5a046ac4139d4494dc6a9edaa0220cdd7428bb7f68");
}

static void words_of_compression(void **state)
{
    static const char *const wrong[] = { "",       "zst",    "zstd:", "zstd:0", "zstd:20", "zstd:-1",
                                         "zstd:+3", "zstd:3x", "gzip:10", "none:0", "lz4", "ZSTD" };
    enum compression compression;
    int level;

    (void)state;
    assert_true(compression_parse("zstd", &compression, &level) && compression == COMPRESSION_ZSTD);
    assert_int_equal(level, 3);
    assert_true(compression_parse("zstd:19", &compression, &level) && level == 19);
    assert_true(compression_parse("gzip:9", &compression, &level) && compression == COMPRESSION_GZIP);
    assert_true(compression_parse("none", &compression, &level) && compression == COMPRESSION_NONE);
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (compression_parse(wrong[i], &compression, &level))
            fail_msg("\"%s\" was taken for a compression", wrong[i]);
}

static void key_files_are_read_strictly(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        bool good;
    } cases[] = {
        { "00000000000000000000000000000000000000000000000000000000000000aA\n", 0600, true },
        { "# old keys below\n\n  0000000000000000000000000000000000000000000000000000000000000001 \r\n", 0400,
          true },
        { "0000000000000000000000000000000000000000000000000000000000000001\n", 0640, false },
        { "000000000000000000000000000000000000000000000000000000000000001\n", 0600, false },
        { "000000000000000000000000000000000000000000000000000000000000000g\n", 0600, false },
        { "a pass phrase\n", 0600, false },
        { "\n", 0600, false },
    };
    char path[] = "/tmp/test-backup-key-XXXXXX";
    int fd = mkstemp(path);
    struct keyring ring;
    struct fault fault;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_true(pwrite(fd, cases[i].text, strlen(cases[i].text), 0) > 0 &&
                    fchmod(fd, cases[i].mode) == 0);
        if (keyring_read_file(&ring, path, &fault) != cases[i].good)
            fail_msg("case %u: %s", i, fault.message);
        assert_true(cases[i].good || failure_of(&fault) == FAILURE_CRYPTO);
    }
    close(fd);
    unlink(path);
    assert_false(keyring_read_file(&ring, path, &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_master_key_opens_the_same_data_key),
        cmocka_unit_test(the_format_does_not_change),
        cmocka_unit_test(words_of_compression),
        cmocka_unit_test(key_files_are_read_strictly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
