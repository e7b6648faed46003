/* SPDX-License-Identifier: PostgreSQL
 * test_md5 - MD5 hashes are made and told as PostgreSQL does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/wire/md5.h"

static void hashes_and_answers_are_those_of_postgresql(void **state)
{
    static const unsigned char salt[MD5_SALT_BYTES] = { 1, 2, 0, 255 };
    char hash[MD5_TEXT_ROOM], answer[MD5_TEXT_ROOM];

    (void)state;
    assert_true(md5_hash("secret", "alice", hash));
    assert_string_equal(hash, "md54a0a68b43b6cd5cf266fa02f196e2371");
    assert_true(md5_answer(hash, salt, answer));
    assert_string_equal(answer, "md55e46c885144a0f5e373227112878870b");
    assert_true(md5_is_hash(answer));
}

static void only_whole_hashes_are_hashes(void **state)
{
    static const char *const bad[] = {
        "",
        "md5",
        "md54a0a68b43b6cd5cf266fa02f196e237",
        "md54a0a68b43b6cd5cf266fa02f196e23711",
        "md54a0a68b43b6cd5cf266fa02f196e237g",
        "md5 a0a68b43b6cd5cf266fa02f196e2371",
        "MD54a0a68b43b6cd5cf266fa02f196e2371",
        "4a0a68b43b6cd5cf266fa02f196e2371",
    };

    (void)state;
    assert_true(md5_is_hash("md54a0a68b43b6cd5cf266fa02f196e2371"));
    assert_true(md5_is_hash("md54A0A68B43B6CD5CF266FA02F196E2371"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(md5_is_hash(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_and_answers_are_those_of_postgresql),
        cmocka_unit_test(only_whole_hashes_are_hashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
