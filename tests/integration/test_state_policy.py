# SPDX-License-Identifier: PostgreSQL
"""test_state_policy - session_state, max_pinned and isolation do what they say, and an operator sees who is pinned."""

import re

import pytest

import messages as m
import programs
from gate import configuration
from load import Neighbours
from rawpg import errors_of, kinds, rows_of

# Kind of state: a statement whose text tells that it may leave such state.
KINDS = {
    "setting": "set my.mine = 'x'",
    "prepare": "prepare mine as select 1",
    "listen": "listen mine",
    "temporary": "create temp table mine (a int)",
    "advisory_lock": "select pg_advisory_lock(77)",
    "hold_cursor": "declare mine cursor with hold for select 1",
    "sequence": "select currval('tickets')",
    "seed": "select setseed(0.5)",
    "load": "load 'plpgsql'",
    "dblink": "select dblink_connect('nowhere')",
    "origin": "select pg_replication_origin_session_setup('nowhere')",
    "statistics": "select pg_stat_force_next_flush()",
    "anonymous_code": "do $$ begin end $$",
}
PINNING = {"prepare": "prepare", "temporary": "temporary objects", "advisory_lock": "advisory lock",
           "hold_cursor": "holdable cursor", "seed": "seed"}


def routes():
    """A route for each kind that is refused alone, one that refuses and one that allows everything."""
    policies = {kind: {kind: "refuse"} for kind in KINDS} | {"refuse": "refuse", "allow": "allow"}
    for name, policy in policies.items():
        yield {"name": name, "match": {"application_name": name}, "mode": "transaction", "session_state": policy}
    yield {"name": "single", "match": {"application_name": "single"}, "mode": "statement", "session_state": "refuse"}
    yield {"name": "own", "match": {"application_name": "own"}, "mode": "session", "session_state": "refuse"}


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    return gateway_of_module(pool=1, workers=2, routes=list(routes()), defaults={"server_idle_timeout": "1s"})


def refusal(found):
    """The only error of an answer."""
    errors = errors_of(found)
    assert len(errors) == 1, found
    return errors[0]


def pins(gateway):
    return gateway.console("SHOW PINS")


def pinned(gateway, application):
    """The rows of SHOW PINS of an application, once there are any."""
    return programs.eventually(lambda: [row for row in pins(gateway) if row["application_name"] == application], 10,
                               what=f"a pin of {application}")


def row_of(gateway, command, **where):
    return next(row for row in gateway.console(command) if all(row[key] == value for key, value in where.items()))


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_kind_is_an_error_at_its_statement_and_the_session_lives(pool, kind, protocol):
    with pool.login(application_name=kind) as client:
        for _ in range(2):
            found = client.query(KINDS[kind]) if protocol == "simple" else client.ask(m.once(KINDS[kind]), m.sync())
            error = refusal(found)
            assert error["S"] == "ERROR" and error["C"] == "0A000" and f'"{kind}"' in error["M"], error
            assert f'{kind} = "pin"' in error["H"] and f'route "{kind}"' in error["H"], error
            assert kinds(found) == "EZ" and client.status == "I"
            assert client.value("select 1") == "1" and client.extended("select 2") == [["2"]]
        client.leave()


def test_other_kinds_than_the_refused_one_are_served(pool):
    with pool.login(application_name="listen") as client:
        client.rows("create temp table mine (a int)")
        assert client.rows("insert into mine values (1) returning a") == [["1"]]
        client.leave()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("sequence", "load", "origin", "dblink")])
def test_what_is_allowed_keeps_no_server(pool, kind):
    with pool.login(application_name="allow") as one, pool.login(application_name="allow") as other:
        one.query("begin")
        one.rows(KINDS[kind] if kind != "advisory_lock" else "select pg_try_advisory_lock(77)")
        one.query("rollback" if kind != "advisory_lock" else "select pg_advisory_unlock_all(); commit")
        assert other.value("select 1") == "1"
        assert not [row for row in pins(pool) if row["application_name"] == "allow"]
        one.leave()
        other.leave()


