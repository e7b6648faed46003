/* SPDX-License-Identifier: PostgreSQL
 * test_lookup_cache - answers about users are believed for their time, never longer, and never mixed up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/auth/lookup_cache.h"
#include "router/hosts.h"

static struct upstream here, there;
static struct lookup_cache *cache;

static int open_cache(void **state)
{
    (void)state;
    cache = lookup_cache_new();
    return cache == NULL;
}

static int close_cache(void **state)
{
    (void)state;
    lookup_cache_free(cache);
    return 0;
}

static struct lookup_key key_of(struct upstream *upstream, const char *user)
{
    return (struct lookup_key){ LOOKUP_SECRET, upstream, user };
}

static void put(struct upstream *upstream, const char *user, const char *secret, uint64_t expires_us)
{
    struct lookup_key key = key_of(upstream, user);
    char text[100];
    struct lookup_text stored = { text, 0 };

    if (secret == NULL) {
        stored.text = NULL;
    } else {
        stored.bytes = strlen(secret) + 1;
        memcpy(text, secret, stored.bytes);
    }
    lookup_cache_put(cache, &key, &stored, expires_us);
    memset(text, 'x', sizeof text);
}

/* The secret, "none" for a user without, "unknown" when the cache has no answer. */
static const char *get(struct upstream *upstream, const char *user, uint64_t now_us)
{
    static char said[100];
    struct lookup_key key = key_of(upstream, user);
    struct lookup_text found;

    if (!lookup_cache_get(cache, &key, now_us, &found))
        return "unknown";
    snprintf(said, sizeof said, "%s", found.text == NULL ? "none" : found.text);
    lookup_text_free(&found);
    return said;
}

static void an_answer_is_known_until_its_time_is_over(void **state)
{
    (void)state;
    assert_string_equal(get(&here, "alice", 0), "unknown");
    put(&here, "alice", "one", 100);
    assert_string_equal(get(&here, "alice", 99), "one");
    assert_string_equal(get(&here, "alice", 100), "unknown");
    assert_int_equal(lookup_cache_count(cache), 0);
}

static void that_there_is_no_secret_is_an_answer_too(void **state)
{
    (void)state;
    put(&here, "mallory", NULL, 100);
    assert_string_equal(get(&here, "mallory", 99), "none");
    assert_string_equal(get(&here, "mallory", 100), "unknown");
}

static void users_upstreams_and_questions_are_kept_apart(void **state)
{
    struct lookup_key roles = { LOOKUP_ROLES, &here, "alice" };
    struct lookup_text found;

    (void)state;
    put(&here, "alice", "here", 100);
    put(&there, "alice", "there", 100);
    put(&here, "Alice", "capital", 100);
    assert_string_equal(get(&here, "alice", 1), "here");
    assert_string_equal(get(&there, "alice", 1), "there");
    assert_string_equal(get(&here, "Alice", 1), "capital");
    assert_string_equal(get(&here, "alic", 1), "unknown");
    assert_false(lookup_cache_get(cache, &roles, 1, &found));
    assert_null(found.text);
}

static void a_newer_answer_replaces_the_older_one(void **state)
{
    (void)state;
    put(&here, "alice", "old", 100);
    put(&here, "alice", "new", 50);
    assert_int_equal(lookup_cache_count(cache), 1);
    assert_string_equal(get(&here, "alice", 49), "new");
    assert_string_equal(get(&here, "alice", 50), "unknown");
}

static void what_is_dropped_is_unknown(void **state)
{
    struct lookup_key alice = key_of(&here, "alice");

    (void)state;
    put(&here, "alice", "one", 100);
    put(&here, "bob", "two", 100);
    lookup_cache_drop(cache, &alice);
    lookup_cache_drop(cache, &alice);
    assert_string_equal(get(&here, "alice", 1), "unknown");
    assert_string_equal(get(&here, "bob", 1), "two");
    lookup_cache_clear(cache);
    assert_string_equal(get(&here, "bob", 1), "unknown");
    assert_int_equal(lookup_cache_count(cache), 0);
}

static void beyond_the_limit_the_oldest_answer_goes(void **state)
{
    char name[20];

    (void)state;
    for (int i = 0; i < LOOKUP_CACHE_ENTRIES; i++) {
        snprintf(name, sizeof name, "user%d", i);
        put(&here, name, name, 100);
    }
    put(&here, "user0", "again", 100);
    assert_int_equal(lookup_cache_count(cache), LOOKUP_CACHE_ENTRIES);
    put(&here, "one more", "x", 100);
    assert_int_equal(lookup_cache_count(cache), LOOKUP_CACHE_ENTRIES);
    assert_string_equal(get(&here, "user0", 1), "again");
    assert_string_equal(get(&here, "user1", 1), "unknown");
    assert_string_equal(get(&here, "user2", 1), "user2");
    assert_string_equal(get(&here, "one more", 1), "x");
}

static void a_list_of_names_comes_back_whole(void **state)
{
    struct lookup_key key = { LOOKUP_ROLES, &here, "alice" };
    char names[] = "alice\0staff\0a \"b\"";
    struct lookup_text stored = { names, sizeof names }, found;

    (void)state;
    lookup_cache_put(cache, &key, &stored, 100);
    assert_true(lookup_cache_get(cache, &key, 1, &found));
    assert_int_equal(found.bytes, sizeof names);
    assert_memory_equal(found.text, names, sizeof names);
    lookup_text_free(&found);
    assert_null(found.text);
}

#define with_cache(test) cmocka_unit_test_setup_teardown(test, open_cache, close_cache)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_cache(an_answer_is_known_until_its_time_is_over),
        with_cache(that_there_is_no_secret_is_an_answer_too),
        with_cache(users_upstreams_and_questions_are_kept_apart),
        with_cache(a_newer_answer_replaces_the_older_one),
        with_cache(what_is_dropped_is_unknown),
        with_cache(beyond_the_limit_the_oldest_answer_goes),
        with_cache(a_list_of_names_comes_back_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
