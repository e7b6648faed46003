# SPDX-License-Identifier: PostgreSQL
"""test_deadlines - every time limit of a session names itself in the error that it causes, the transaction is rolled
back, the server connection is used again; SHOW LEAKS and the log tell who it was."""

import time

import pytest

import messages as m
import programs
from rawpg import errors_of, kinds, rows_of


def counter(gate, name):
    return next(int(row["value"]) for row in gate.console("SHOW COUNTERS") if row["name"] == name)




def servers(gate):
    return [row["id"] for row in gate.console("SHOW SERVERS")]


def fatal(client):
    """The FATAL that ends a session, and nothing behind it."""
    found = client.rest()
    errors = errors_of(found)
    assert errors and found[-1].type == "E", kinds(found)
    assert errors[-1]["S"] == "FATAL"
    return errors[-1]


def test_a_session_idle_in_a_transaction_is_ended_and_its_server_rolled_back_and_used_again(gateway, postgres):
    gate = gateway(pool=1, defaults={"idle_transaction_timeout": "700ms"})
    gate.wait_until_known()
    with gate.login(application_name="forgetful") as leak, gate.login() as other:
        leak.query("begin")
        assert not errors_of(leak.query("update items set id = -1 where id = 1"))
        leak.query("select 'secret' as a, 17")
        before = servers(gate)
        other.send(m.query("select count(*) from items where id = -1"))
        error = fatal(leak)
        assert error["C"] == "25P03" and "H" in error
        assert error["M"] == ("idle_transaction_timeout: the session did nothing inside a transaction for longer than "
                              "700 ms")
        assert rows_of(other.until("Z")) == [["0"]]
        assert servers(gate) == before, "the server connection was expected to be used again"
        other.leave()
    assert counter(gate, "idle_transactions_ended") == 1
    leak, = gate.console("SHOW LEAKS")
    assert leak["state"] == "ended by idle_transaction_timeout"
    assert (leak["user"], leak["database"], leak["application_name"]) == ("app", "app", "forgetful")
    assert leak["statement"] == "select '...' as a, 17" and leak["addr"].startswith("127.0.0.1")
    line, = [line for line in gate.log().splitlines() if "leak idle_transaction_timeout" in line]
    for part in ("user=app", "database=app", 'application="forgetful"', "'...' as a", "peer=127.0.0.1"):
        assert part in line
    assert "secret" not in gate.log()


def test_work_in_a_transaction_does_not_count_as_idle(gateway):
    gate = gateway(pool=1, defaults={"idle_transaction_timeout": "1s"})
    with gate.login() as client:
        client.query("begin")
        for _ in range(4):
            client.query("select pg_sleep(0.4)")
        client.query("select pg_sleep(1.5)")
        client.query("commit")
        assert client.value("select 'alive'") == "alive"
        client.leave()


@pytest.mark.parametrize("extended", [False, True])
def test_a_query_that_runs_too_long_is_cancelled_and_the_session_goes_on(gateway, extended):
    gate = gateway(pool=1, defaults={"query_timeout": "500ms"})
    with gate.login() as client:
        sql = "select pg_sleep(30)"
        began = time.monotonic()
        found = client.ask(m.once(sql), m.sync()) if extended else client.query(sql)
        error, = errors_of(found)
        assert time.monotonic() - began < 15
        assert (error["C"], error["S"]) == ("57014", "ERROR") and "query_timeout" in error["H"]
        assert error["M"] == "query_timeout: canceling what ran for longer than 500 ms"
        assert client.value("select 'alive'") == "alive"
        client.leave()
    assert counter(gate, "queries_timed_out") == 1


def test_many_short_queries_do_not_add_up_to_a_long_one(gateway):
    gate = gateway(pool=1, defaults={"query_timeout": "1s"})
    with gate.login() as client:
        for _ in range(5):
            assert not errors_of(client.query("select pg_sleep(0.3)"))
        assert not errors_of(client.ask(*[m.once("select pg_sleep(0.3)") + m.sync() for _ in range(5)], count=5))
        client.leave()


