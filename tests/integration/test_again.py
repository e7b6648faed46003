# SPDX-License-Identifier: PostgreSQL
"""test_again - a server that ends before it reads a transaction is replaced unseen; one that read it never is."""

import contextlib
import socket
import time

import pytest

import messages as m
from fakepg import FakePg
from gate import configuration
from rawpg import Closed, errors_of, kinds, rows_of

FATAL = m.error("57P01", "terminating connection due to administrator command", severity="FATAL")
WARNING = m.error("57P02", "terminating connection because of crash of another server process", "WARNING", "N")


class Ending:
    """A server that does `last(peer)` with the first request that holds the word `marked`, and serves all others. `asked`:
    the marked requests that were read."""

    def __init__(self, last, times=1):
        self.last, self.left, self.asked, self.ended = last, times, [], 0
        self.fake = FakePg(self.play)

    def play(self, peer):
        peer.accept()
        while True:
            if not peer.buffer and self.left > 0 and b"marked" in peer.socket.recv(65536, socket.MSG_PEEK):
                self.left -= 1
                self.last(peer)
                self.ended += 1
                return
            item = peer.read()
            if item.type == "X":
                return
            if b"marked" in item.body:
                self.asked.append(item.type)
            if item.type == "Q" and m.strings(item.body)[0] == "begin":
                peer.send(m.complete("BEGIN"), m.ready("T"))
            elif item.type == "Q":
                peer.answer(m.strings(item.body)[0])
            else:
                peer._extended(item, "", None)


def close_unread(peer, *said):
    """Closing with unread bytes resets the connection, as the end of a backend does."""
    peer.send(*said)
    peer.socket.close()


def close_read(peer, *said):
    while b"marked" not in peer.buffer:
        peer.buffer += peer.socket.recv(65536)
    peer.send(*said)
    peer.close()


@pytest.fixture
def ending(gateway):
    opened = []

    def start(last, times=1, **options):
        server = Ending(last, times)
        opened.append(server.fake)
        pool = gateway(configuration(server.fake.port, pool=2, workers=1,
                                     defaults={"session_state": "allow", "server_login_retry": "100ms"}, **options))
        return server, pool

    yield start
    for fake in opened:
        fake.__exit__(None, None, None)


BATCH = m.parse("", "select marked") + m.bind() + m.execute() + m.sync()


@pytest.mark.parametrize("request_bytes", [m.query("select marked"), BATCH], ids=["simple", "extended"])
@pytest.mark.parametrize("said", [FATAL, WARNING], ids=["terminated", "crash elsewhere"])
def test_what_was_left_unread_is_done_by_another_server(ending, request_bytes, said):
    server, pool = ending(lambda peer: close_unread(peer, said), times=3)
    with pool.login() as client:
        found = client.send(request_bytes).until("Z")
        assert not errors_of(found) and "N" not in kinds(found), kinds(found)
        assert server.ended == 3 and len(server.asked) == 1
        assert rows_of(client.query("select 1")) == [["select 1"]]
        client.leave()
    counters = {row["name"]: int(row["value"]) for row in pool.console("SHOW COUNTERS")}
    assert counters["transactions_again"] == 3


def told(client, request_bytes):
    """What the client hears until the connection ends."""
    heard = []
    with contextlib.suppress(Closed):
        client.send(request_bytes)
        while True:
            heard.append(client.read())
    return heard


def test_what_was_read_is_never_said_twice(ending):
    server, pool = ending(lambda peer: close_read(peer, FATAL))
    with pool.login() as client:
        assert [error["C"] for error in errors_of(told(client, m.query("select marked")))] == ["57P01"]
    assert server.ended == 1 and not server.asked


def test_a_reset_without_a_word_of_postgresql_proves_nothing(ending):
    server, pool = ending(close_unread)
    with pool.login() as client:
        assert [error["C"] for error in errors_of(told(client, m.query("select marked")))] == ["08006"]
    assert not server.asked


def test_a_large_request_may_have_been_read_in_part(ending):
    server, pool = ending(lambda peer: close_unread(peer, FATAL))
    with pool.login() as client:
        assert [error["C"] for error in errors_of(told(client, m.query("select marked" + " " * 5000)))] == ["57P01"]
    assert not server.asked


def test_later_statements_of_a_transaction_are_not_said_again(ending):
    server, pool = ending(lambda peer: close_unread(peer, FATAL))
    with pool.login() as client:
        client.query("begin")
        assert [error["C"] for error in errors_of(told(client, m.query("select marked")))] == ["57P01"]
    assert not server.asked


def test_a_farewell_without_an_end_is_told_after_a_second(ending):
    def stay(peer):
        peer.send(FATAL)
        time.sleep(3)

    _, pool = ending(stay)
    with pool.login() as client:
        start = time.monotonic()
        assert [error["C"] for error in errors_of(told(client, m.query("select marked")))] == ["57P01"]
        assert 0.5 < time.monotonic() - start < 6
