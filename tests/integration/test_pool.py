# SPDX-License-Identifier: PostgreSQL
"""test_pool - how servers are opened, kept, shared and closed, and what each mode promises."""

import time

import pytest

import messages as m
import programs
from load import Neighbours
from rawpg import Raw, Refused, errors_of, kinds, rows_of

PID = "select pg_backend_pid() + 0"


def mine(postgres):
    return postgres.backends("usename = 'app'")


@pytest.fixture(autouse=True)
def nothing_left(postgres):
    postgres.quiet("usename = 'app'")


def test_clients_share_one_server(gateway, postgres):
    pool = gateway(pool=5, workers=2)
    pool.wait_until_known()
    pids = set()
    for _ in range(10):
        with pool.login() as client:
            pids.add(client.value(PID))
            client.leave()
    assert len(pids) <= 2 and len(mine(postgres)) <= 2


def test_min_pool_size_opens_servers_ahead(gateway, postgres):
    pool = gateway(pool=5, defaults={"min_pool_size": 3})
    with pool.login() as client:
        client.query("select 1")
        programs.eventually(lambda: len(mine(postgres)) == 3, 5, what="three servers")
        time.sleep(0.5)
        assert len(mine(postgres)) == 3
        client.leave()


def test_server_idle_timeout_closes_servers_that_nobody_uses(gateway, postgres):
    pool = gateway(pool=5, defaults={"server_idle_timeout": "1s"})
    with pool.login() as client:
        client.query("select 1")
        assert mine(postgres)
        programs.eventually(lambda: not mine(postgres), 5, what="an end of the idle server")
        assert client.value("select 'alive'") == "alive"
        client.leave()


def test_server_lifetime_replaces_servers_but_never_under_a_transaction(gateway):
    pool = gateway(pool=1, defaults={"server_lifetime": "1s"})
    with pool.login() as client:
        first = client.value(PID)
        client.query("begin")
        held = client.value(PID)
        time.sleep(2)
        assert client.value(PID) == held
        client.query("commit")
        programs.eventually(lambda: client.value(PID) != first, 5, pause=0.2, what="another server")
        client.leave()


def test_statement_mode_refuses_transactions_with_a_hint(gateway):
    pool = gateway(pool=2, mode="statement")
    with pool.login() as client:
        for attempt in (m.query("begin"), m.query("start transaction"), m.query("/* x */ BEGIN; select 1"),
                        m.once("begin") + m.sync()):
            error = errors_of(client.ask(attempt))[0]
            assert error["C"] == "0A000" and "transaction" in error["M"] and error.get("H"), error
            assert client.status == "I"
        assert client.value("select 'alive'") == "alive"
        client.leave()


def test_session_mode_keeps_a_server_and_its_state(gateway):
    pool = gateway(pool=2, mode="session")
    with Neighbours(pool, 1) as neighbours, pool.login() as client:
        pid = client.value(PID)
        client.query("create temp table kept (a int)")
        client.query("set work_mem = '7MB'")
        for _ in range(20):
            assert client.value(PID) == pid
        assert client.value("select count(*) from kept") == "0"
        assert client.value("show work_mem") == "7MB"
        client.leave()
    neighbours.check()


def test_sequence_state_of_another_client_is_never_told(gateway, postgres):
    postgres.sql("drop sequence if exists told;\ncreate sequence told;\ngrant all on sequence told to app")
    pool = gateway(pool=1)
    with pool.login() as one, pool.login() as other:
        assert one.value("select nextval('told')") == "1"
        assert errors_of(other.query("select currval('told')"))[0]["C"] == "55000"
        assert errors_of(other.query("select lastval()"))[0]["C"] == "55000"
        other.leave()
        assert one.value("select nextval('told')") == "2"
        one.leave()


def test_session_mode_hands_on_nothing(gateway):
    pool = gateway(pool=1, mode="session")
    for n in range(5):
        with pool.login() as client:
            assert errors_of(client.query("table remains"))[0]["C"] == "42P01"
            assert client.value("show work_mem") == "4MB"
            assert client.value("select count(*) from pg_locks where locktype = 'advisory'") == "0"
            for statement in ("create temp table remains (a int)", "set work_mem = '9MB'",
                              "select pg_advisory_lock(5)"):
                client.query(statement)
            client.leave()


