/* SPDX-License-Identifier: PostgreSQL
 * test_stream_secure - over TLS a stream behaves as without: every byte once and in order, whatever arrives
 * in pieces, waits, moves or ends. */
#include "gateway/net/stream_secure.h"
#include "tests/unit/stream_secure_scene.h"

enum { BULK_BYTES = 3 << 20 };

static void bytes_come_out_as_they_went_in(void **state)
{
    struct end *server, *client;

    (void)state;
    pair_ready(&server, &client);
    server->echoes = true;
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        say(client, size);
        loop_until(loop, client->got == client->sent);
    }
    assert_int_equal(server->got, client->sent);
    assert_true(stream_quiet(&server->stream));
    end_close(client);
    loop_until(loop, server->ended > 0);
    assert_int_equal(server->error, 0);
    end_close(server);
}

static void a_peer_that_does_not_read_holds_the_output_back_until_it_does(void **state)
{
    struct end *server, *client;

    (void)state;
    pair_ready(&server, &client);
    stream_pause(&server->stream);
    say(client, BULK_BYTES);
    loop_a_while(loop);
    assert_true(stream_congested(&client->stream));
    assert_int_equal(server->got, 0);
    stream_resume(&server->stream);
    loop_until(loop, server->got == BULK_BYTES && stream_backlog(&client->stream) == 0);
    loop_until(loop, client->drained > 0);
    end_close(client);
    end_close(server);
}

static void what_a_handler_leaves_is_kept_behind_what_it_left_before(void **state)
{
    struct end *server, *client;

    (void)state;
    pair_ready(&server, &client);
    server->hungry = false;
    say(client, 50000);
    loop_until(loop, server->stream.kept_used == 50000);
    say(client, 70000);
    loop_until(loop, server->stream.kept_used == 120000);
    server->hungry = true;
    stream_resume(&server->stream);
    loop_until(loop, server->got == 120000);
    end_close(client);
    end_close(server);
}

static void records_in_single_bytes_are_put_together(void **state)
{
    struct end *server, *client;
    int near[2], far[2];
    unsigned char byte;

    (void)state;
    loop_sockets(near);
    loop_sockets(far);
    server = end_open(near[0]);
    client = end_open(far[0]);
    stream_secure(&server->stream, tls_accept(server_side, TLS_ASK_NOTHING, false), NULL, 0);
    stream_secure(&client->stream,
                  tls_connect(client_side, &(struct tls_target){.name = "db.example", .check_chain = true}),
                  NULL, 0);
    while (server->got < 3000) {
        if (client->secured == 1 && client->sent == 0)
            say(client, 3000);
        if (recv(far[1], &byte, 1, 0) == 1)
            assert_int_equal(send(near[1], &byte, 1, 0), 1);
        if (recv(near[1], &byte, 1, 0) == 1)
            assert_int_equal(send(far[1], &byte, 1, 0), 1);
        ev_run(loop, EVRUN_NOWAIT);
        assert_int_equal(server->ended + client->ended, 0);
    }
    end_close(client);
    end_close(server);
    close(near[1]);
    close(far[1]);
}

static void what_came_before_the_handshake_could_begin_counts(void **state)
{
    struct end *server, *client;
    unsigned char hello[4096];
    ssize_t length;
    int ends[2];

    (void)state;
    loop_sockets(ends);
    client = end_open(ends[1]);
    stream_secure(&client->stream,
                  tls_connect(client_side, &(struct tls_target){.name = "db.example"}), NULL, 0);
    loop_a_while(loop);
    length = recv(ends[0], hello, sizeof hello, 0);
    assert_true(length > 100);
    server = end_open(ends[0]);
    stream_secure(&server->stream, tls_accept(server_side, TLS_ASK_NOTHING, true), hello, (size_t)length);
    loop_until(loop, server->secured == 1 && client->secured == 1);
    say(client, 10);
    loop_until(loop, server->got == 10);
    end_close(client);
    end_close(server);
}

static void something_else_than_tls_ends_it_with_a_reason(void **state)
{
    struct end *server;
    int ends[2];

    (void)state;
    loop_sockets(ends);
    server = end_open(ends[0]);
    stream_secure(&server->stream, tls_accept(server_side, TLS_ASK_NOTHING, false), NULL, 0);
    assert_int_equal(send(ends[1], "\0\0\0\x08\x04\xd2\x16\x2f", 8, 0), 8);
    loop_until(loop, server->ended > 0);
    assert_int_equal(server->error, EPROTO);
    assert_string_not_equal(stream_failure(&server->stream), "");
    assert_int_equal(server->secured, 0);
    end_close(server);
    close(ends[1]);
}

static void a_wrong_name_is_refused_and_both_names_are_told(void **state)
{
    const struct tls_target target = {.name = "other.example", .check_chain = true, .check_name = true};
    struct end *server, *client;

    (void)state;
    pair_open(&server, &client, &target, false);
    loop_until(loop, client->ended > 0 && server->ended > 0);
    assert_int_equal(client->error, EPROTO);
    assert_non_null(strstr(stream_failure(&client->stream), "db.example"));
    assert_non_null(strstr(stream_failure(&client->stream), "other.example"));
    end_close(client);
    end_close(server);
}

static void nothing_can_be_said_before_the_handshake_is_over(void **state)
{
    struct end *server, *client;
    const struct tls_target target = {.name = "db.example"};

    (void)state;
    pair_open(&server, &client, &target, false);
    stream_send(&client->stream, "early", 5);
    assert_int_equal(stream_backlog(&client->stream), 0);
    loop_until(loop, server->secured == 1);
    loop_a_while(loop);
    assert_int_equal(server->got, 0);
    end_close(client);
    end_close(server);
}

static void both_sides_know_the_same_binding(void **state)
{
    struct tls_binding ours, theirs;
    struct end *server, *client;
    char name[64];

    (void)state;
    pair_ready(&server, &client);
    tls_server_binding(server->stream.tls, &ours);
    tls_server_binding(client->stream.tls, &theirs);
    assert_int_equal(ours.length, 32);
    assert_int_equal(theirs.length, 32);
    assert_memory_equal(ours.bytes, theirs.bytes, 32);
    assert_true(tls_peer_common_name(client->stream.tls, name, sizeof name));
    assert_string_equal(name, "db.example");
    assert_true(tls_peer_verified(client->stream.tls));
    assert_false(tls_peer_common_name(server->stream.tls, name, sizeof name));
    assert_string_equal(tls_version(server->stream.tls), "TLSv1.3");
    end_close(client);
    end_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_engine(bytes_come_out_as_they_went_in),
        with_engine(a_peer_that_does_not_read_holds_the_output_back_until_it_does),
        with_engine(what_a_handler_leaves_is_kept_behind_what_it_left_before),
        with_engine(records_in_single_bytes_are_put_together),
        with_engine(what_came_before_the_handshake_could_begin_counts),
        with_engine(something_else_than_tls_ends_it_with_a_reason),
        with_engine(a_wrong_name_is_refused_and_both_names_are_told),
        with_engine(nothing_can_be_said_before_the_handshake_is_over),
        with_engine(both_sides_know_the_same_binding),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
