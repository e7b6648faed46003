/* SPDX-License-Identifier: PostgreSQL
 * test_stream_secure_troubles - peers that end, flood or change TLS at the worst moment, and owners that let
 * go of a stream in the middle of what it is told. */
#include <openssl/ssl.h>

#include "gateway/net/stream_secure.h"
#include "tests/unit/stream_secure_scene.h"

enum { FLOOD = 20000, HELD_MAX_BYTES = 65536 };

/* The peer as a program without the gateway's code. */
struct raw {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

static SSL_CTX *raw_server_side(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    assert_int_equal(SSL_CTX_use_certificate_file(context, cert_file, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM), 1);
    return context;
}

/* The context is the raw's from now on. */
static void raw_open(struct raw *raw, SSL_CTX *context, int fd)
{
    raw->context = context;
    raw->ssl = SSL_new(context);
    raw->fd = fd;
    assert_int_equal(SSL_set_fd(raw->ssl, fd), 1);
}

static void raw_close(struct raw *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->context);
    close(raw->fd);
}

/* A stream of ours that accepts, and a client that does as the test says. */
static struct end *raw_client(struct raw *raw)
{
    struct end *server;
    int ends[2];

    loop_sockets(ends);
    server = end_open(ends[0]);
    stream_secure(&server->stream, tls_accept(server_side, TLS_ASK_NOTHING, false), NULL, 0);
    raw_open(raw, SSL_CTX_new(TLS_client_method()), ends[1]);
    SSL_set_connect_state(raw->ssl);
    loop_until(loop, SSL_do_handshake(raw->ssl) == 1);
    loop_until(loop, server->secured == 1);
    return server;
}

/* False: the peer takes nothing more, or is gone. */
static bool renew_keys(struct raw *raw, int kind)
{
    return SSL_key_update(raw->ssl, kind) == 1 && SSL_do_handshake(raw->ssl) == 1;
}

static void flood(int kind)
{
    struct end *server;
    struct raw raw;
    size_t most = 0;

    server = raw_client(&raw);
    for (int i = 0; i < FLOOD && server->ended == 0; i++) {
        (void)renew_keys(&raw, kind);
        ev_run(loop, EVRUN_NOWAIT);
        if (stream_backlog(&server->stream) > most)
            most = stream_backlog(&server->stream);
    }
    assert_int_equal(server->ended, 1);
    assert_int_equal(server->error, EPROTO);
    assert_in_range(most, 0, HELD_MAX_BYTES);
    end_close(server);
    raw_close(&raw);
}

static void a_peer_that_renews_keys_without_end_and_without_reading_is_ended(void **state)
{
    (void)state;
    flood(SSL_KEY_UPDATE_REQUESTED);
}

static void a_peer_that_renews_keys_without_end_and_without_data_is_ended(void **state)
{
    (void)state;
    flood(SSL_KEY_UPDATE_NOT_REQUESTED);
}

static void answers_that_are_not_read_are_not_piled_up_for_one_byte_of_data_each(void **state)
{
    unsigned char byte;
    struct end *server;
    struct raw raw;

    (void)state;
    server = raw_client(&raw);
    for (int i = 0; i < FLOOD && server->ended == 0; i++) {
        byte = loop_byte(server->got);
        if (renew_keys(&raw, SSL_KEY_UPDATE_REQUESTED))
            (void)SSL_write(raw.ssl, &byte, 1);
        loop_a_while(loop);
        assert_in_range(stream_backlog(&server->stream), 0, HELD_MAX_BYTES);
    }
    assert_int_equal(server->error, EPROTO);
    end_close(server);
    raw_close(&raw);
}

static void keys_may_be_renewed_for_ever_by_who_has_something_to_say(void **state)
{
    unsigned char bytes[64], back[64];
    struct end *server;
    struct raw raw;

    (void)state;
    server = raw_client(&raw);
    server->echoes = true;
    for (int i = 0; i < 500; i++) {
        for (size_t at = 0; at < sizeof bytes; at++)
            bytes[at] = loop_byte(server->got + at);
        assert_true(renew_keys(&raw, SSL_KEY_UPDATE_REQUESTED));
        assert_int_equal(SSL_write(raw.ssl, bytes, sizeof bytes), sizeof bytes);
        loop_until(loop, SSL_read(raw.ssl, back, sizeof back) == sizeof back);
        assert_memory_equal(back, bytes, sizeof bytes);
    }
    assert_int_equal(server->ended, 0);
    end_close(server);
    raw_close(&raw);
}

/* The last bytes and the goodbye arrive together. */
static void last_words(struct end *client, size_t bytes)
{
    say(client, bytes);
    stream_flush(&client->stream);
    end_close(client);
}