def test_a_user_s_own_cancel_reads_as_postgresql_says_it(gateway):
    gate = gateway(pool=1, defaults={"query_timeout": "60s"})
    with gate.login() as client:
        client.send(m.query("select pg_sleep(30)"))
        programs.eventually(lambda: any(row["state"] == "active" for row in gate.console("SHOW SERVERS")), 10)
        time.sleep(0.3)
        client.cancel()
        error, = errors_of(client.until("Z"))
        assert error["M"] == "canceling statement due to user request"
        client.leave()


def test_a_transaction_that_takes_too_long_is_cancelled_and_then_ended(gateway):
    gate = gateway(pool=1, defaults={"transaction_timeout": "800ms"})
    gate.wait_until_known()
    with gate.login() as client, gate.login() as idler, gate.login() as other:
        client.query("begin")
        client.send(m.query("select pg_sleep(30)"))
        error, = errors_of(client.until("Z"))
        assert error["C"] == "57014" and "transaction_timeout" in error["M"]
        error = fatal(client)
        assert error["C"] == "25P04"
        assert error["M"] == "transaction_timeout: a transaction was open for longer than 800 ms"
        before = servers(gate)
        idler.query("begin")
        other.send(m.query("select 'served'"))
        assert fatal(idler)["C"] == "25P04"
        assert not errors_of(other.until("Z"))
        assert servers(gate) == before
        other.leave()
    assert counter(gate, "transactions_timed_out") == 2


def test_short_transactions_one_after_another_are_not_one_long_one(gateway):
    gate = gateway(pool=1, defaults={"transaction_timeout": "1s", "idle_transaction_timeout": "1s"})
    with gate.login() as client:
        for _ in range(6):
            for sql in ("begin", "select pg_sleep(0.3)", "commit"):
                assert not errors_of(client.query(sql))
        client.leave()


def test_an_idle_client_is_ended_by_client_idle_timeout_and_a_busy_one_is_not(gateway):
    gate = gateway(pool=2, defaults={"client_idle_timeout": "1s"})
    with gate.login() as idle, gate.login() as busy:
        busy.send(m.query("select pg_sleep(3)"))
        error = fatal(idle)
        assert (error["C"], error["M"]) == ("57P05", "client_idle_timeout: the session did nothing for longer than "
                                                     "1000 ms")
        assert not errors_of(busy.until("Z"))
        assert busy.value("select 'alive'") == "alive"
        assert fatal(busy)["C"] == "57P05"
    assert counter(gate, "idle_clients_ended") == 2


def test_a_route_has_limits_of_its_own(gateway):
    gate = gateway(pool=2, routes=[{"name": "web", "match": {"application_name": "web"}, "mode": "transaction",
                                    "query_timeout": "300ms"}])
    with gate.login(application_name="web") as web, gate.login() as other:
        assert [error["C"] for error in errors_of(web.query("select pg_sleep(20)"))] == ["57014"]
        assert not errors_of(other.query("select pg_sleep(1)"))
        web.leave()
        other.leave()


def test_a_long_transaction_is_named_while_it_lasts(gateway):
    gate = gateway(pool=2, defaults={"leak_report_after": "300ms", "transaction_timeout": "60s"})
    with gate.login(application_name="batch") as client:
        client.query("begin")
        client.ask(m.parse("s", "select 'hidden', $1::int"), m.sync())
        client.ask(m.bind("", "s", [1]), m.execute(), m.sync())
        programs.eventually(lambda: "leak leak_report_after" in gate.log(), 10)
        row, = gate.console("SHOW LEAKS")
        assert row["state"] == "idle in transaction" and row["statement"] == "select '...', $1::int"
        assert 0 < row["ends_in_seconds"] <= 60 and row["ended_seconds"] is None
        assert gate.log().count("leak leak_report_after") == 1 and "hidden" not in gate.log()
        client.query("commit")
        assert gate.console("SHOW LEAKS") == []
        client.leave()
    assert counter(gate, "leaks_reported") == 1
