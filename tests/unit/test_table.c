/* SPDX-License-Identifier: PostgreSQL
 * test_table - entries are found however the table grows, and equal hashes do not hide each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/table.h"

enum { ENTRIES = 1000 };

struct entry {
    int number;
    struct table_link link; /* not the first member: table_entry must find the start */
};

static struct entry entries[ENTRIES];

static uint64_t hash_of(int number)
{
    return table_hash(&number, sizeof number, 0);
}

static struct entry *find(const struct table *table, uint64_t hash, int number)
{
    for (struct table_link *link = table_find(table, hash); link != NULL; link = table_next(link)) {
        struct entry *entry = table_entry(link, struct entry, link);

        assert_int_equal(link->hash, hash);
        if (entry->number == number)
            return entry;
    }
    return NULL;
}

static void fill(struct table *table)
{
    for (int i = 0; i < ENTRIES; i++) {
        entries[i].number = i;
        assert_true(table_add(table, &entries[i].link, hash_of(i)));
    }
}

static void empty(struct table *table)
{
    while (table_pop(table) != NULL)
        continue;
    table_free(table);
}

static void an_empty_table_finds_nothing(void **state)
{
    struct table table = { 0 };

    (void)state;
    assert_null(table_find(&table, 0));
    assert_null(table_find(&table, UINT64_MAX));
    assert_null(table_pop(&table));
    table_free(&table);
}

static void every_entry_is_found_after_the_table_grew(void **state)
{
    struct table table = { 0 };

    (void)state;
    fill(&table);
    assert_int_equal(table.count, ENTRIES);
    assert_true(table.mask + 1 >= ENTRIES);
    for (int i = 0; i < ENTRIES; i++)
        assert_ptr_equal(find(&table, hash_of(i), i), &entries[i]);
    assert_null(find(&table, hash_of(ENTRIES), ENTRIES));
    empty(&table);
}

/* Two hashes that share a bucket, with fifty entries each. */
static void equal_hashes_are_told_apart_by_their_entries(void **state)
{
    const uint64_t hashes[2] = { 5, (uint64_t)1 << 40 | 5 };
    struct table table = { 0 };

    (void)state;
    for (int i = 0; i < 100; i++) {
        entries[i].number = i;
        assert_true(table_add(&table, &entries[i].link, hashes[i % 2]));
    }
    for (int i = 0; i < 100; i++) {
        assert_ptr_equal(find(&table, hashes[i % 2], i), &entries[i]);
        assert_null(find(&table, hashes[1 - i % 2], i));
    }
    empty(&table);
}

static void removed_entries_are_gone_and_their_neighbours_are_not(void **state)
{
    struct table table = { 0 };

    (void)state;
    fill(&table);
    for (int i = 0; i < ENTRIES; i += 3)
        table_remove(&table, &entries[i].link);
    for (int i = 0; i < ENTRIES; i++)
        assert_ptr_equal(find(&table, hash_of(i), i), i % 3 == 0 ? NULL : &entries[i]);
    for (int i = 0; i < ENTRIES; i += 3)
        assert_true(table_add(&table, &entries[i].link, hash_of(i)));
    assert_int_equal(table.count, ENTRIES);
    for (int i = 0; i < ENTRIES; i++)
        assert_ptr_equal(find(&table, hash_of(i), i), &entries[i]);
    empty(&table);
}

static void popping_gives_every_entry_once(void **state)
{
    struct table table = { 0 };
    char seen[ENTRIES] = { 0 };
    struct table_link *link;

    (void)state;
    fill(&table);
    while ((link = table_pop(&table)) != NULL)
        seen[table_entry(link, struct entry, link)->number]++;
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(table.count, 0);
    table_free(&table);
    assert_null(table.buckets);
}

static void the_hash_sees_every_byte_the_length_and_the_addition(void **state)
{
    unsigned char bytes[33] = { 0 };
    uint64_t plain = table_hash(bytes, sizeof bytes, 0);

    (void)state;
    assert_int_equal(table_hash(bytes, sizeof bytes, 0), plain);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        assert_true(table_hash(bytes, sizeof bytes, 0) != plain);
        bytes[i] = 0;
    }
    for (size_t length = 0; length < sizeof bytes; length++)
        assert_true(table_hash(bytes, length, 0) != table_hash(bytes, length + 1, 0));
    assert_true(table_hash(bytes, sizeof bytes, 1) != plain);
}

static void names_that_differ_little_are_spread(void **state)
{
    unsigned char low[4096] = { 0 }, stripes[16] = { 0 };
    char name[16];

    (void)state;
    for (int i = 0; i < 1024; i++) {
        int length = snprintf(name, sizeof name, "name%d", i);
        uint64_t hash = table_hash(name, (size_t)length, 0);

        assert_true(++low[hash & 4095] < 8);
        stripes[hash >> 60] = 1;
    }
    for (int i = 0; i < 16; i++)
        assert_true(stripes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(every_entry_is_found_after_the_table_grew),
        cmocka_unit_test(equal_hashes_are_told_apart_by_their_entries),
        cmocka_unit_test(removed_entries_are_gone_and_their_neighbours_are_not),
        cmocka_unit_test(popping_gives_every_entry_once),
        cmocka_unit_test(the_hash_sees_every_byte_the_length_and_the_addition),
        cmocka_unit_test(names_that_differ_little_are_spread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
