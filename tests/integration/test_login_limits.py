# SPDX-License-Identifier: PostgreSQL
"""test_login_limits - auth_delay holds back the answer to a failed login and nothing else; max_login_conn bounds how
many log in at once."""

import time

import pytest

import messages as m
import programs
from cluster import PASSWORDS
from rawpg import Closed, Refused

WRONG = ("28P01", 'password authentication failed for user "alice"')


def delaying(gateway, delay, auth_type="plain", **limits):
    auth = {"auth_type": auth_type, "auth_file": "users.txt", "auth_delay": delay}
    return gateway(pool=2, auth=auth, limits=limits, files={"users.txt": f'"alice" "{PASSWORDS["alice"]}"\n'})


def login(gate, password):
    """The refusal, or None, and how long it took."""
    began = time.monotonic()
    with gate.raw() as client:
        try:
            client.login("alice", "app", password)
            client.leave()
            refusal = None
        except Refused as refused:
            refusal = refused.sqlstate, refused.fields["M"]
        return refusal, time.monotonic() - began


def held_back(gate, count=1):
    """Clients whose wrong passwords are known to the gateway and not answered yet."""
    before = gate.log().count("failed: ")
    clients = [gate.raw() for _ in range(count)]
    for client in clients:
        client.send(m.startup("alice", "app"))
        assert client.read().body[:4] == b"\0\0\0\3"
        client.send(m.password("wrong"))
    programs.eventually(lambda: gate.log().count("failed: ") == before + count, 10, what="failed logins in the log")
    return clients


@pytest.mark.parametrize("auth_type", ["plain", "scram-sha-256"])
def test_the_answer_to_a_failed_login_is_held_back_and_the_delay_doubles(gateway, auth_type):
    gate = delaying(gateway, "300ms", auth_type)
    for delay in (0.3, 0.6, 1.2):
        refusal, seconds = login(gate, "wrong")
        assert refusal == WRONG and seconds >= delay
    assert login(gate, PASSWORDS["alice"])[0] is None
    refusal, seconds = login(gate, "wrong")
    assert refusal == WRONG and 0.3 <= seconds < 2.4, "a login that succeeded was expected to begin anew"


def test_the_delay_ends_at_ten_times_its_first(gateway):
    gate = delaying(gateway, "50ms")
    for _ in range(6):
        login(gate, "wrong")
    assert 0.5 <= login(gate, "wrong")[1] < 3.2


def test_nobody_else_waits_for_an_answer_that_is_held_back(gateway):
    gate = delaying(gateway, "30s", client_login_timeout="60s")
    held = held_back(gate, 20)
    for _ in range(5):
        assert login(gate, PASSWORDS["alice"])[0] is None
    assert all(client.silent(0) for client in held)
    for number, client in enumerate(held):
        client.reset() if number % 2 else client.close()
    assert login(gate, PASSWORDS["alice"])[0] is None
    gate.stop()


def test_client_login_timeout_holds_for_answers_that_are_held_back(gateway):
    gate = delaying(gateway, "60s", client_login_timeout="1s")
    began = time.monotonic()
    for client in held_back(gate, 3):
        assert m.fields(client.until("E")[-1].body)["C"] == "57014"
    assert time.monotonic() - began < 30


def test_a_shutdown_does_not_wait_for_answers_that_are_held_back(gateway):
    gate = delaying(gateway, "60s", client_login_timeout="60s")
    clients, began = held_back(gate, 3), time.monotonic()
    gate.stop()
    assert time.monotonic() - began < 30 and all(client.closed() for client in clients)


def test_what_a_client_says_while_its_answer_is_held_back_changes_nothing(gateway):
    gate = delaying(gateway, "1s")
    [client] = held_back(gate)
    client.send(m.password(PASSWORDS["alice"]), m.query("select 1"))
    found = client.rest()
    assert [item.type for item in found] == ["E"] and m.fields(found[0].body)["C"] == "28P01"


# max_login_conn.

def counter(console, name):
    return {row[0]: int(row[1]) for row in console.rows("SHOW COUNTERS")}[name]


@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_more_logins_than_max_login_conn_are_refused_and_counted(gateway, listener):
    gate = gateway(pool=2, workers=1, limits={"max_login_conn": 5, "client_login_timeout": "60s"})
    with gate.login(user="postgres", database="pgsluice") as console, gate.login() as served:
        idle = [gate.raw(listener) for _ in range(5)]
        late = [gate.raw(listener) for _ in range(3)]
        for client in late:
            client.send(m.startup("app", "app"))
            fields = m.fields(client.read().body)
            assert fields["C"] == "53300" and "max_login_conn" in fields["M"]
        assert counter(console, "clients_refused") == 3
        assert served.value("select 'served'") == "served"
        done = programs.run("psql", "-XAtw", "-h", "127.0.0.1", "-p", gate.ports[listener], "-U", "app", "-d", "app",
                            "-c", "select 1", check=False, PGSSLMODE="disable")
        assert done.returncode == 2 and "max_login_conn" in done.stderr, done.stderr
        for client in idle:
            client.close()
        programs.eventually(lambda: lets_in(gate, listener), 10, what="a login after the others left")
        refused = counter(console, "clients_refused")
        with gate.login(listener) as client:
            assert client.value("select 1") == "1"
            client.leave()
        assert counter(console, "clients_refused") == refused
        served.leave()


def lets_in(gate, listener):
    with gate.raw(listener) as client:
        try:
            client.login("app", "app").leave()
            return True
        except (Refused, Closed, ConnectionError):
            return False


def test_the_port_recovers_when_the_logins_run_out_of_time(gateway):
    gate = gateway(pool=2, workers=1, limits={"max_login_conn": 5, "client_login_timeout": "1s"})
    idle = [gate.raw() for _ in range(5)]
    with gate.raw() as late:
        late.send(m.startup("app", "app"))
        assert m.fields(late.read().body)["C"] == "53300"
    for client in idle:
        assert m.fields(client.read().body)["C"] == "57014"
    assert lets_in(gate, "pooled")
