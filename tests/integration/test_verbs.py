# SPDX-License-Identifier: PostgreSQL
"""test_verbs - what the console can be told to do: pause, resume, reconnect, disable, kill, shut down, and whom that
would hit."""

import contextlib
import time

import messages as m
import psycopg
import pytest

from programs import eventually
from rawpg import errors_of, rows_of
from test_shutdown import ended


class Console:
    """A console that keeps its notices and does not wait for answers."""

    def __init__(self, gate):
        self.raw = gate.login(user="postgres", database="pgsluice")

    def say(self, command):
        self.raw.send(m.query(command))
        return self

    def heard(self):
        return self.raw.until("Z")

    def told(self, command):
        return self.say(command).heard()


@pytest.fixture
def console(request):
    with contextlib.ExitStack() as stack:
        def make(gate):
            console = Console(gate)
            stack.callback(console.raw.close)
            return console
        yield make


def tags(found):
    return [item.body.rstrip(b"\0").decode() for item in found if item.type == "C"]


def texts(found, kind):
    return [item.body.replace(b"\0", b" ").decode() for item in found if item.type == kind]


def servers(gate, database="app"):
    return [row for row in gate.console("SHOW SERVERS") if row["database"] == database]


def test_pause_waits_for_transactions_closes_servers_and_holds_clients(gateway, console):
    gate = gateway(pool=2, workers=2)
    inside, other, console = gate.login(), gate.login(), console(gate)
    inside.query("begin")
    other.query("select 1")
    console.say("PAUSE app")
    eventually(lambda: len(servers(gate)) == 1, 10, what="the end of the idle server")
    assert console.raw.silent(0.3)
    inside.query("commit")
    assert tags(console.heard()) == ["PAUSE"] and servers(gate) == []
    other.send(m.query("select 'held'"))
    assert other.silent(0.5)
    assert tags(console.told("RESUME app")) == ["RESUME"]
    assert rows_of(other.until("Z")) == [["held"]]
    assert inside.value("select 'again'") == "again"


def test_pause_of_everything_holds_new_logins_and_new_pools_too(gateway, console):
    gate = gateway(pool=2, workers=2)
    console = console(gate)
    assert tags(console.told("PAUSE")) == ["PAUSE"]
    late = gate.raw()
    late.send(m.startup("app", "postgres"))
    assert late.silent(0.5)
    assert tags(console.told("RESUME")) == ["RESUME"]
    late.finish_login()
    assert late.value("select current_database()") == "postgres"


def test_pause_names_direct_sessions_and_waits_or_ends_them(gateway, console):
    gate = gateway(pool=2)
    dump, console = gate.login("direct", application_name="pg_dump"), console(gate)
    dump.query("begin")
    console.say("PAUSE app")
    notice = console.raw.until("N")[-1].body.decode(errors="replace")
    assert "1 direct session" in notice and 'application "pg_dump"' in notice
    assert console.raw.silent(0.3)
    held = gate.raw("direct")
    held.send(m.startup("app", "app"))
    dump.query("commit")
    dump.leave()
    assert tags(console.heard()) == ["PAUSE"]
    assert held.silent(0.3)
    console.told("RESUME app")
    held.finish_login()
    assert held.value("select 1") == "1"
    assert tags(console.told("PAUSE app FORCE")) == ["PAUSE"]
    assert [error["C"] for error in errors_of(held.rest())] == ["57P01"]
    console.told("RESUME app")


def test_who_waits_too_long_while_paused_reads_why(gateway, console):
    gate = gateway(pool=1, defaults={"query_wait_timeout": "300ms"})
    client, console = gate.login(), console(gate)
    console.told("PAUSE app")
    error = errors_of(client.query("select 1"))[0]
    assert error["C"] == "57P03" and "paused" in error["M"] and "RESUME" in error["H"]
    console.told("RESUME app")
    assert client.value("select 1") == "1"


def test_reconnect_renews_servers_as_they_come_free(gateway, console):
    gate = gateway(pool=2, workers=2)
    inside, idle, console = gate.login(), gate.login(), console(gate)
    inside.query("begin")
    idle.query("select 1")
    before = {row["remote_pid"] for row in servers(gate)}
    assert tags(console.told("RECONNECT app")) == ["RECONNECT"]
    console.say("WAIT_CLOSE app")
    idle.query("select 1")
    assert console.raw.silent(0.3)
    assert inside.value("select 'goes on'") == "goes on"
    inside.query("commit")
    assert tags(console.heard()) == ["WAIT_CLOSE"]
    for client in (inside, idle):
        client.query("select 1")
    assert not before & {row["remote_pid"] for row in servers(gate)}