def test_session_mode_makes_the_next_session_wait(gateway):
    pool = gateway(pool=1, mode="session")
    with pool.login() as first:
        first.query("select 1")
        with pool.raw() as second:
            second.send(m.startup("app", "app"), m.query("select 'served'"))
            time.sleep(0.5)
            first.leave()
            second.finish_login()
            assert rows_of(second.until("Z")) == [["served"]]
            second.leave()


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_parameter_status_equals_that_of_a_direct_connection(gateway, postgres, mode):
    pool = gateway(pool=2, mode=mode)
    for given in ({}, {"application_name": "it", "TimeZone": "Europe/Rome"}, {"options": "-c datestyle=german"}):
        with Raw(postgres.port) as one, pool.raw() as other:
            assert other.login("app", "app", **given).parameters == one.login("app", "app", **given).parameters
            changed = "set timezone = 'asia/tokyo'; set application_name = 'other'"
            assert m.digest(other.query(changed)) == m.digest(one.query(changed))
            other.leave()


def test_notices_reach_their_own_client(gateway):
    pool = gateway(pool=2, workers=2)

    def work(client, number, dice):
        tag = f"{number}-{dice.randrange(1 << 30)}"
        found = client.query(f"select grumble('{tag}')")
        assert [m.fields(item.body)["M"] for item in found if item.type == "N"] == ["notice for " + tag]
        assert rows_of(found) == [[tag]]

    with Neighbours(pool, 6, work) as neighbours:
        time.sleep(2)
    neighbours.check()


@pytest.mark.parametrize("listener", ["pooled", "direct"])
@pytest.mark.parametrize("given, setting, value", [
    ({"options": "-c statement_timeout=5s"}, "statement_timeout", "5s"),
    ({"options": "--statement-timeout=5s"}, "statement_timeout", "5s"),
    ({"options": r'-c search_path="a\ b",public -c work_mem=6MB'}, "work_mem", "6MB"),
    ({"options": "-c my.own=x"}, "my.own", "x"),
    ({"statement_timeout": "6s"}, "statement_timeout", "6s"),
    ({"my.parameter": "y"}, "my.parameter", "y"),
], ids=str)
def test_startup_settings_hold_and_reset_returns_to_them(gateway, listener, given, setting, value):
    pool = gateway(pool=2)
    with Neighbours(pool, 3) as neighbours, pool.login(listener, **given) as client:
        for _ in range(5):
            assert client.value(f"show {setting}") == value
        client.query(f"set {setting} = '7000'")
        assert client.value(f"show {setting}") != value
        client.query(f"reset {setting}")
        assert client.value(f"show {setting}") == value
        client.query("discard all")
        assert client.value(f"show {setting}") == value
        client.leave()
    neighbours.check()


def test_clients_with_different_startup_settings_never_share(gateway):
    pool = gateway(pool=2, workers=1)
    clients = {f"{n}s": pool.login(options=f"-c statement_timeout={n}s") for n in range(11, 16)}
    for _ in range(5):
        for value, client in clients.items():
            assert client.value("show statement_timeout") == value
    for client in clients.values():
        client.leave()


def test_a_pool_of_one_serves_several_sets_of_settings_in_turn(gateway, postgres):
    pool = gateway(pool=1, workers=2)
    clients = [pool.login(options=f"-c lock_timeout={n}s") for n in (21, 22, 23)]
    for _ in range(3):
        for n, client in zip((21, 22, 23), clients):
            assert client.value("show lock_timeout") == f"{n}s"
    assert len(mine(postgres)) == 1
    for client in clients:
        client.leave()


def test_application_name_follows_its_client(gateway):
    pool = gateway(pool=1, workers=1)
    names = ["first", "second", "it's \"odd\" \\ one", ""]
    clients = [pool.login(application_name=name) for name in names]
    for _ in range(3):
        for name, client in zip(names, clients):
            assert client.value("show application_name") == name
            assert client.parameters["application_name"] == name
    for client in clients:
        client.leave()


def test_an_application_name_is_cut_and_cleaned_as_postgresql_does(gateway, postgres):
    pool = gateway(pool=2, workers=1)
    for name in ("x" * 63, "x" * 64, "é" * 40, "a" * 62 + "é", "tab\t" + "y" * 100):
        for more in ({}, {"client_min_messages": "warning"}, {"options": "-c client_min_messages=warning"}):
            said = []
            for port in (postgres.port, pool.pooled):
                with Raw(port).login("app", "app", application_name=name, **more) as client:
                    notices = [m.fields(item.body) for item in client.welcome if item.type == "N"]
                    said.append(([(notice["S"], notice["C"], notice["M"]) for notice in notices],
                                 client.parameters["application_name"], client.value("show application_name")))
                    client.leave()
            assert said[1] == said[0]


