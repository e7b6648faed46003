/* SPDX-License-Identifier: PostgreSQL
 * test_address - addresses are split, understood and printed; what is not one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/fault.h"
#include "gateway/net/address.h"

static struct fault fault;

static void texts_are_split_at_the_port(void **state)
{
    static const struct {
        const char *text, *host;
        int port;
    } rows[] = {
        { "127.0.0.1:6432", "127.0.0.1", 6432 },
        { "127.0.0.1", "127.0.0.1", 5432 },
        { "db1.example.com:1", "db1.example.com", 1 },
        { "db1", "db1", 5432 },
        { "[::1]:65535", "::1", 65535 },
        { "[::1]", "::1", 5432 },
        { "0.0.0.0:0", "0.0.0.0", 0 },
        { "/var/run/postgresql:5433", "/var/run/postgresql", 5433 },
        { "/var/run/postgresql", "/var/run/postgresql", 5432 },
        { "/odd:name:5433", "/odd:name", 5433 },
    };
    char host[64];
    int port;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!address_split(rows[i].text, host, sizeof host, &port, &fault))
            fail_msg("%s: %s", rows[i].text, fault.message);
        assert_string_equal(host, rows[i].host);
        assert_int_equal(port, rows[i].port);
    }
}

static void texts_that_are_no_addresses_are_refused(void **state)
{
    static const char *const bad[] = {
        "", ":5432", "[]:5432", "[::1", "[::1]x", "[::1]5432", "::1", "fd00::1:5432", "host:", "[::1]:",
        "host:x", "host:5432x", "host:-1", "host:+1", "host: 1", "host:65536", "host:99999999999999999999",
    };
    char host[64];
    int port;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memset(&fault, 0, sizeof fault);
        if (address_split(bad[i], host, sizeof host, &port, &fault))
            fail_msg("taken: %s as %s port %d", bad[i], host, port);
        assert_int_equal(strlen(fault.sqlstate), 5);
        assert_non_null(strstr(fault.message, "expected"));
    }
}

static void a_host_that_does_not_fit_is_refused(void **state)
{
    char host[8];
    int port;

    (void)state;
    assert_true(address_split("1234567:1", host, sizeof host, &port, &fault));
    assert_string_equal(host, "1234567");
    assert_false(address_split("12345678:1", host, sizeof host, &port, &fault));
}

static void numeric_addresses_print_as_they_were_written(void **state)
{
    static const struct {
        const char *host;
        int port;
        int family;
        const char *printed;
    } rows[] = {
        { "127.0.0.1", 6432, AF_INET, "127.0.0.1:6432" },
        { "0.0.0.0", 0, AF_INET, "0.0.0.0:0" },
        { "::1", 65535, AF_INET6, "[::1]:65535" },
        { "fd00:0::1", 1, AF_INET6, "[fd00::1]:1" },
        { "/run/postgresql", 5433, AF_UNIX, "/run/postgresql/.s.PGSQL.5433" },
    };
    char text[ADDRESS_TEXT_BYTES];
    struct address address;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(address_numeric(rows[i].host, rows[i].port, &address));
        assert_int_equal(address.any.sa_family, rows[i].family);
        assert_in_range(address.length, 1, sizeof address.storage);
        address_print(&address, text, sizeof text);
        assert_string_equal(text, rows[i].printed);
    }
}

static void names_are_not_numeric(void **state)
{
    static const char *const names[] = {"", "localhost", "127.0.0.1.", "1.2.3", "256.0.0.1", "[::1]", ":::"};
    struct address address;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_false(address_numeric(names[i], 1, &address));
}

static void socket_paths_must_fit(void **state)
{
    char path[600], text[ADDRESS_TEXT_BYTES];
    struct address address;

    (void)state;
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof address.local.sun_path - 1] = '\0';
    assert_true(address_local(path, &address, &fault));
    address_print(&address, text, sizeof text);
    assert_string_equal(text, path);
    path[sizeof address.local.sun_path - 1] = 'x';
    path[sizeof address.local.sun_path] = '\0';
    assert_false(address_local(path, &address, &fault));
    assert_false(address_numeric(path, 5432, &address));
    path[sizeof address.local.sun_path] = 'x';
    path[sizeof path - 1] = '\0';
    assert_false(address_numeric(path, 5432, &address));
}

static void a_client_on_a_unix_socket_has_no_path(void **state)
{
    struct address address;
    char text[ADDRESS_TEXT_BYTES], small[4];

    (void)state;
    memset(&address, 0, sizeof address);
    address.any.sa_family = AF_UNIX;
    address.length = sizeof(sa_family_t);
    address_print(&address, text, sizeof text);
    assert_string_equal(text, "local");
    address_print(&address, small, sizeof small);
    assert_string_equal(small, "loc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_split_at_the_port),
        cmocka_unit_test(texts_that_are_no_addresses_are_refused),
        cmocka_unit_test(a_host_that_does_not_fit_is_refused),
        cmocka_unit_test(numeric_addresses_print_as_they_were_written),
        cmocka_unit_test(names_are_not_numeric),
        cmocka_unit_test(socket_paths_must_fit),
        cmocka_unit_test(a_client_on_a_unix_socket_has_no_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
