# SPDX-License-Identifier: PostgreSQL
"""test_hostile_server - a PostgreSQL that lies, stalls or falls over hurts the clients that use it at most."""

import struct
import threading
import time

import pytest

import messages as m
import programs
import scram
from cluster import PASSWORDS
from fakepg import FakePg
from gate import configuration
from rawpg import Closed, Refused, errors_of, rows_of

BAD_DATABASE = "bad"


@pytest.fixture
def beside(gateway, postgres):
    """start(script): a gateway whose database `bad` is on the scripted server and all others on the real one."""
    opened = []

    def start(script, files=None, wait="2s", **options):
        fake = FakePg(script)
        opened.append(fake)
        config = configuration(
            postgres.port, pool=2, workers=1,
            defaults={"server_connect_timeout": "1s", "query_wait_timeout": wait, "server_login_retry": "100ms",
                      "session_state": "allow"},
            upstreams=[{"name": "main", "hosts": [f"127.0.0.1:{postgres.port}"]},
                       {"name": "fake", "hosts": [f"127.0.0.1:{fake.port}"]}],
            routes=[{"name": "bad", "match": {"database": BAD_DATABASE}, "mode": "transaction", "upstream": "fake"}],
            **options)
        one = gateway(config, files=files)
        one.fake = fake
        return one

    yield start
    for fake in opened:
        fake.__exit__(None, None, None)


def others_are_served(gateway):
    start = time.monotonic()
    with gateway.login(database="app") as client:
        assert client.value("select 'served'") == "served"
        client.leave()
    assert time.monotonic() - start < 3


def ask_bad(gateway, sql="select 1", seconds=10):
    """What a client of the bad server hears: rows, or the fields of the last error, or None when it is cut off."""
    with gateway.raw(timeout=seconds) as client:
        try:
            return rows_of(client.login("app", BAD_DATABASE).query(sql))
        except Refused as refused:
            return refused.fields
        except Closed:
            return None


def at_login(*parts, stay=False):
    def script(peer):
        if peer.read_startup() is None:
            return
        peer.send(*parts)
        if stay:
            time.sleep(20)
        else:
            peer.until("X")
    return script


def error_with(*fields):
    return m.message("E", b"".join(fields) + b"\0")


LOGIN_LIES = {
    "an error without SQLSTATE": error_with(b"SFATAL\0", b"Mno code\0"),
    "an error with nothing": error_with(),
    "an error without terminator": m.message("E", b"SFATAL"),
    "an empty error": m.message("E"),
    "an error of 60 kB": error_with(b"SFATAL\0", b"C28000\0", b"M" + b"long " * 12000 + b"\0"),
    "a length of 3": b"R\0\0\0\3", "a length of 0": b"R\0\0\0\0", "a length of 2 GB": b"R\x7f\xff\xff\xff\0\0\0\0",
    "a length of 4 GB": b"R\xff\xff\xff\xff", "an announced 500 MB": b"R\x1f\0\0\0\0\0\0\0",
    "garbage": b"\x93\xe8\x0c\x51" * 200, "zeros": b"\0" * 200, "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an unknown authentication": m.authentication(99), "a short authentication": m.message("R", b"\0\0"),
    "Kerberos": m.authentication(2), "a clear text password": m.authentication(3),
    "ReadyForQuery without authentication": m.ready(), "a row at once": m.data_row("x"),
    "a parameter without terminator": m.authentication(0) + m.message("S", b"name"),
    "a parameter of 60 kB": m.authentication(0) + m.parameter_status("x" * 30000, "y" * 30000),
    "ten thousand parameters": m.authentication(0) + b"".join(m.parameter_status(f"p{n}",
                                                                                 "v" * 90) for n in range(10000)),
    "a short key": m.authentication(0) + m.message("K", b"\0\0"),
    "a huge key": m.authentication(0) + m.message("K", b"k" * 5000),
    "ReadyForQuery of status X": m.authentication(0) + m.ready("X"),
    "ReadyForQuery in a transaction": m.authentication(0) + m.ready("T"),
    "ReadyForQuery without status": m.authentication(0) + m.message("Z"),
    "an empty SASL list": m.authentication(10, b"\0"), "SASL without terminator": m.authentication(10, b"SCRAM"),
    "only SCRAM-SHA-1": m.authentication(10, b"SCRAM-SHA-1\0\0"), "SASL final first": m.authentication(12, b"v=x"),
    "NegotiateProtocolVersion that is broken": m.message("v", b"\0\0"),
}


@pytest.mark.slow
def test_lies_at_login_are_an_error_for_its_clients_only(beside):
    current = {}
    gateway = beside(lambda peer: current["script"](peer), wait="500ms")
    for name, lie in LOGIN_LIES.items():
        current["script"] = at_login(lie)
        try:
            heard = ask_bad(gateway, seconds=8)
        except TimeoutError:
            raise AssertionError(f"{name}: the client was left waiting") from None
        assert heard is None or isinstance(heard, dict) and heard.get("M"), f"{name}: {heard}"
        if isinstance(heard, dict):
            assert len(heard.get("C", "")) == 5, f"{name}: the client was sent no SQLSTATE: {heard}"
        gateway.check_alive()
        others_are_served(gateway)


