/* SPDX-License-Identifier: PostgreSQL
 * test_mailbox - letters of many threads all arrive, each sender's in the order in which they were sent. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/net/mailbox.h"
#include "tests/unit/loop.h"

enum { SENDERS = 8, LETTERS = 20000 };

struct numbered {
    struct letter letter;
    int sender, number;
};

struct reader {
    struct mailbox mailbox;
    struct ev_loop *loop;
    int next[SENDERS]; /* the number that must come now */
    int arrived, out_of_order;
};

struct sender {
    pthread_t thread;
    struct reader *reader;
    struct numbered *letters;
    int index;
};

static int open_reader(void **state)
{
    struct reader *reader = calloc(1, sizeof *reader);

    assert_non_null(reader);
    reader->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    mailbox_open(&reader->mailbox, reader->loop, reader);
    *state = reader;
    return 0;
}

static int close_reader(void **state)
{
    struct reader *reader = *state;

    mailbox_close(&reader->mailbox);
    ev_loop_destroy(reader->loop);
    free(reader);
    return 0;
}

static void deliver(struct letter *letter, void *owner)
{
    struct numbered *numbered = (struct numbered *)letter;
    struct reader *reader = owner;

    reader->arrived++;
    if (reader->next[numbered->sender]++ != numbered->number)
        reader->out_of_order++;
}

static void *send_all(void *argument)
{
    struct sender *sender = argument;

    for (int i = 0; i < LETTERS; i++) {
        sender->letters[i] = (struct numbered){ .letter = { .deliver = deliver },
                                                .sender = sender->index, .number = i };
        mailbox_send(&sender->reader->mailbox, &sender->letters[i].letter);
    }
    return NULL;
}

static void letters_of_many_threads_arrive_in_each_senders_order(void **state)
{
    struct reader *reader = *state;
    struct sender senders[SENDERS];

    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .reader = reader, .index = i };
        senders[i].letters = calloc(LETTERS, sizeof *senders[i].letters);
        assert_non_null(senders[i].letters);
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    loop_until(reader->loop, reader->arrived == SENDERS * LETTERS);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    loop_a_while(reader->loop);
    assert_int_equal(reader->arrived, SENDERS * LETTERS);
    assert_int_equal(reader->out_of_order, 0);
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(reader->next[i], LETTERS);
        free(senders[i].letters);
    }
}

static void *send_slowly(void *argument)
{
    struct sender *sender = argument;

    for (int i = 0; i < 200; i++) {
        int before = i;

        sender->letters[i] = (struct numbered){ .letter = { .deliver = deliver }, .number = i };
        mailbox_send(&sender->reader->mailbox, &sender->letters[i].letter);
        while (before % 3 == 0 && before++ < 300)
            sched_yield();
    }
    return NULL;
}

static void say_late(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

/* The loop really sleeps here: a wake-up that is lost leaves it asleep until the timer. */
static void a_sleeping_loop_is_woken_for_every_letter(void **state)
{
    struct reader *reader = *state;
    struct sender sender = { .reader = reader };
    ev_timer late;

    sender.letters = calloc(200, sizeof *sender.letters);
    assert_non_null(sender.letters);
    ev_timer_init(&late, say_late, 10., 0.);
    ev_timer_start(reader->loop, &late);
    assert_int_equal(pthread_create(&sender.thread, NULL, send_slowly, &sender), 0);
    while (reader->arrived < 200 && ev_is_active(&late))
        ev_run(reader->loop, EVRUN_ONCE);
    pthread_join(sender.thread, NULL);
    assert_true(ev_is_active(&late));
    assert_int_equal(reader->out_of_order, 0);
    ev_timer_stop(reader->loop, &late);
    free(sender.letters);
}

static struct numbered answer;

static void deliver_and_answer(struct letter *letter, void *owner)
{
    struct reader *reader = owner;

    (void)letter;
    answer = (struct numbered){ .letter = { .deliver = deliver } };
    mailbox_send(&reader->mailbox, &answer.letter);
}

static void a_letter_may_be_sent_while_one_is_delivered(void **state)
{
    struct reader *reader = *state;
    struct letter letter = { .deliver = deliver_and_answer };

    mailbox_send(&reader->mailbox, &letter);
    assert_int_equal(reader->arrived, 0);
    loop_until(reader->loop, reader->arrived == 1);
}

static void again(struct letter *letter, void *owner)
{
    struct reader *reader = owner;

    if (++reader->arrived < 10)
        mailbox_send(&reader->mailbox, letter);
}

static void a_delivered_letter_may_be_sent_again(void **state)
{
    struct reader *reader = *state;
    struct letter letter = { .deliver = again };

    mailbox_send(&reader->mailbox, &letter);
    loop_until(reader->loop, reader->arrived == 10);
}

static void closing_delivers_what_is_there(void **state)
{
    struct reader *reader = *state;
    struct numbered letters[3] = { { .letter.deliver = deliver, .number = 0 },
                                   { .letter.deliver = deliver, .number = 1 },
                                   { .letter.deliver = deliver, .number = 2 } };

    for (int i = 0; i < 3; i++)
        mailbox_send(&reader->mailbox, &letters[i].letter);
    mailbox_close(&reader->mailbox);
    assert_int_equal(reader->arrived, 3);
    assert_int_equal(reader->out_of_order, 0);
    mailbox_open(&reader->mailbox, reader->loop, reader);
}

#define with_reader(test) cmocka_unit_test_setup_teardown(test, open_reader, close_reader)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_reader(letters_of_many_threads_arrive_in_each_senders_order),
        with_reader(a_sleeping_loop_is_woken_for_every_letter),
        with_reader(a_letter_may_be_sent_while_one_is_delivered),
        with_reader(a_delivered_letter_may_be_sent_again),
        with_reader(closing_delivers_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
