/* SPDX-License-Identifier: PostgreSQL
 * test_cancel_keys - a key finds exactly the session that it was given to, and only while that lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/cancel.h"

static struct cancel_keys keys;

static int open_keys(void **state)
{
    (void)state;
    cancel_keys_open(&keys);
    return 0;
}

static int close_keys(void **state)
{
    (void)state;
    cancel_keys_close(&keys);
    return 0;
}

static struct cancel_key key_of(uint32_t pid, const char *secret, uint64_t client_id)
{
    return (struct cancel_key){ .pid = pid,
                                .secret = (const unsigned char *)secret,
                                .secret_bytes = (uint32_t)strlen(secret),
                                .worker = 3,
                                .client_id = client_id };
}

/* The client found with this key, 0 for none. */
static uint64_t find(uint32_t pid, const char *secret)
{
    struct cancel_target target = { .client_id = 99 };

    if (!cancel_keys_find(&keys, pid, secret, strlen(secret), &target))
        return 0;
    assert_int_equal(target.worker, 3);
    assert_false(target.direct);
    return target.client_id;
}

static void an_unknown_key_finds_nothing(void **state)
{
    (void)state;
    assert_int_equal(find(1, "abcd"), 0);
}

static void a_key_finds_its_session_and_no_other(void **state)
{
    struct cancel_key a = key_of(1, "abcd", 10), b = key_of(2, "abcd", 20);

    (void)state;
    assert_true(cancel_keys_add(&keys, &a));
    assert_true(cancel_keys_add(&keys, &b));
    assert_int_equal(find(1, "abcd"), 10);
    assert_int_equal(find(2, "abcd"), 20);
    assert_int_equal(find(3, "abcd"), 0);
    cancel_keys_remove(&keys, &a);
    cancel_keys_remove(&keys, &b);
}

static void a_wrong_secret_finds_nothing(void **state)
{
    static const char *const wrong[] = { "abce", "Abcd", "abc", "abcde", "", "abcdabcd" };
    struct cancel_key key = key_of(1, "abcd", 10);

    (void)state;
    assert_true(cancel_keys_add(&keys, &key));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(find(1, wrong[i]), 0);
    cancel_keys_remove(&keys, &key);
}

static void one_process_number_may_have_several_secrets(void **state)
{
    struct cancel_key a = key_of(0xfffffff0, "abcd", 10), b = key_of(0xfffffff0, "efgh", 20);

    (void)state;
    assert_true(cancel_keys_add(&keys, &a));
    assert_true(cancel_keys_add(&keys, &b));
    assert_int_equal(find(0xfffffff0, "abcd"), 10);
    assert_int_equal(find(0xfffffff0, "efgh"), 20);
    cancel_keys_remove(&keys, &a);
    assert_int_equal(find(0xfffffff0, "abcd"), 0);
    assert_int_equal(find(0xfffffff0, "efgh"), 20);
    cancel_keys_remove(&keys, &b);
}

static void a_duplicate_is_refused_and_changes_nothing(void **state)
{
    struct cancel_key first = key_of(1, "abcd", 10), second = key_of(1, "abcd", 20);

    (void)state;
    assert_true(cancel_keys_add(&keys, &first));
    assert_false(cancel_keys_add(&keys, &second));
    assert_int_equal(second.secret_bytes, 0);
    cancel_keys_remove(&keys, &second);
    assert_int_equal(find(1, "abcd"), 10);
    cancel_keys_remove(&keys, &first);
}

static void a_removed_key_finds_nothing_and_may_come_again(void **state)
{
    struct cancel_key key = key_of(1, "abcd", 10);

    (void)state;
    assert_true(cancel_keys_add(&keys, &key));
    cancel_keys_remove(&keys, &key);
    cancel_keys_remove(&keys, &key);
    assert_int_equal(find(1, "abcd"), 0);
    key = key_of(1, "abcd", 30);
    assert_true(cancel_keys_add(&keys, &key));
    assert_int_equal(find(1, "abcd"), 30);
    cancel_keys_remove(&keys, &key);
}

static void a_direct_session_says_where_its_key_is_valid(void **state)
{
    struct cancel_key key = key_of(1, "0123456789abcdef0123456789abcdef", 10);
    struct cancel_target target;
    struct address backend;

    (void)state;
    assert_true(address_numeric("127.0.0.1", 5433, &backend));
    key.backend = &backend;
    assert_true(cancel_keys_add(&keys, &key));
    assert_true(cancel_keys_find(&keys, 1, key.secret, 32, &target));
    assert_true(target.direct);
    assert_int_equal(target.backend.length, backend.length);
    assert_memory_equal(&target.backend.storage, &backend.storage, backend.length);
    cancel_keys_remove(&keys, &key);
}

static void thousands_of_keys_are_kept_apart(void **state)
{
    static struct cancel_key many[5000];

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        many[i] = key_of(i / 2, i % 2 == 0 ? "even" : "odd!", i + 1);
        assert_true(cancel_keys_add(&keys, &many[i]));
    }
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(find(i / 2, i % 2 == 0 ? "even" : "odd!"), i + 1);
    for (uint32_t i = 0; i < 5000; i++)
        cancel_keys_remove(&keys, &many[i]);
}

#define with_keys(test) cmocka_unit_test_setup_teardown(test, open_keys, close_keys)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_keys(an_unknown_key_finds_nothing),
        with_keys(a_key_finds_its_session_and_no_other),
        with_keys(a_wrong_secret_finds_nothing),
        with_keys(one_process_number_may_have_several_secrets),
        with_keys(a_duplicate_is_refused_and_changes_nothing),
        with_keys(a_removed_key_finds_nothing_and_may_come_again),
        with_keys(a_direct_session_says_where_its_key_is_valid),
        with_keys(thousands_of_keys_are_kept_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
