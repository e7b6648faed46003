/* SPDX-License-Identifier: PostgreSQL
 * test_owed - what a server owes is kept in order however the ring turns and grows, and lets go of what it
 * held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/session/owed.h"

static struct statements all;
static struct server_session *session;
static struct owed_ring *ring;

static int open_all(void **state)
{
    (void)state;
    statements_open(&all);
    session = session_new();
    assert_non_null(session);
    ring = &session->owed;
    return 0;
}

static size_t statement_count(void)
{
    size_t count = 0;

    for (int i = 0; i < STATEMENT_STRIPES; i++)
        count += all.stripes[i].table.count;
    return count;
}

static int close_all(void **state)
{
    (void)state;
    session_free(session);
    assert_int_equal(statement_count(), 0);
    statements_close(&all);
    return 0;
}

static struct statement *statement(const char *query)
{
    struct parse_fields parse = { "", query, strlen(query), "\0\0", 2 };

    return statement_intern(&all, &parse, NULL);
}

/* Numbers stand in for kinds, so that the order can be seen. */
static void push(int number)
{
    assert_true(owed_push(ring, &(struct owed){ .kind = (uint8_t)number }));
}

static void pop(int number)
{
    assert_non_null(owed_head(ring));
    assert_int_equal(owed_head(ring)->kind, (uint8_t)number);
    owed_pop(ring);
}

static void an_empty_ring_owes_nothing(void **state)
{
    (void)state;
    assert_null(owed_head(ring));
    assert_int_equal(ring->count, 0);
    assert_false(owed_evicts(ring, NULL));
}

static void answers_come_in_the_order_of_the_requests(void **state)
{
    int pushed = 0, popped = 0;

    (void)state;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 7; i++)
            push(pushed++);
        for (int i = 0; i < 5; i++)
            pop(popped++);
        assert_int_equal(ring->count, pushed - popped);
        for (uint32_t i = 0; i < ring->count; i++)
            assert_int_equal(owed_at(ring, i)->kind, (uint8_t)(popped + (int)i));
    }
    while (popped < pushed)
        pop(popped++);
    assert_null(owed_head(ring));
}

static void the_ring_grows_while_it_is_wrapped(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++)
        push(i);
    for (int i = 0; i < 11; i++)
        pop(i);
    for (int i = 16; i < 27; i++)
        push(i);
    assert_int_equal(ring->room, 16);
    assert_int_equal(ring->head, 11);
    push(27);
    assert_int_equal(ring->room, 32);
    for (int i = 28; i < 5000; i++)
        push(i);
    for (int i = 11; i < 5000; i++)
        pop(i);
    assert_int_equal(ring->count, 0);
}

static void one_in_the_middle_can_go(void **state)
{
    (void)state;
    for (int i = 0; i < 14; i++)
        push(i);
    for (int i = 0; i < 10; i++)
        pop(i);
    for (int i = 14; i < 20; i++)
        push(i);
    owed_remove(ring, 4); /* 14, where the ring wraps soon */
    owed_remove(ring, ring->count - 1);
    owed_remove(ring, 0);
    assert_int_equal(ring->count, 7);
    for (int i = 11; i < 19; i++)
        if (i != 14)
            pop(i);
    assert_int_equal(ring->count, 0);
}

static void references_go_with_the_answers(void **state)
{
    struct prepared_names names = { 0 };
    struct statement *one = statement("select 1");
    struct prepared_name *name = names_add(&names, "a", one, 1);

    (void)state;
    name_retain(name);
    assert_true(owed_push(ring, &(struct owed){ .kind = OWED_PARSE, .statement = one, .name = name }));
    names_remove(&names, name);
    assert_int_equal(name->references, 1);
    assert_int_equal(statement_count(), 1);
    owed_pop(ring);
    assert_int_equal(statement_count(), 0);
    names_clear(&names);
}

static void one_in_the_middle_lets_go_only_of_its_own(void **state)
{
    (void)state;
    assert_true(owed_push(ring, &(struct owed){ .kind = OWED_PARSE, .statement = statement("a") }));
    assert_true(owed_push(ring, &(struct owed){ .kind = OWED_PARSE, .statement = statement("b") }));
    assert_true(owed_push(ring, &(struct owed){ .kind = OWED_PARSE, .statement = statement("c") }));
    owed_remove(ring, 1);
    assert_int_equal(statement_count(), 2);
    assert_string_equal(owed_at(ring, 0)->statement->bytes, "a");
    assert_string_equal(owed_at(ring, 1)->statement->bytes, "c");
    owed_pop(ring);
    assert_int_equal(statement_count(), 1);
}

static void a_session_lets_go_of_what_is_still_owed_and_prepared(void **state)
{
    struct statement *prepared = statement("b");

    (void)state;
    assert_true(owed_push(ring, &(struct owed){ .kind = OWED_PARSE, .statement = statement("a") }));
    assert_true(set_add(&session->prepared, prepared, 1, 1));
    statement_release(prepared);
    assert_int_equal(statement_count(), 2);
    /* close_all finds nothing left */
}

static void a_close_on_its_way_is_remembered(void **state)
{
    struct statement *one = statement("a"), *two = statement("b");

    (void)state;
    assert_true(owed_push(ring, &(struct owed){ .kind = OWED_PARSE, .prepares = true, .statement = two }));
    assert_true(owed_push(ring, &(struct owed){ .kind = OWED_CLOSE, .evicts = true, .statement = one }));
    push(OWED_SYNC);
    assert_true(owed_evicts(ring, one));
    assert_false(owed_evicts(ring, two));
    owed_pop(ring);
    assert_true(owed_evicts(ring, one));
    owed_pop(ring);
    assert_false(owed_evicts(ring, one));
}

static void a_close_of_an_earlier_batch_may_still_be_undone(void **state)
{
    struct prepared_names names = { 0 };
    struct statement *one = statement("select 1");
    struct prepared_name *name = names_add(&names, "a", one, 1);

    (void)state;
    statement_release(one);
    push(OWED_BIND);
    assert_true(owed_push(ring, &(struct owed){ .kind = OWED_CLOSE, .name = name }));
    assert_false(owed_closes(ring, "a"));
    push(OWED_SYNC);
    assert_true(owed_closes(ring, "a"));
    assert_false(owed_closes(ring, "b"));
    pop(OWED_BIND);
    name_retain(name);
    owed_pop(ring);
    assert_false(owed_closes(ring, "a"));
    names_free(&names);
}

#define with_session(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_session(an_empty_ring_owes_nothing),
        with_session(a_close_of_an_earlier_batch_may_still_be_undone),
        with_session(answers_come_in_the_order_of_the_requests),
        with_session(the_ring_grows_while_it_is_wrapped),
        with_session(one_in_the_middle_can_go),
        with_session(references_go_with_the_answers),
        with_session(one_in_the_middle_lets_go_only_of_its_own),
        with_session(a_session_lets_go_of_what_is_still_owed_and_prepared),
        with_session(a_close_on_its_way_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