def test_a_disabled_database_takes_no_logins_and_keeps_its_sessions(gateway, console):
    gate = gateway(pool=2)
    client, console = gate.login(), console(gate)
    assert tags(console.told("DISABLE app")) == ["DISABLE"]
    assert client.value("select 1") == "1"
    for listener in ("pooled", "direct"):
        with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
            gate.connect(listener)
    gate.login(database="postgres").leave()
    assert tags(console.told('ENABLE "app"')) == ["ENABLE"]
    gate.login().leave()


def test_kill_ends_the_sessions_of_one_database_and_spares_backups_unless_forced(gateway, console):
    gate = gateway(pool=2, workers=2)
    clients, elsewhere = [gate.login() for _ in range(3)], gate.login(database="postgres")
    dump, console = gate.login("direct", application_name="pg_dump"), console(gate)
    clients[0].query("begin")
    error = errors_of(console.told("KILL app"))[0]
    assert error["C"] == "55006" and "pg_dump" in error["M"] and "FORCE" in error["H"]
    assert clients[0].value("select 'still here'") == "still here"
    assert tags(console.told("KILL app FORCE")) == ["KILL"]
    for client in (*clients, dump):
        assert [error["C"] for error in errors_of(client.rest())] == ["57P01"]
    assert servers(gate) == [] and elsewhere.value("select 1") == "1"
    console.told("RESUME app")
    assert gate.login().value("select 1") == "1"


def test_kill_client_ends_one_session(gateway, console):
    gate = gateway(pool=2, workers=2)
    victim, other, console = gate.login(application_name="victim"), gate.login(), console(gate)
    dump = gate.login("direct", application_name="pg_dump")
    ids = {row["application_name"]: row["id"] for row in gate.console("SHOW CLIENTS")}
    assert errors_of(console.told(f"KILL_CLIENT {ids['pg_dump']}"))[0]["C"] == "55006"
    assert dump.value("select 1") == "1"
    assert tags(console.told(f"KILL_CLIENT {ids['victim']}")) == ["KILL_CLIENT"]
    assert [error["C"] for error in errors_of(victim.rest())] == ["57P01"]
    assert tags(console.told(f"KILL_CLIENT {ids['pg_dump']} FORCE")) == ["KILL_CLIENT"]
    assert errors_of(dump.rest())[0]["C"] == "57P01"
    assert errors_of(console.told("KILL_CLIENT 999999"))[0]["C"] == "42704"
    assert other.value("select 1") == "1"


def test_what_a_verb_does_not_take_is_told_with_what_it_takes(gateway, console):
    gate = gateway(pool=1)
    console = console(gate)
    for command in ("KILL_CLIENT x", "RELOAD now", "KILL", "DISABLE", "PAUSE two words", "SHUTDOWN maybe"):
        error = errors_of(console.told(command))[0]
        assert error["C"] == "42601" and command.split()[0] in error["M"], command
    with gate.connect(user="stats", dbname="pgsluice") as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("PAUSE")


def test_shutdown_tells_whom_it_waits_for(gateway, console):
    gate = gateway(pool=1, limits={"shutdown_timeout": "30s"})
    dump, console = gate.login("direct", application_name="pg_dump"), console(gate)
    console.say("SHUTDOWN")
    assert any("pg_dump" in text for text in texts(console.raw.until("C"), "N"))
    assert dump.value("select 'goes on'") == "goes on"
    dump.leave()
    assert ended(gate, 10) == 0


def test_shutdown_wait_for_clients_takes_nobody_new_and_ends_after_the_last(gateway, console):
    gate = gateway(pool=1)
    client, console = gate.login(), console(gate)
    assert tags(console.told("SHUTDOWN WAIT_FOR_CLIENTS")) == ["SHUTDOWN WAIT_FOR_CLIENTS"]
    with pytest.raises(OSError):
        gate.raw()
    for _ in range(3):
        assert client.value("select 1") == "1"
        time.sleep(0.1)
    client.leave()
    assert ended(gate, 10) == 0


def test_shutdown_with_force_waits_for_nobody(gateway, console):
    gate = gateway(pool=1, limits={"shutdown_timeout": "0s"})
    client, console = gate.login("direct"), console(gate)
    client.query("begin")
    console.say("SHUTDOWN FORCE")
    assert ended(gate, 5) == 0


def test_a_name_that_no_pool_has_is_told_for_it_may_be_mistyped(gateway, console):
    gate = gateway(pool=1)
    gate.login().query("select 1")
    console = console(gate)
    for command in ("PAUSE ap", "RECONNECT ap", "RESUME ap"):
        found = console.told(command)
        assert tags(found) == [command.split()[0]]
        assert ['"ap"' in text for text in texts(found, "N")] == [True], command
    for command in ("PAUSE app", "RESUME app", "PAUSE", "RESUME"):
        assert not texts(console.told(command), "N"), command