@pytest.mark.parametrize("statement", ["set transaction isolation level serializable", "select nextval('tickets')",
                                       "select set_config('my.mine', 'x', true)", "discard all",
                                       "select pg_advisory_xact_lock(78)", "savepoint s", "notify mine"])
def test_what_ends_with_its_transaction_is_never_refused(pool, statement):
    with pool.login(application_name="refuse") as client:
        if statement != "discard all":
            client.query("begin")
        assert not errors_of(client.query(statement))
        client.query("rollback")
        client.leave()


def test_sessions_with_a_server_of_their_own_are_not_concerned(pool):
    with pool.login(application_name="own") as client, pool.login("direct", application_name="refuse") as direct:
        for session in (client, direct):
            session.rows("create temp table mine (a int)")
            assert session.rows("select a from mine") == []
        assert not [row for row in pins(pool) if row["application_name"] == "own"]
        client.leave()
        direct.leave()


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_refusal_aborts_the_transaction_around_it(pool, protocol):
    mark = f"refused {protocol}"
    with pool.login(application_name="refuse") as client:
        client.query("begin")
        client.rows(f"insert into marks values (1, 1, '{mark}')")
        found = client.query(KINDS["temporary"]) if protocol == "simple" else client.ask(m.once(KINDS["temporary"]),
                                                                                         m.sync())
        assert refusal(found)["C"] == "0A000" and client.status == "E"
        assert refusal(client.query("select 1"))["C"] == "25P02"
        assert m.digest(client.query("commit"))[0] == ("C", "ROLLBACK")
        assert client.value(f"select count(*) from marks where note = '{mark}'") == "0"
        client.leave()


def test_a_savepoint_survives_a_refusal(pool):
    with pool.login(application_name="refuse") as client:
        client.query("begin")
        client.query("savepoint s")
        assert refusal(client.query(KINDS["temporary"]))["C"] == "0A000"
        client.rows("rollback to s")
        assert client.value("select 1") == "1"
        client.rows("commit")
        client.leave()


def test_a_refusal_undoes_the_pipeline_in_front_of_it(pool):
    with pool.login(application_name="refuse") as client:
        found = client.ask(m.once("insert into marks values (1, 1, 'pipelined')"), m.once(KINDS["temporary"]),
                           m.once("select 1"), m.sync())
        assert kinds(found) == "12nCEZ" and refusal(found)["C"] == "0A000"
        assert client.value("select count(*) from marks where note = 'pipelined'") == "0"
        client.leave()


def test_answers_of_pipelined_queries_stay_in_order(pool):
    with pool.login(application_name="refuse") as client:
        found = client.ask(m.query("select 'a'"), m.query(KINDS["temporary"]), m.query("select 'b'"),
                           m.query(KINDS["listen"]), m.query("select 'c'"), count=5)
        assert kinds(found) == "TDCZ" "EZ" "TDCZ" "EZ" "TDCZ"
        said = [error["M"] for error in errors_of(found)]
        assert "temporary" in said[0] and "listen" in said[1]
        client.leave()


def test_a_route_of_single_statements_refuses_too(pool):
    with pool.login(application_name="single") as client:
        found = client.ask(m.query("select 'a'"), m.query(KINDS["temporary"]), m.query("select 'b'"), count=3)
        assert kinds(found) == "TDCZ" "EZ" "TDCZ" and refusal(found)["C"] == "0A000"
        assert kinds(client.ask(m.once(KINDS["temporary"]), m.once("select 1"), m.sync())) == "EZ"
        client.leave()


def refused_at_times(client, number, dice):
    """A transaction of a neighbour: half of them meet a refusal."""
    client.query("begin")
    if dice.random() < 0.5:
        assert refusal(client.ask(m.once(KINDS["temporary"]), m.sync()))["C"] == "0A000"
        assert m.digest(client.query("commit"))[0] == ("C", "ROLLBACK")
    else:
        assert client.extended("select $1::text", [str(number)]) == [[str(number)]]
        assert m.digest(client.query("commit"))[0] == ("C", "COMMIT")