def test_a_server_that_says_nothing_at_login_is_given_up(beside):
    gateway = beside(at_login(stay=True))
    start = time.monotonic()
    heard = ask_bad(gateway)
    assert heard and heard["M"] and time.monotonic() - start < 8
    others_are_served(gateway)


def test_a_server_that_cannot_be_reached_is_an_error_not_a_hang(gateway, postgres):
    pool = gateway(hosts=[f"127.0.0.1:{programs.free_port()}"],
                   defaults={"query_wait_timeout": "2s", "server_connect_timeout": "1s"})
    for listener in ("pooled", "direct"):
        start = time.monotonic()
        with pool.raw(listener) as client, pytest.raises(Refused) as refused:
            client.login("app", "app").query("select 1")
        assert time.monotonic() - start < 6
        assert refused.value.sqlstate[:2] in ("08", "53", "57")


def scram_script(first):
    def script(peer):
        if peer.read_startup() is None:
            return
        peer.send(m.authentication(10, b"SCRAM-SHA-256\0\0"))
        body = peer.read().body
        client_first = body[body.index(b"\0") + 5:]
        nonce = scram.attributes(client_first.decode().split(",", 2)[2])["r"]
        peer.send(m.authentication(11, first(nonce)))
        peer.until("X")
    return script


SCRAM_LIES = {
    "2147483647 iterations": lambda nonce: f"r={nonce}x,s=c2FsdHNhbHQ=,i=2147483647".encode(),
    "no iterations": lambda nonce: f"r={nonce}x,s=c2FsdHNhbHQ=,i=0".encode(),
    "iterations below zero": lambda nonce: f"r={nonce}x,s=c2FsdHNhbHQ=,i=-5".encode(),
    "iterations that are no number": lambda nonce: f"r={nonce}x,s=c2FsdHNhbHQ=,i=many".encode(),
    "a nonce of 60 kB": lambda nonce: f"r={nonce}{'n' * 60000},s=c2FsdHNhbHQ=,i=4096".encode(),
    "a foreign nonce": lambda nonce: b"r=foreign,s=c2FsdHNhbHQ=,i=4096",
    "no nonce": lambda nonce: b"s=c2FsdHNhbHQ=,i=4096", "no salt": lambda nonce: f"r={nonce}x,i=4096".encode(),
    "a salt of 40 kB": lambda nonce: f"r={nonce}x,s={scram.b64(b's' * 30000)},i=4096".encode(),
    "a salt that is no base64": lambda nonce: f"r={nonce}x,s=!!!!,i=4096".encode(),
    "nothing": lambda nonce: b"", "an error attribute": lambda nonce: b"e=other-error",
    "only commas": lambda nonce: b"," * 100, "bytes above 127": lambda nonce: b"\xff\xfe\xfd",
}


@pytest.mark.slow
def test_lies_in_scram_hurt_nobody_else(beside):
    current = {}
    gateway = beside(lambda peer: current["script"](peer), wait="500ms",
                     auth={"auth_type": "scram-sha-256", "auth_file": "users.txt"},
                     files={"users.txt": f'"alice" "{PASSWORDS["alice"]}"\n'})
    for name, first in SCRAM_LIES.items():
        current["script"] = scram_script(first)
        with gateway.raw(timeout=10) as client:
            client.send(m.startup("alice", BAD_DATABASE))
            start = time.monotonic()
            with gateway.login(user="alice", database="app") as other:
                assert other.value("select 'served'") == "served"
                other.leave()
            assert time.monotonic() - start < 3, f"{name} stalled the others"
            try:
                client.finish_login("alice-secret").query("select 1")
                heard = None
            except Refused as refused:
                heard = refused.fields
            except Closed:
                heard = {"M": "closed"}
            assert heard, f"{name}: the login succeeded"
        gateway.check_alive()


QUERY_LIES = {
    "an error without SQLSTATE": error_with(b"SERROR\0", b"Mno code\0") + m.ready(),
    "an error with nothing": error_with() + m.ready(), "an empty error": m.message("E") + m.ready(),
    "a length of 3": b"D\0\0\0\3", "a length of 0": b"D\0\0\0\0", "a length of 4 GB": b"D\xff\xff\xff\xff",
    "a length of 2 GB": b"D\x7f\xff\xff\xff", "garbage": b"\x93\xe8\x0c\x51" * 200,
    "ReadyForQuery of status X": m.complete("SELECT 1") + m.ready("X"),
    "ReadyForQuery without status": m.complete("SELECT 1") + m.message("Z"),
    "ReadyForQuery twice": m.complete("SELECT 1") + m.ready() + m.ready(),
    "an authentication request": m.authentication(10, b"SCRAM-SHA-256\0\0"),
    "a key again": m.backend_key(1) + m.complete("SELECT 1") + m.ready(),
    "CopyBoth": m.message("W", b"\0\0\0"),
    "an unknown message": m.message("~", b"what") + m.ready(),
    "ParseComplete that nobody asked for": m.message("1") * 50 + m.complete("SELECT 1") + m.ready(),
    "a short parameter": m.message("S", b"x") + m.complete("SELECT 1") + m.ready(),
}


