/* SPDX-License-Identifier: PostgreSQL
 * test_stream_output - bytes leave once and in order, and a peer that does not keep up is always heard of
 * again. */
#include "tests/unit/stream_probe.h"

enum { BULK_BYTES = 4 << 20 };

/* Reads and compares what came out of the stream so far. */
static size_t hear(struct probe *probe, size_t heard)
{
    unsigned char bytes[30000];
    ssize_t got;

    while ((got = recv(probe->far, bytes, sizeof bytes, 0)) > 0)
        for (ssize_t i = 0; i < got; i++)
            assert_int_equal(bytes[i], loop_byte(heard++));
    return heard;
}

static void bytes_of_all_sizes_leave_in_order(void **state)
{
    static const size_t sizes[] = { 1, 100000, 8191, 8192, 0, 16368, 7, 262144, 16367, 300000, 3 };
    static unsigned char bytes[300000];
    struct probe *probe = probe_open();
    size_t sent = 0, heard = 0;

    (void)state;
    for (size_t i = 0; sent < BULK_BYTES; i++) {
        size_t length = sizes[i % (sizeof sizes / sizeof *sizes)];

        for (size_t at = 0; at < length; at++)
            bytes[at] = loop_byte(sent + at);
        if (i % 3 == 0)
            stream_send(&probe->stream, bytes, length);
        else
            stream_forward(&probe->stream, bytes, length);
        sent += length;
        if (i % 2 == 0)
            ev_run(loop, EVRUN_NOWAIT);
        if (i % 7 == 0)
            heard = hear(probe, heard);
    }
    loop_until(loop, (heard = hear(probe, heard)) == sent);
    assert_int_equal(stream_backlog(&probe->stream), 0);
    assert_int_equal(probe->stream.bytes_out, sent);
    probe_close(probe);
}

static void what_is_queued_leaves_at_the_end_of_the_turn(void **state)
{
    struct probe *probe = probe_open();
    char byte;

    (void)state;
    stream_send(&probe->stream, "a", 1);
    assert_int_equal(recv(probe->far, &byte, 1, 0), -1);
    ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(recv(probe->far, &byte, 1, 0), 1);
    stream_send(&probe->stream, "b", 1);
    stream_flush(&probe->stream);
    assert_int_equal(recv(probe->far, &byte, 1, 0), 1);
    assert_int_equal(byte, 'b');
    probe_close(probe);
}

/* Sends until the peer does not keep up; returns how many bytes that took. */
static size_t fill(struct probe *probe)
{
    static unsigned char bytes[50000];
    size_t sent = 0;

    while (!stream_congested(&probe->stream)) {
        for (size_t at = 0; at < sizeof bytes; at++)
            bytes[at] = loop_byte(sent + at);
        stream_forward(&probe->stream, bytes, sizeof bytes);
        sent += sizeof bytes;
        assert_true(sent < 64 << 20);
    }
    return sent;
}

static void congestion_ends_in_drained(void **state)
{
    struct probe *probe = probe_open();
    size_t heard = 0;

    (void)state;
    for (int round = 1; round <= 3; round++) {
        size_t sent = fill(probe);

        loop_a_while(loop);
        assert_int_equal(probe->drained, round - 1);
        heard = 0;
        loop_until(loop, (heard = hear(probe, heard)) == sent);
        loop_until(loop, probe->drained == round);
        assert_false(stream_congested(&probe->stream));
        loop_a_while(loop);
        assert_int_equal(probe->drained, round);
    }
    assert_int_equal(probe->ended, 0);
    probe_close(probe);
}

static void congestion_ends_when_the_peer_goes(void **state)
{
    struct probe *probe = probe_open();

    (void)state;
    fill(probe);
    stream_pause(&probe->stream);
    close(probe->far);
    probe->far = -1;
    loop_until(loop, probe->ended + probe->drained > 0);
    assert_false(stream_congested(&probe->stream));
    loop_until(loop, probe->ended == 1);
    stream_send(&probe->stream, "x", 1);
    assert_int_equal(stream_backlog(&probe->stream), 0);
    probe_close(probe);
}

/* It takes what is there already and will have no more, but does not hang up. */
static void congestion_ends_when_the_peer_refuses_the_rest(void **state)
{
    struct probe *probe = probe_open();

    (void)state;
    fill(probe);
    stream_pause(&probe->stream);
    say(probe, "last words");
    assert_int_equal(shutdown(probe->far, SHUT_RD), 0);
    hear(probe, 0);
    loop_until(loop, probe->ended == 1);
    assert_shown(probe, "last words");
    assert_false(stream_congested(&probe->stream));
    probe_close(probe);
}

static void a_stream_moves_to_another_engine(void **state)
{
    struct ev_loop *other_loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    struct probe *probe = probe_open();
    struct stream_engine other;
    size_t sent = fill(probe), heard = 0;

    (void)state;
    assert_true(stream_engine_open(&other, other_loop));
    do { /* congested, then flushed by hand before the loop says that it drained */
        heard = hear(probe, heard);
        stream_flush(&probe->stream);
    } while (heard < sent);
    stream_detach(&probe->stream);
    say(probe, "abc");
    loop_a_while(loop);
    assert_int_equal(probe->calls, 0);
    stream_attach(&probe->stream, &other);
    loop_until(other_loop, probe->calls == 1);
    assert_shown(probe, "abc");
    stream_send(&probe->stream, (unsigned char[]){ loop_byte(0) }, 1);
    loop_until(other_loop, (heard = hear(probe, 0)) == 1);
    stream_close(&probe->stream);
    loop_until(other_loop, probe->released == 1);
    probe_close(probe);
    assert_int_equal(other.received_bytes, 3);
    assert_int_equal(other.sent_bytes, 1);
    stream_engine_close(&other);
    ev_loop_destroy(other_loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_engine(bytes_of_all_sizes_leave_in_order),
        with_engine(what_is_queued_leaves_at_the_end_of_the_turn),
        with_engine(congestion_ends_in_drained),
        with_engine(congestion_ends_when_the_peer_goes),
        with_engine(congestion_ends_when_the_peer_refuses_the_rest),
        with_engine(a_stream_moves_to_another_engine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