def test_refusals_disturb_nobody_else(gateway):
    pool = gateway(pool=2, workers=2, defaults={"session_state": {"temporary": "refuse"}})
    with Neighbours(pool, 6, refused_at_times) as neighbours:
        programs.eventually(lambda: neighbours.done > 300 or neighbours.troubles, 30, what="300 transactions")
    neighbours.check()
    assert not pins(pool) and row_of(pool, "SHOW COUNTERS", name="states_refused")["value"] > 0


def test_an_earlier_error_of_the_pipeline_comes_first_and_alone(pool):
    with pool.login(application_name="refuse") as client:
        found = client.ask(m.once("select 1/0"), m.once(KINDS["temporary"]), m.sync())
        assert refusal(found)["C"] == "22012"
        assert client.value("select 1") == "1"
        client.leave()


def test_prepared_statements_are_as_after_any_failed_parse(pool):
    with pool.login(application_name="refuse") as client:
        client.ask(m.parse("", "select 'unnamed'"), m.parse("named", "select 'named'"), m.sync())
        client.query("begin")
        assert refusal(client.ask(m.parse("other", KINDS["temporary"]), m.sync()))["C"] == "0A000"
        client.query("rollback")
        assert rows_of(client.ask(m.bind("", "named"), m.execute(), m.sync())) == [["named"]]
        assert refusal(client.ask(m.bind("", "other"), m.execute(), m.sync()))["C"] == "26000"
        client.query("begin")
        client.ask(m.parse("", "select 'unnamed'"), m.sync())
        assert refusal(client.ask(m.parse("", KINDS["temporary"]), m.sync()))["C"] == "0A000"
        client.query("rollback")
        assert refusal(client.ask(m.bind("", ""), m.execute(), m.sync()))["C"] == "26000"
        client.ask(m.parse("other", "select 'other'"), m.sync())
        assert rows_of(client.ask(m.bind("", "other"), m.execute(), m.sync())) == [["other"]]
        client.leave()


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_refused_statement_of_megabytes_is_read_to_its_end(pool, protocol, within):
    text = f"create temp table mine as select '{'Q' * 3_000_000}'"
    with pool.login(application_name="refuse") as client:
        if within:
            client.query("begin")
        found = client.query(text) if protocol == "simple" else client.ask(m.once(text), m.sync())
        assert refusal(found)["C"] == "0A000" and client.status == ("E" if within else "I")
        client.query("rollback")
        assert client.value("select 1") == "1"
        client.leave()


@pytest.mark.parametrize("kind", PINNING)
def test_a_pinned_session_is_shown_and_counted(gateway, kind):
    pool = gateway(pool=1, workers=2)
    statement = KINDS[kind]
    watcher = pool.login()  # a pool that nobody is in is forgotten, with its counters
    with pool.login(application_name="keeper") as client:
        for step in ("begin", statement, "commit"):
            client.rows(step)
        (row,) = pinned(pool, "keeper")
        assert (row["user"], row["database"], row["route"]) == ("app", "app", "(transaction)")
        assert PINNING[kind] in row["reasons"] and row["state"] == "idle" and row["pinned_seconds"] >= 0
        assert row["addr"].startswith("127.0.0.1:") and row["statement"] in ("", statement)
        server = row_of(pool, "SHOW SERVERS", id=row["server"])
        assert (server["client"], server["remote_pid"]) == (row["id"], row["remote_pid"])
        of_pool = row_of(pool, "SHOW POOLS", route="(transaction)")
        assert (of_pool["cl_pinned"], of_pool["cl_pinned_peak"], of_pool["max_pinned"]) == (1, 1, 0)
        assert row_of(pool, "SHOW STATS", route="(transaction)")["total_pin_count"] == 1
        counted = row_of(pool, "SHOW PIN_STATS", route="(transaction)", reason=PINNING[kind])
        assert counted["total_pin_count"] == 1 and counted["description"]
        client.query("begin")
        assert pinned(pool, "keeper")[0]["state"] == "idle in transaction"
        client.leave()
    programs.eventually(lambda: not pins(pool), 10, what="no pins")
    assert watcher.value("select 1") == "1"
    of_pool = row_of(pool, "SHOW POOLS", route="(transaction)")
    assert (of_pool["cl_pinned"], of_pool["cl_pinned_peak"]) == (0, 1)
    watcher.leave()


