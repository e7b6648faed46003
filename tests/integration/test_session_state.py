# SPDX-License-Identifier: PostgreSQL
"""test_session_state - what a client left in its session is there when it looks again, and nobody else sees it."""

import pytest

import programs
from load import Neighbours
from rawpg import Refused, errors_of, rows_of

# Name: what a client with this tag does, what it asks later, what it must hear.
STATES = {
    "a setting": (["set my.mine = '{}'"], "show my.mine", "{}"),
    "a setting by function": (["select set_config('my.mine', '{}', false)"], "select current_setting('my.mine')", "{}"),
    "search_path": (["set search_path = 'p{}', public"], "show search_path", "p{}, public"),
    "a setting of a committed transaction": (["begin", "set my.mine = '{}'", "commit"], "show my.mine", "{}"),
    "application_name": (["set application_name = 'a{}'"], "show application_name", "a{}"),
    "a temporary table": (["create temp table mine as select '{}' as t"], "select t from mine", "{}"),
    "a temporary table by SELECT INTO": (["select '{}' as t into temp mine"], "select t from mine", "{}"),
    "a temporary view": (["create temporary view mine as select '{}' as t"], "select t from mine", "{}"),
    "a statement prepared in SQL": (["prepare mine as select '{}'"], "execute mine", "{}"),
    "a holdable cursor": (["begin", "declare mine scroll cursor with hold for select '{}'", "commit"],
                          "fetch absolute 1 from mine", "{}"),
    "an advisory lock": (["select pg_advisory_lock({})"], "select string_agg(objid::text, ',') from pg_locks"
                         " where locktype = 'advisory' and pid = pg_backend_pid()", "{}"),
    "a listening": (["listen c{}"], "select string_agg(c, ',') from pg_listening_channels() c", "c{}"),
    "a setting made in a DO block": (["do $$ begin perform set_config('my.mine', '{}', false); end $$"],
                                     "show my.mine", "{}"),
}


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    """Room for every client that keeps a server, and one server that neighbours share."""
    gateway = gateway_of_module(pool=5, workers=2)
    with Neighbours(gateway, 3) as neighbours:
        yield gateway
    neighbours.check()


@pytest.mark.parametrize("name", STATES)
def test_state_stays_with_its_client(pool, name):
    statements, question, answer = STATES[name]
    clients = {tag: pool.login() for tag in ("101", "102", "103", "104")}
    for step in statements:
        for tag, client in clients.items():
            rows_of(client.query(step.format(tag)))
    for _ in range(5):
        for tag, client in clients.items():
            assert client.value(question) == answer.format(tag)
    for client in clients.values():
        client.leave()
    with pool.login() as next_one:
        for question in ("select current_setting('my.mine', true)", "select to_regclass('mine')"):
            assert next_one.value(question) in (None, "")
        assert next_one.value("select count(*) from pg_prepared_statements where name = 'mine'") == "0"
        assert next_one.value("select count(*) from pg_cursors") == "0"
        next_one.leave()


def test_currval_is_the_clients_own_or_an_error_but_never_anothers(gateway):
    pool = gateway(pool=2, workers=1)
    first, second, holder = pool.login(), pool.login(), pool.login()
    mine = first.value("select nextval('tickets')")
    first.query("begin")
    second.value("select nextval('tickets')")
    first.query("commit")
    for client in (holder, second):
        client.query("begin")
        client.query("commit")
    for turn in range(6):
        blocked = (holder, second)[turn % 2]
        blocked.query("begin")
        try:
            assert first.value("select currval('tickets')") == mine
        except Refused as refused:
            assert refused.fields.get("H"), f"an error without a hint: {refused}"
        blocked.query("commit")
    for client in (first, second, holder):
        client.leave()


def test_a_first_question_for_currval_does_not_end_the_watch_over_a_session(gateway):
    pool = gateway(pool=1, workers=1)
    with pool.login() as asker, pool.login() as other:
        other.query("select 1")
        assert errors_of(asker.query("select currval('tickets')"))[0]["C"] == "55000"
        asker.query("discard sequences")
        asker.query("set search_path to pg_catalog")
        assert other.value("show search_path") == '"$user", public'
        assert asker.value("show search_path") == "pg_catalog"
        both = "select set_config('my.mine', 'kept', false), case when false then lastval() end"
        assert other.value(both) == "kept"
        assert other.value("show my.mine") == "kept"


def test_clients_that_keep_servers_are_counted_and_let_go(gateway):
    pool = gateway(pool=2, workers=1)
    with pool.login(application_name="keeper") as client:
        client.query("create temp table mine (a int)")

        def is_named():
            row = next(row for row in pool.console("SHOW CLIENTS") if row["application_name"] == "keeper")
            return "temporary" in str(row.values())

        programs.eventually(is_named, 5, what="the reason in SHOW CLIENTS")
        client.leave()
    with pool.login() as one, pool.login() as other:
        one.query("begin")
        other.query("begin")
        assert one.value("select 1") == other.value("select 1") == "1"
        one.leave()
        other.leave()


def test_currval_in_a_default_needs_no_sequence_state_before_it_is_called(gateway):
    pool = gateway(pool=2, workers=1)
    with pool.login() as client, pool.login() as other:
        client.value("select nextval('tickets')")
        other.value("select nextval('tickets')")
        made = "create table public.follows (a int default currval('tickets'), b int)"
        try:
            assert not errors_of(client.query(made))
            assert not errors_of(client.query("insert into follows values (1, 2)"))
            assert errors_of(client.query("insert into follows (b) values (2)"))[0]["C"] == "55000"
            mine = client.value("select nextval('tickets')")
            other.value("select nextval('tickets')")
            assert client.value("insert into follows (b) values (2) returning a") == mine
        finally:
            client.query("drop table if exists public.follows")


def test_currval_of_an_earlier_transaction_concerns_the_whole_pool_and_of_its_own_nobody(gateway):
    pool = gateway(pool=2, workers=1)
    pool.wait_until_known()
    with pool.login() as asker, pool.login() as client:
        for statement in ("begin", "select nextval('tickets')", "select currval('tickets'), lastval()", "commit"):
            assert not errors_of(asker.query(statement))
        asker.query("select nextval('tickets'); select lastval()")
        client.query("select nextval('tickets')")
        assert not pool.console("SHOW PINS")
        for statement in ("begin", "select currval('tickets')", "rollback", "discard sequences"):
            asker.query(statement)
        programs.eventually(lambda: not pool.console("SHOW PINS"), 10, what="the end of the pin")
        client.query("select nextval('tickets')")
        programs.eventually(lambda: len(pool.console("SHOW PINS")) == 1, 10, what="a pin")
