/* SPDX-License-Identifier: PostgreSQL
 * test_stream - bytes arrive once and in order whatever a handler takes, pauses, resumes or closes. */
#include "tests/unit/stream_probe.h"

static size_t take_none(struct probe *probe, size_t length)
{
    (void)probe;
    (void)length;
    return 0;
}

static void probe_hang_up(struct probe *probe)
{
    close(probe->far);
    probe->far = -1;
}

static size_t take_fours(struct probe *probe, size_t length)
{
    (void)probe;
    return length / 4 * 4;
}

static void what_a_handler_leaves_is_shown_in_front_of_what_comes(void **state)
{
    struct probe *probe = probe_open();

    (void)state;
    probe->take = take_fours;
    say(probe, "abcdef");
    loop_until(loop, probe->calls == 1);
    say(probe, "g");
    loop_until(loop, probe->calls == 2);
    assert_shown(probe, "efg");
    say(probe, "hijklmnop");
    loop_until(loop, probe->calls == 3);
    assert_shown(probe, "efghijklmnop");
    say(probe, "qrst");
    loop_until(loop, probe->calls == 4);
    assert_shown(probe, "qrst");
    probe_close(probe);
}

static void what_was_left_is_shown_again_only_after_resume(void **state)
{
    struct probe *probe = probe_open();

    (void)state;
    probe->take = take_none;
    say(probe, "hello");
    loop_until(loop, probe->calls == 1);
    loop_a_while(loop);
    assert_int_equal(probe->calls, 1);
    assert_false(stream_quiet(&probe->stream));
    probe->take = NULL;
    stream_resume(&probe->stream);
    assert_int_equal(probe->calls, 1);
    loop_until(loop, probe->calls == 2);
    assert_shown(probe, "hello");
    stream_resume(&probe->stream);
    loop_a_while(loop);
    assert_int_equal(probe->calls, 2);
    probe_close(probe);
}

static size_t take_one_and_resume(struct probe *probe, size_t length)
{
    (void)length;
    assert_int_equal(probe->shown[0], 'a' + probe->calls - 1);
    stream_resume(&probe->stream);
    return 1;
}

static void a_handler_may_resume_its_own_stream(void **state)
{
    struct probe *probe = probe_open();

    (void)state;
    probe->take = take_one_and_resume;
    say(probe, "abcdefg");
    loop_until(loop, probe->calls == 7);
    assert_shown(probe, "g");
    loop_a_while(loop);
    assert_int_equal(probe->calls, 7);
    probe_close(probe);
}

static size_t take_none_and_pause(struct probe *probe, size_t length)
{
    (void)length;
    stream_pause(&probe->stream);
    return 0;
}

static void a_paused_stream_reads_nothing_until_it_is_resumed(void **state)
{
    struct probe *probe = probe_open();

    (void)state;
    probe->take = take_none_and_pause;
    say(probe, "abc");
    loop_until(loop, probe->calls == 1);
    say(probe, "def");
    loop_a_while(loop);
    assert_int_equal(probe->calls, 1);
    assert_int_equal(probe->stream.bytes_in, 3);
    probe->take = take_none;
    stream_resume(&probe->stream);
    loop_until(loop, probe->stream.bytes_in == 6);
    assert_shown(probe, "abcdef");
    probe_close(probe);
}

static void a_megabyte_that_nobody_takes_is_kept_whole(void **state)
{
    static unsigned char bytes[1 << 20];
    struct probe *probe = probe_open();
    size_t written = 0;

    (void)state;
    probe->take = take_none;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = loop_byte(i);
    while (probe->shown_bytes < sizeof bytes) {
        ssize_t sent = send(probe->far, bytes + written, sizeof bytes - written, MSG_NOSIGNAL);

        written += sent > 0 ? (size_t)sent : 0;
        ev_run(loop, EVRUN_NOWAIT);
    }
    assert_memory_equal(probe->shown, bytes, sizeof bytes);
    probe_close(probe);
}

