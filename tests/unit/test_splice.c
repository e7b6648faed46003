/* SPDX-License-Identifier: PostgreSQL
 * test_splice - bulk arrives byte for byte, the end is told after everything was delivered, quiet gives back.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/net/splice.h"
#include "tests/unit/loop.h"

enum { BULK_BYTES = 8 << 20, QUIET_ROUNDS = 100 };

/* A source and a destination, each with the far end that the test holds. */
static struct ev_loop *loop;
static struct splice splicer;
static int from[2], to[2]; /* [0] is the splice's, [1] the test's */
static int ended, error_told, idled;
static size_t written, seen, seen_at_end;

static void on_ended(void *owner, int error)
{
    assert_ptr_equal(owner, &splicer);
    ended++;
    error_told = error;
    seen_at_end = splicer.bytes;
}

static void on_idle(void *owner)
{
    assert_ptr_equal(owner, &splicer);
    idled++;
}

static const struct splice_events events = { .ended = on_ended, .idle = on_idle };

static int start(void **state)
{
    (void)state;
    memset(&splicer, 0, sizeof splicer);
    ended = error_told = idled = 0;
    written = seen = seen_at_end = 0;
    loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    loop_sockets(from);
    loop_sockets(to);
    assert_true(splice_start(&splicer, loop, from[0], to[0], &events, &splicer));
    return 0;
}

static void close_end(int *end)
{
    if (*end >= 0)
        close(*end);
    *end = -1;
}

static int stop(void **state)
{
    (void)state;
    splice_stop(&splicer);
    for (int i = 0; i < 2; i++) {
        close_end(&from[i]);
        close_end(&to[i]);
    }
    ev_loop_destroy(loop);
    return 0;
}

/* Writes what the source takes now, at most up to `until` bytes in all. */
static void feed(size_t until)
{
    static unsigned char bytes[50000];

    while (written < until) {
        size_t here = until - written < sizeof bytes ? until - written : sizeof bytes;
        ssize_t sent;

        for (size_t i = 0; i < here; i++)
            bytes[i] = loop_byte(written + i);
        sent = send(from[1], bytes, here, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        written += (size_t)sent;
    }
}

/* Reads and compares what the destination got until now. False at its end. */
static bool take(void)
{
    unsigned char bytes[70000];
    ssize_t got;

    while ((got = recv(to[1], bytes, sizeof bytes, 0)) > 0)
        for (ssize_t i = 0; i < got; i++)
            assert_int_equal(bytes[i], loop_byte(seen++));
    return got < 0 && errno == EAGAIN;
}

static void bulk_arrives_byte_for_byte(void **state)
{
    (void)state;
    while (seen < BULK_BYTES) {
        feed(BULK_BYTES);
        ev_run(loop, EVRUN_NOWAIT);
        assert_true(take());
    }
    assert_int_equal(splicer.bytes, BULK_BYTES);
    assert_int_equal(ended, 0);
    assert_true(splice_active(&splicer));
}

static void the_end_is_told_after_everything_was_delivered(void **state)
{
    (void)state;
    feed(300000);
    close_end(&from[1]);
    loop_until(loop, (take(), ended > 0));
    assert_int_equal(error_told, 0);
    assert_int_equal(seen_at_end, written);
    close_end(&to[0]);
    assert_false(take());
    assert_int_equal(seen, written);
    loop_a_while(loop);
    assert_int_equal(ended, 1);
    assert_false(splice_active(&splicer));
}

static void a_full_destination_stops_the_source_and_loses_nothing(void **state)
{
    size_t stuck;

    (void)state;
    do {
        stuck = written;
        feed(BULK_BYTES);
        loop_a_while(loop);
    } while (written > stuck);
    assert_true(written < BULK_BYTES); /* both sockets and the pipe are full, and nothing is held elsewhere */
    assert_int_equal(ended, 0);
    loop_until(loop, (take(), feed(BULK_BYTES), seen == BULK_BYTES));
    assert_int_equal(splicer.bytes, BULK_BYTES);
}

static void the_end_waits_for_a_full_destination(void **state)
{
    size_t stuck;

    (void)state;
    do {
        stuck = written;
        feed(BULK_BYTES);
        loop_a_while(loop);
    } while (written > stuck);
    close_end(&from[1]);
    loop_a_while(loop);
    assert_int_equal(ended, 0);
    loop_until(loop, (take(), ended > 0));
    assert_int_equal(error_told, 0);
    close_end(&to[0]);
    assert_false(take());
    assert_int_equal(seen, written);
}

static void a_destination_that_goes_away_is_told(void **state)
{
    (void)state;
    close_end(&to[1]);
    feed(1000);
    loop_until(loop, ended > 0);
    assert_int_equal(error_told, EPIPE);
    assert_false(splice_active(&splicer));
}

static void little_gives_the_streams_back_with_nothing_in_between(void **state)
{
    (void)state;
    for (int i = 0; i < QUIET_ROUNDS && idled == 0; i++) {
        feed(written + 10);
        loop_until(loop, splicer.bytes == written);
    }
    assert_int_equal(idled, 1);
    assert_int_equal(ended, 0);
    assert_false(splice_active(&splicer));
    assert_true(take());
    assert_int_equal(seen, written);
    feed(written + 10); /* nobody reads it now */
    loop_a_while(loop);
    assert_int_equal(splicer.bytes, written - 10);
    assert_int_equal(idled, 1);
}

static void a_started_again_splice_goes_on_counting(void **state)
{
    (void)state;
    feed(1000);
    loop_until(loop, splicer.bytes == 1000);
    splice_stop(&splicer);
    assert_false(splice_active(&splicer));
    splice_stop(&splicer);
    assert_true(splice_start(&splicer, loop, from[0], to[0], &events, &splicer));
    feed(1500);
    loop_until(loop, splicer.bytes == 1500);
    assert_true(take());
    assert_int_equal(seen, 1500);
}

static void a_splice_that_never_started_is_not_active(void **state)
{
    struct splice never = { 0 };

    (void)state;
    assert_false(splice_active(&never));
    splice_stop(&never);
}

#define with_splice(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_splice(bulk_arrives_byte_for_byte),
        with_splice(the_end_is_told_after_everything_was_delivered),
        with_splice(a_full_destination_stops_the_source_and_loses_nothing),
        with_splice(the_end_waits_for_a_full_destination),
        with_splice(a_destination_that_goes_away_is_told),
        with_splice(little_gives_the_streams_back_with_nothing_in_between),
        with_splice(a_started_again_splice_goes_on_counting),
        cmocka_unit_test(a_splice_that_never_started_is_not_active),
    };

    signal(SIGPIPE, SIG_IGN); /* as the gateway does: splice(2) has no flag for it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
