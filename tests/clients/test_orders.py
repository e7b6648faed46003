# SPDX-License-Identifier: PostgreSQL
"""test_orders - the orders of messages that drivers use and that cannot be installed here, or that need two servers to
matter: npgsql's resets, unnamed statements across round trips, statements whose name two clients share."""

import pytest

import messages as m
from neighbours import surrounded
from rawpg import errors_of, rows_of


def ran(name, parameters=()):
    """Bind, Execute and Sync of a prepared statement."""
    return m.bind("", name, parameters) + m.execute() + m.sync()


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    gateway = gateway_of_module(pool=8, workers=2)
    with surrounded(gateway):
        yield gateway


# npgsql sends its reset in front of the next command, in the same write. With prepared statements kept across the
# pool it is the second form.
NPGSQL_RESETS = ["DISCARD ALL",
                 "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();"
                 "DISCARD SEQUENCES;DISCARD TEMP"]


@pytest.mark.parametrize("reset", NPGSQL_RESETS)
def test_npgsql_resets_in_front_of_the_next_command(pool, reset):
    with pool.login(application_name="npgsql", search_path="tenant", client_encoding="UTF8") as client:
        for turn in range(20):
            found = client.ask(m.query(reset), m.parse("", "select current_setting('my.mine', true), $1::int + 1"),
                               m.describe("S"), m.bind("", "", [turn]), m.execute(), m.sync(), count=2)
            assert [error["M"] for error in errors_of(found)] == []
            row = [item for item in rows_of(found) if len(item) == 2][-1]
            assert row[0] in (None, "") and row[1] == str(turn + 1)
            assert client.value("show search_path") == "tenant"
            assert client.value("select to_regclass('mine')") is None
            client.query(f"set my.mine = '{turn}'")
            client.query("create temp table mine (n int)")
            client.query("listen mine")
            assert client.value("select current_setting('my.mine')") == str(turn)
            assert client.value("select count(*) from mine") == "0"
        client.leave()


def test_npgsql_prepares_again_what_discard_all_took(pool):
    with pool.login(application_name="npgsql") as client:
        for turn in range(10):
            assert errors_of(client.ask(m.parse("_p1", "select $1::int * 2"), m.describe("S", "_p1"), m.sync())) == []
            for value in range(3):
                assert rows_of(client.ask(ran("_p1", [value]))) == [[str(value * 2)]]
            client.query("discard all")
            assert [error["C"] for error in errors_of(client.ask(ran("_p1", [turn])))] == ["26000"]
        client.leave()


def test_npgsql_loads_types_and_batches_commands_between_two_syncs(pool):
    """A batch is one Parse, Bind, Describe and Execute each and one Sync: an error ends all of it."""
    with pool.login(application_name="npgsql") as client:
        client.query("drop table if exists batched; create table batched (n int primary key)")
        batch = b"".join(m.once(f"insert into batched values ({n})") for n in (1, 2, 1, 3))
        found = client.ask(batch, m.sync())
        assert [error["C"] for error in errors_of(found)] == ["23505"] and client.status == "I"
        assert client.value("select count(*) from batched") == "0"
        client.query("drop table batched")
        client.leave()


def test_an_unnamed_statement_is_the_last_one_that_was_parsed(gateway):
    """pgx's describe_exec mode, JDBC, psycopg: Parse and Describe in one round trip, Bind and Execute in the next,
    which may meet another server, one where the client parsed something else before."""
    pool = gateway(pool=2, workers=1)
    client, first, second = pool.login(), pool.login(), pool.login()
    for one in (first, second):
        for word in ("begin", "commit"):
            one.ask(m.parse(word, word), m.sync())
    client.ask(m.parse("", "select 'old'"), m.describe("S"), m.sync())
    first.ask(ran("begin"))
    client.ask(m.parse("", "select 'new'"), m.describe("S"), m.sync())
    second.ask(ran("begin"))
    first.ask(ran("commit"))
    assert rows_of(client.ask(ran(""))) == [["new"]]
    second.ask(ran("commit"))
    for one in (client, first, second):
        one.leave()


def test_statements_of_sequences_may_share_a_name(pool):
    """pgx names a statement by a hash of its text, so all its clients use the same name."""
    sql = "select currval('of_orders')"
    with pool.login() as maker:
        maker.query("create sequence if not exists of_orders")
        maker.leave()
    for _ in range(2):
        with pool.login() as client:
            assert errors_of(client.ask(m.parse("hash", sql), m.describe("S", "hash"), m.sync())) == []
            assert [error["C"] for error in errors_of(client.ask(ran("hash")))] == ["55000"]
            client.leave()


def test_what_is_prepared_by_message_is_executed_by_statement(pool):
    """asyncpg's users do, and PostgreSQL has one space of names for both."""
    with pool.login() as client:
        client.ask(m.parse("of_ours", "select 'by message'"), m.sync())
        for _ in range(3):
            assert client.value("execute of_ours") == "by message"
        assert client.rows("select name, from_sql from pg_prepared_statements") == [["of_ours", "f"]]
        client.query("deallocate of_ours")
        assert [error["C"] for error in errors_of(client.ask(ran("of_ours")))] == ["26000"]
        client.query("prepare of_ours as select 'by statement'")
        assert rows_of(client.ask(ran("of_ours"))) == [["by statement"]]
        client.leave()


def test_a_closed_statement_is_no_longer_listed(pool):
    """pgx's own tests count what is left in pg_prepared_statements after Close."""
    with pool.login() as client:
        client.ask(m.parse("of_ours", "select 42"), m.sync())
        client.ask(m.close("S", "of_ours"), m.sync())
        assert client.rows("select name from pg_prepared_statements") == []
        client.leave()
