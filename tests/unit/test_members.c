/* SPDX-License-Identifier: PostgreSQL
 * test_members - Patroni's answers to GET /cluster, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/fault.h"
#include "gateway/patroni/members.h"
#include "router/hosts.h"

static const char of_two[] =
    "{\"members\": [{\"name\": \"a\", \"role\": \"replica\", \"state\": \"running\", \"api_url\": "
    "\"http://10.0.0.1:8008/patroni\", \"host\": \"10.0.0.1\", \"port\": 5432, \"timeline\": 3, \"lag\": 0}, "
    "{\"name\": \"b\", \"role\": \"leader\", \"state\": \"running\", \"host\": \"db2.example\", \"port\": "
    "5433, "
    "\"timeline\": 3}], \"scope\": \"demo\"}";

static bool read_text(struct members *members, const char *text)
{
    struct fault fault;

    return members_read(members, text, strlen(text), &fault);
}

/* A host of the configuration, with an address when one is given. */
static enum patroni_word said_of(const struct members *members, const char *name, int port,
                                 const char *address)
{
    struct host_addresses found = {.count = 1};
    struct host host = {.port = port};

    snprintf(host.name, sizeof host.name, "%s", name);
    if (address != NULL && address_numeric(address, port, &found.items[0]))
        atomic_store(&host.addresses, &found);
    return members_say(members, &host);
}

static void hosts_are_known_by_name_and_by_address(void **state)
{
    struct members members;

    (void)state;
    assert_true(read_text(&members, of_two));
    assert_int_equal(said_of(&members, "10.0.0.1", 5432, NULL), PATRONI_MEMBER);
    assert_int_equal(said_of(&members, "DB2.example", 5433, NULL), PATRONI_LEADER);
    assert_int_equal(said_of(&members, "first", 5432, "10.0.0.1"), PATRONI_MEMBER);
    assert_int_equal(said_of(&members, "db2.example", 5432, NULL), PATRONI_ABSENT);
    assert_int_equal(said_of(&members, "elsewhere", 5433, "10.0.0.9"), PATRONI_ABSENT);
}

static void what_is_no_answer_changes_nothing(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"members\": 3}",
        "{\"members\": []}",
        "{\"members\": [1, null, \"x\", {}]}",
        "{\"members\": [{\"host\": 1, \"role\": \"leader\"}]}",
        "<html>502</html>",
        "{\"members\": [{\"role\": \"leader\"",
    };
    struct members members;

    (void)state;
    assert_true(read_text(&members, of_two));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(read_text(&members, texts[i]));
    assert_int_equal(said_of(&members, "db2.example", 5433, NULL), PATRONI_LEADER);
}

static void more_members_than_there_is_room_for_are_no_answer(void **state)
{
    char text[16384] = "{\"members\": [";
    size_t used = strlen(text);
    struct members members = {.count = 0};

    (void)state;
    for (int i = 0; i <= MEMBERS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "%s{\"host\": \"h%d\", \"role\": \"replica\"}", i == 0 ? "" : ",", i);
    snprintf(text + used, sizeof text - used, "]}");
    assert_false(read_text(&members, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_known_by_name_and_by_address),
        cmocka_unit_test(what_is_no_answer_changes_nothing),
        cmocka_unit_test(more_members_than_there_is_room_for_are_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