static void a_stream_may_be_detached_with_the_goodbye_behind_the_bytes_it_is_shown(void **state)
{
    struct end *server, *client;

    (void)state;
    pair_ready(&server, &client);
    server->leaves = true;
    stream_pause(&server->stream);
    last_words(client, 1000);
    stream_resume(&server->stream);
    loop_until(loop, server->got == 1000);
    assert_int_equal(server->ended, 0);
    server->leaves = false;
    stream_attach(&server->stream, &engine);
    assert_false(stream_quiet(&server->stream));
    loop_until(loop, server->ended > 0);
    assert_int_equal(server->error, 0);
    end_close(server);
}

static void what_waits_for_a_slow_owner_is_shown_before_the_goodbye_counts(void **state)
{
    struct end *server, *client;

    (void)state;
    pair_ready(&server, &client);
    server->hungry = false;
    server->pauses = true;
    stream_pause(&server->stream);
    last_words(client, 1000);
    stream_resume(&server->stream);
    loop_until(loop, server->stream.kept_used == 1000);
    loop_a_while(loop);
    assert_int_equal(server->ended, 0);
    server->hungry = true;
    server->pauses = false;
    stream_resume(&server->stream);
    loop_until(loop, server->ended > 0);
    assert_int_equal(server->got, 1000);
    assert_int_equal(server->error, 0);
    end_close(server);
}

static void a_goodbye_without_a_closed_socket_is_an_end_too(void **state)
{
    struct end *server;
    struct raw raw;

    (void)state;
    server = raw_client(&raw);
    server->pauses = true;
    assert_int_equal(SSL_write(raw.ssl, (unsigned char[]){loop_byte(0)}, 1), 1);
    (void)SSL_shutdown(raw.ssl);
    loop_until(loop, server->got == 1);
    loop_a_while(loop);
    assert_int_equal(server->ended, 0);
    assert_false(stream_quiet(&server->stream));
    stream_resume(&server->stream);
    loop_until(loop, server->ended > 0);
    assert_int_equal(server->error, 0);
    end_close(server);
    raw_close(&raw);
}

/* Connects to a server that gives tickets; tells whether an earlier session was resumed. */
static bool resumes(SSL_CTX *tickets, struct tls_context *context, struct tls_session *session, bool check)
{
    const struct tls_target target = {
        .name = "db.example", .check_chain = check, .check_name = check, .session = session};
    struct end *client;
    struct raw server;
    int ends[2];
    bool resumed;

    loop_sockets(ends);
    SSL_CTX_up_ref(tickets);
    raw_open(&server, tickets, ends[0]);
    SSL_set_accept_state(server.ssl);
    client = end_open(ends[1]);
    stream_secure(&client->stream, tls_connect(context, &target), NULL, 0);
    loop_until(loop, SSL_do_handshake(server.ssl) == 1);
    loop_until(loop, client->secured == 1);
    assert_int_equal(SSL_write(server.ssl, (unsigned char[]){loop_byte(0)}, 1), 1);
    loop_until(loop, client->got == 1);
    resumed = tls_resumed(client->stream.tls);
    end_close(client);
    raw_close(&server);
    return resumed;
}

static void a_session_is_resumed_only_where_as_much_was_checked(void **state)
{
    SSL_CTX *tickets = raw_server_side();
    struct tls_context *reloaded;
    struct tls_session session;
    struct fault fault;

    (void)state;
    reloaded = tls_context_new(&client_setup, &fault);
    assert_non_null(reloaded);
    tls_session_open(&session);
    assert_false(resumes(tickets, client_side, &session, false));
    assert_true(resumes(tickets, client_side, &session, false));
    assert_false(resumes(tickets, client_side, &session, true));
    assert_true(resumes(tickets, client_side, &session, true));
    assert_false(resumes(tickets, reloaded, &session, true));
    tls_session_close(&session);
    tls_context_release(reloaded);
    SSL_CTX_free(tickets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_engine(a_peer_that_renews_keys_without_end_and_without_reading_is_ended),
        with_engine(a_peer_that_renews_keys_without_end_and_without_data_is_ended),
        with_engine(answers_that_are_not_read_are_not_piled_up_for_one_byte_of_data_each),
        with_engine(keys_may_be_renewed_for_ever_by_who_has_something_to_say),
        with_engine(a_stream_may_be_detached_with_the_goodbye_behind_the_bytes_it_is_shown),
        with_engine(what_waits_for_a_slow_owner_is_shown_before_the_goodbye_counts),
        with_engine(a_goodbye_without_a_closed_socket_is_an_end_too),
        with_engine(a_session_is_resumed_only_where_as_much_was_checked),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