def test_a_refused_startup_setting_delays_nobody(gateway):
    """server_login_retry is for troubles of PostgreSQL, not for what a client asks for."""
    pool = gateway(pool=2, defaults={"server_login_retry": "60s"})
    for given in ({"options": "-c work_mem=rubbish"}, {"datestyle": "rubbish"}):
        for _ in range(3):
            with Raw(pool.pooled) as client, pytest.raises(Refused):
                client.login("app", "app", **given)
    with pool.login() as client:
        assert client.value("select 1") == "1"
        client.leave()


def test_a_bad_startup_setting_is_postgresqls_own_error(gateway, postgres):
    pool = gateway(pool=2)
    for given in ({"options": "-c no_such_setting=1"}, {"options": "-c statement_timeout=never"},
                  {"datestyle": "rubbish"}, {"options": "-c"}):
        said = []
        for port in (postgres.port, pool.pooled, pool.direct):
            with Raw(port) as client:
                with pytest.raises(Refused) as refused:
                    client.login("app", "app", **given).query("select 1")
                said.append((refused.value.fields["S"], refused.value.sqlstate, refused.value.fields["M"]))
        assert said[1] == said[0] and said[2] == said[0], said


def test_an_unknown_database_is_postgresqls_own_error(gateway, postgres):
    pool = gateway(pool=2)
    for listener in ("pooled", "direct"):
        with pool.raw(listener) as client, pytest.raises(Refused) as refused:
            client.login("app", "no_such_db").query("select 1")
        assert refused.value.sqlstate == "3D000"
        assert refused.value.fields["M"] == 'database "no_such_db" does not exist'


def test_routes_choose_mode_and_settings(gateway):
    pool = gateway(pool=2, routes=[
        {"name": "held", "match": {"user": "bob"}, "mode": "session"},
        {"name": "tuned", "match": {"application_name": ["tuned*"]}, "mode": "transaction",
         "settings": {"statement_timeout": "33s"}},
        {"name": "closed", "match": {"database": "postgres"}, "mode": "reject"}])
    with pool.login(user="bob") as client:
        client.query("create temp table t (a int)")
        assert client.value("select count(*) from t") == "0"
        client.leave()
    with pool.login(application_name="tuned-1") as client:
        assert client.value("show statement_timeout") == "33s"
        client.leave()
    with pool.login() as client:
        assert client.value("show statement_timeout") == "0"
        client.leave()
    with pool.raw() as client, pytest.raises(Refused) as refused:
        client.login("app", "postgres")
    assert "closed" in refused.value.fields["M"] + refused.value.fields.get("D", "")


def test_a_direct_session_is_never_pooled_afterwards(gateway, postgres):
    pool = gateway(pool=2)
    with pool.login("direct") as client:
        pid = client.value(PID)
        assert int(pid) == client.pid, "on the direct port the true backend pid is in BackendKeyData"
        client.query("set search_path = ''")
        client.leave()
    programs.eventually(lambda: not postgres.backends(f"pid = {pid}"), 5)
    with pool.login() as client:
        assert client.value("show search_path") == '"$user", public'
        client.leave()


@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_replication_in_the_startup_packet_is_served_directly(gateway, listener):
    pool = gateway(pool=1)
    with pool.login(listener, replication="database") as client:
        assert rows_of(client.query("IDENTIFY_SYSTEM"))[0][3] == "app"
        assert kinds(client.query("select 1")) == "TDCZ"
        client.leave()
    with pool.raw(listener) as client, pytest.raises(Refused) as refused:
        client.login("app", "app", replication="perhaps")
    assert "invalid value for parameter \"replication\"" in refused.value.fields["M"]


@pytest.mark.parametrize("on_wrong_port", ["refuse", "warn"])
def test_a_tool_on_the_pooled_port_is_told_so(gateway, on_wrong_port):
    direct = f"127.0.0.1:{programs.free_port()}"
    pool = gateway(pool=1, defaults={"on_wrong_port": on_wrong_port}, listeners=[
        {"name": "pooled", "listen": ["127.0.0.1:0"], "mode": "transaction"},
        {"name": "direct", "listen": [direct], "mode": "direct"}])
    if on_wrong_port == "warn":
        with pool.login(application_name="pg_dump") as client:
            client.query("select 1")
            client.leave()
        return
    with pool.raw() as client, pytest.raises(Refused) as refused:
        client.login("app", "app", application_name="pg_dump")
    assert direct in refused.value.fields["H"]