static void what_a_closing_peer_said_is_shown_before_its_end(void **state)
{
    struct probe *probe = probe_open();

    (void)state;
    say(probe, "goodbye");
    probe_hang_up(probe);
    loop_until(loop, probe->ended == 1);
    assert_int_equal(probe->error, 0);
    assert_int_equal(probe->calls, 1);
    assert_shown(probe, "goodbye");
    loop_a_while(loop);
    assert_int_equal(probe->ended, 1);
    probe_close(probe);
}

static size_t take_one_and_close(struct probe *probe, size_t length)
{
    (void)length;
    stream_send(&probe->stream, "never sent", 10);
    stream_close(&probe->stream);
    stream_close(&probe->stream);
    stream_resume(&probe->stream);
    stream_pause(&probe->stream);
    stream_send(&probe->stream, "nor this", 8);
    return 1;
}

static void a_handler_may_close_its_own_stream(void **state)
{
    struct probe *probe = probe_open();
    char byte;

    (void)state;
    probe->take = take_one_and_close;
    say(probe, "abc");
    loop_until(loop, probe->released == 1);
    loop_a_while(loop);
    assert_int_equal(probe->calls, 1);
    assert_int_equal(probe->released, 1);
    assert_int_equal(recv(probe->far, &byte, 1, 0) <= 0, 1);
    probe_close(probe);
}

static void a_handler_may_close_its_own_stream_when_shown_kept_bytes(void **state)
{
    struct probe *probe = probe_open();

    (void)state;
    probe->take = take_none;
    say(probe, "abc");
    loop_until(loop, probe->calls == 1);
    probe->take = take_one_and_close;
    stream_resume(&probe->stream);
    loop_until(loop, probe->released == 1);
    assert_int_equal(probe->calls, 2);
    probe_close(probe);
}

static size_t take_all_and_close_other(struct probe *probe, size_t length)
{
    stream_close(&probe->other->stream);
    return length;
}

static void a_handler_may_close_another_stream_that_has_bytes_too(void **state)
{
    struct probe *a = probe_open(), *b = probe_open();

    (void)state;
    a->take = b->take = take_all_and_close_other;
    a->other = b;
    b->other = a;
    say(a, "abc");
    say(b, "abc");
    loop_until(loop, a->released + b->released == 1);
    loop_a_while(loop);
    assert_int_equal(a->calls + b->calls, 1);
    probe_close(a);
    probe_close(b);
}

static void a_resumed_stream_that_is_closed_is_not_shown(void **state)
{
    struct probe *probe = probe_open();

    (void)state;
    probe->take = take_none;
    say(probe, "abc");
    loop_until(loop, probe->calls == 1);
    stream_resume(&probe->stream);
    stream_close(&probe->stream);
    loop_a_while(loop);
    assert_int_equal(probe->calls, 1);
    probe_close(probe);
}

static void quiet_means_that_nothing_waits_to_be_read(void **state)
{
    struct probe *probe = probe_open();

    (void)state;
    assert_true(stream_quiet(&probe->stream));
    say(probe, "a");
    assert_false(stream_quiet(&probe->stream));
    loop_until(loop, probe->calls == 1);
    assert_true(stream_quiet(&probe->stream));
    probe_hang_up(probe);
    assert_false(stream_quiet(&probe->stream));
    probe_close(probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_engine(what_a_handler_leaves_is_shown_in_front_of_what_comes),
        with_engine(what_was_left_is_shown_again_only_after_resume),
        with_engine(a_handler_may_resume_its_own_stream),
        with_engine(a_paused_stream_reads_nothing_until_it_is_resumed),
        with_engine(a_megabyte_that_nobody_takes_is_kept_whole),
        with_engine(what_a_closing_peer_said_is_shown_before_its_end),
        with_engine(a_handler_may_close_its_own_stream),
        with_engine(a_handler_may_close_its_own_stream_when_shown_kept_bytes),
        with_engine(a_handler_may_close_another_stream_that_has_bytes_too),
        with_engine(a_resumed_stream_that_is_closed_is_not_shown),
        with_engine(quiet_means_that_nothing_waits_to_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
