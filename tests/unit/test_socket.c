/* SPDX-License-Identifier: PostgreSQL
 * test_socket - what is asked of a listening socket holds for the connections that it accepts. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/fault.h"
#include "gateway/net/socket.h"

static struct fault fault;

static int listen_somewhere(struct address *address)
{
    int fd;

    assert_true(address_numeric("127.0.0.1", 0, address));
    fd = socket_listen(address, 8, &fault);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, &address->any, &address->length), 0);
    return fd;
}

static void wait_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&one, 1, 60000), 1);
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

static void assert_tuned(int fd)
{
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
}

static void both_ends_of_a_connection_are_tuned(void **state)
{
    struct address address, peer;
    int listener = listen_somewhere(&address), client = socket_connect(&address, &fault), accepted;
    struct pollfd connected = {.fd = client, .events = POLLOUT};

    (void)state;
    assert_true(client >= 0);
    assert_int_equal(poll(&connected, 1, 60000), 1);
    assert_int_equal(write(client, "x", 1), 1);
    wait_readable(listener);
    accepted = socket_accept(listener, &peer);
    assert_true(accepted >= 0);
    assert_int_equal(peer.any.sa_family, AF_INET);
    assert_tuned(accepted);
    assert_tuned(client);
    close(accepted);
    close(client);
    close(listener);
}

static void what_is_configured_holds_for_both_ends_and_for_listeners_that_are_there_already(void **state)
{
    const struct socket_options usual = {true, 60, 10, 3, 0, 0}, wanted = {true, 7, 5, 4, 9000, 0};
    struct address address, peer;
    int listener = listen_somewhere(&address), client, accepted;

    (void)state;
    socket_configure(&wanted);
    socket_retune(listener, &address);
    client = socket_connect(&address, &fault);
    assert_true(client >= 0);
    wait_readable(listener);
    accepted = socket_accept(listener, &peer);
    for (int i = 0; i < 2; i++) {
        int fd = i == 0 ? client : accepted;

        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 7);
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 5);
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 4);
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 9000);
        close(fd);
    }
    close(listener);
    socket_configure(&usual);
}

static void connections_that_say_nothing_can_be_left_to_the_kernel(void **state)
{
    const struct socket_options usual = {true, 60, 10, 3, 0, 0}, wanted = {true, 60, 10, 3, 0, 30};
    struct pollfd silent = {.events = POLLIN};
    struct address address, peer;
    int client, accepted;

    (void)state;
    socket_configure(&wanted);
    silent.fd = listen_somewhere(&address);
    client = socket_connect(&address, &fault);
    assert_int_equal(poll(&silent, 1, 300), 0);
    assert_int_equal(write(client, "x", 1), 1);
    wait_readable(silent.fd);
    accepted = socket_accept(silent.fd, &peer);
    assert_true(accepted >= 0);
    close(accepted);
    close(client);
    close(silent.fd);
    socket_configure(&usual);
}

static void a_client_that_says_nothing_is_accepted_in_the_end(void **state)
{
    struct address address, peer;
    int listener = listen_somewhere(&address), client = socket_connect(&address, &fault), accepted;

    (void)state;
    assert_true(client >= 0);
    wait_readable(listener);
    accepted = socket_accept(listener, &peer);
    assert_true(accepted >= 0);
    close(accepted);
    close(client);
    close(listener);
}

static void nothing_to_accept_is_no_connection(void **state)
{
    struct address address, peer;
    int listener = listen_somewhere(&address);

    (void)state;
    assert_int_equal(socket_accept(listener, &peer), -1);
    assert_int_equal(errno, EAGAIN);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_of_a_connection_are_tuned),
        cmocka_unit_test(what_is_configured_holds_for_both_ends_and_for_listeners_that_are_there_already),
        cmocka_unit_test(connections_that_say_nothing_can_be_left_to_the_kernel),
        cmocka_unit_test(a_client_that_says_nothing_is_accepted_in_the_end),
        cmocka_unit_test(nothing_to_accept_is_no_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