def test_max_pinned_refuses_one_more_until_a_pin_ends(gateway):
    pool = gateway(pool=4, workers=2, defaults={"max_pinned": 1})
    temporary = KINDS["temporary"]
    one, other = pool.login(application_name="one"), pool.login(application_name="other")
    one.rows(temporary)
    pinned(pool, "one")
    one.rows("create temp table another (a int)")
    for found in (other.query(temporary), other.ask(m.once(temporary), m.sync())):
        error = refusal(found)
        assert error["C"] == "53400" and "max_pinned" in error["M"] and "SHOW PINS" in error["H"], error
        assert kinds(found) == "EZ" and other.status == "I"
    other.query("begin")
    assert refusal(other.query(temporary))["C"] == "53400" and other.status == "E"
    other.query("rollback")
    assert other.value("select 1") == "1"
    assert row_of(pool, "SHOW COUNTERS", name="max_pinned_reached")["value"] == 3
    assert row_of(pool, "SHOW STATS", route="(transaction)")["total_refused_count"] == 3
    assert row_of(pool, "SHOW POOLS", route="(transaction)")["max_pinned"] == 1
    one.rows("discard all")
    programs.eventually(lambda: not errors_of(other.query(temporary)), 10, what="a place of a pin that ended")
    assert refusal(one.query(temporary))["C"] == "53400"
    other.leave()
    programs.eventually(lambda: not errors_of(one.query(temporary)), 10, what="a place of a client that left")
    one.leave()


def test_max_pinned_counts_those_who_are_about_to_be_pinned(gateway):
    pool = gateway(pool=4, workers=2, defaults={"max_pinned": 2})
    clients = [pool.login(application_name=f"c{number}") for number in range(4)]
    for client in clients:
        client.query("begin")
    outcomes = [errors_of(client.query(KINDS["temporary"])) for client in clients]
    assert [bool(errors) for errors in outcomes] == [False, False, True, True]
    for client in clients:
        client.query("commit")
        client.leave()
    with pool.login() as client:
        programs.eventually(lambda: not errors_of(client.query(KINDS["temporary"])), 10, what="places of those who left")
        client.leave()


def test_settings_travel_and_do_not_count_for_max_pinned(gateway):
    pool = gateway(pool=4, workers=1, defaults={"max_pinned": 1})
    with pool.login() as one, pool.login() as other:
        one.rows(KINDS["temporary"])
        other.rows("set my.mine = 'others'")
        assert other.value("show my.mine") == "others"
        one.leave()
        other.leave()


def test_a_place_is_given_back_by_a_client_that_waited_in_vain(gateway):
    pool = gateway(pool=1, workers=1, defaults={"max_pinned": 1, "query_wait_timeout": "1s"})
    with pool.login() as holder, pool.login() as waiter, pool.login() as third:
        holder.query("begin")
        assert refusal(waiter.query(KINDS["temporary"]))["C"] == "53300"
        holder.query("commit")
        third.rows(KINDS["temporary"])
        for client in (holder, waiter, third):
            client.leave()


def first_lines(gateway):
    return re.findall(r'pinned application="([^"]*)" .* reason="([^"]*)" statement="(.*)" first=yes', gateway.log())


def test_the_log_names_an_application_once_for_each_reason(gateway):
    pool = gateway(pool=5, workers=2)
    watcher = pool.login()
    steps = [("web", KINDS["temporary"]), ("web", KINDS["temporary"]), ("", KINDS["temporary"]),
             ("jobs", "create temp table mine as select 's3cret' as a"), ("web", "select pg_advisory_lock(1)")]
    for application, statement in steps:
        with pool.login(application_name=application) as client:
            client.rows(statement)
            programs.eventually(lambda: pins(pool), 10, what="a pin")
            client.leave()
        programs.eventually(lambda: not pins(pool), 10, what="no pins")
    named = [(application, reason) for application, reason, _ in first_lines(pool)]
    assert sorted(named) == [("app", "temporary objects"), ("jobs", "temporary objects"), ("web", "advisory lock"),
                             ("web", "temporary objects")]
    assert "s3cret" not in pool.log()
    assert row_of(pool, "SHOW PIN_STATS", reason="temporary objects")["total_pin_count"] == 4
    watcher.leave()