@pytest.mark.slow
def test_lies_in_a_query_reach_its_own_client_at_most(beside):
    current = {}

    def script(peer):
        peer.accept()
        peer.serve(lambda one, sql: sql == "lie" and (one.send(current["lie"]), True)[1])

    gateway = beside(script)
    for name, lie in QUERY_LIES.items():
        current["lie"] = lie
        with gateway.raw(timeout=2) as liar:
            liar.login("app", BAD_DATABASE)
            liar.send(m.query("lie"))
            try:
                liar.until("Z")
            except (Closed, OSError):
                pass
            with gateway.raw() as client:
                heard = client.login("app", BAD_DATABASE).rows("select mine")
                assert heard == [["select mine"]], f"{name}: {heard}"
                client.leave()
        gateway.check_alive()
    others_are_served(gateway)


@pytest.mark.parametrize("late", [
    m.notice("late"), m.parameter_status("TimeZone", "Mars/Olympus"), m.data_row("late"),
    m.complete("SELECT 1") + m.ready(),
    m.error("57P01", "terminating", "FATAL"), m.message("A", struct.pack("!I", 7) + b"channel\0payload\0"), b"half",
    m.row_description("c") + m.data_row("late") + m.complete("SELECT 1") + m.ready()],
    ids=["notice", "parameter", "row", "ready", "fatal", "notification", "half", "answer"])
def test_what_a_parked_server_says_reaches_nobody(beside, late):
    sent = threading.Event()

    def handler(peer, sql):
        if sql != "poison":
            return False
        peer.answer("poisoned")
        time.sleep(0.2)
        peer.send(late)
        sent.set()
        return True

    def script(peer):
        peer.accept()
        peer.serve(handler)

    gateway = beside(script)
    with gateway.login(database=BAD_DATABASE) as first, gateway.login(database=BAD_DATABASE) as second:
        welcome = dict(second.parameters)
        first.query("poison")
        assert sent.wait(20)
        found = second.query("select mine")
        assert m.digest(found) == [("T", [("c0", 25)]), ("D", [b"select mine"]), ("C", "SELECT 1"), ("Z", "I")]
        assert second.parameters == welcome
        assert second.silent(0.2) and first.silent(0.2)
        first.leave()
        second.leave()


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_server_that_goes_in_the_middle_of_a_row_is_an_error_for_its_client(beside, end):
    def handler(peer, sql):
        if sql == "half":
            peer.send(m.row_description("c"), m.data_row("whole"), m.data_row("x" * 100)[:40])
            getattr(peer, end)()
        return sql == "half"

    def script(peer):
        peer.accept()
        peer.serve(handler)

    gateway = beside(script)
    with gateway.login(database=BAD_DATABASE) as client:
        client.send(m.query("half"))
        client.socket.settimeout(5)
        found = client.rest()
        assert "Z" not in [item.type for item in found]
    assert ask_bad(gateway, "select 5") == [["select 5"]]
    others_are_served(gateway)


def test_a_server_that_goes_before_the_first_byte_is_told_with_a_sqlstate(beside):
    def script(peer):
        peer.accept()
        peer.serve(lambda one, sql: sql == "go" and (one.close(), True)[1])

    gateway = beside(script)
    with gateway.login(database=BAD_DATABASE) as client:
        client.send(m.query("go"))
        errors = errors_of(client.rest())
        assert [error["C"][:2] for error in errors] in (["08"], ["57"])


def test_57P03_at_login_is_tried_again_while_clients_wait(beside):
    def script(peer):
        if peer.number < 3:
            peer.read_startup()
            peer.send(m.error("57P03", "the database system is starting up", "FATAL"))
            return
        peer.accept()
        peer.serve()

    gateway = beside(script)
    assert ask_bad(gateway, "select patience") == [["select patience"]]


def test_a_server_that_stalls_in_a_query_holds_only_its_client(beside):
    def script(peer):
        peer.accept()
        peer.serve(lambda one, sql: sql == "stall" and (time.sleep(4), True)[1])

    gateway = beside(script)
    with gateway.login(database=BAD_DATABASE) as stuck:
        stuck.send(m.query("stall"))
        time.sleep(0.1)
        for n in range(5):
            assert ask_bad(gateway, f"select {n}") == [[f"select {n}"]]
            others_are_served(gateway)