def test_a_reload_changes_what_running_sessions_may_do(gateway, postgres):
    pool = gateway(pool=3, workers=2, defaults={"session_state": {"temporary": "refuse"}})
    with pool.login() as client:
        error = refusal(client.query(KINDS["temporary"]))
        assert error["C"] == "0A000" and "in defaults" in error["H"]
        assert row_of(pool, "SHOW CONFIG", key="session_state")["value"] == "temporary=refuse, default=pin"
        pool.reload(configuration(postgres.port, pool=3, defaults={"session_state": "pin", "max_pinned": 1}))
        programs.eventually(lambda: row_of(pool, "SHOW CONFIG", key="session_state")["value"] == "pin", 10)
        assert row_of(pool, "SHOW ROUTES", name="(transaction)")["session_state"] == "pin"
        client.rows(KINDS["temporary"])
        with pool.login() as other:
            assert refusal(other.query(KINDS["temporary"]))["C"] == "53400"
            pool.reload(configuration(postgres.port, pool=3, defaults={"max_pinned": 2}))
            programs.eventually(lambda: not errors_of(other.query(KINDS["temporary"])), 10, what="a higher limit")
            other.leave()
        client.leave()


def test_strict_isolation_sees_what_a_function_does_out_of_sight(gateway):
    pool = gateway(pool=2, workers=1, defaults={"isolation": "strict"})
    name = "cf" + "g"
    body = f"execute format('select %s_con%s(%L, %L, false)', 'set', 'fig', 'my.mine', what)"
    with pool.login() as one:
        one.rows(f"create or replace function {name}(what text) returns void language plpgsql as $f$ begin {body}; "
                 "end $f$")
        one.leave()
    with pool.login() as one, pool.login() as other:
        for client, word in ((one, "ones"), (other, "others")):
            client.rows(f"select {name}('{word}')")
        for _ in range(3):
            assert one.value("show my.mine") == "ones" and other.value("show my.mine") == "others"
        one.leave()
        other.leave()
    with pool.login() as third:
        assert third.value("select current_setting('my.mine', true)") in (None, "")
        third.rows(f"drop function {name}(text)")
        third.leave()


@pytest.mark.parametrize("isolation", ["catalog", "strict"])
def test_a_library_function_that_runs_a_text_hides_from_the_catalogs_but_not_from_strict_isolation(
        gateway, postgres, isolation):
    """crosstab is written in C and runs what it is given: neither the text nor a function's source shows it."""
    postgres.sql("create extension if not exists tablefunc")
    pool = gateway(pool=3, workers=1, defaults={} if isolation == "catalog" else {"isolation": isolation})
    pool.wait_until_known()
    hidden = "select * from crosstab('select ''a''::text, ''b''::text, %s::text') as t(a text, b text)"
    with pool.login() as client, pool.login() as other:
        client.rows(hidden % "set_config(''work_mem'', ''7MB'', false)")
        client.rows(hidden % "pg_try_advisory_lock(4242)")
        held = 1 if isolation == "strict" else 0
        programs.eventually(lambda: len(pool.console("SHOW PINS")) == held, 10, what="the pin of a lock")
        if isolation == "strict":
            assert client.value("show work_mem") == "7MB" and other.value("show work_mem") == "4MB"
            assert other.value("select pg_try_advisory_lock(4242)") == "f"
            client.rows(hidden % "pg_advisory_unlock(4242)")
            programs.eventually(lambda: not pool.console("SHOW PINS"), 10, what="the end of the pin")
            assert client.value("show work_mem") == "7MB" and other.value("show work_mem") == "4MB"
        client.leave()
        other.leave()
