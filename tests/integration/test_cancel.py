# SPDX-License-Identifier: PostgreSQL
"""test_cancel - a CancelRequest ends its own client's running query and nothing else, ever."""

import contextlib
import random
import socket
import threading
import time

import psycopg
import pytest

import messages as m
from load import in_threads
from programs import eventually
from rawpg import Raw, Refused, errors_of, rows_of


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    return gateway_of_module(pool=2)


def cancelled(found):
    return [error["C"] for error in errors_of(found)] == ["57014"]


@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_a_cancel_ends_the_query_of_its_client(pool, listener):
    with pool.login(listener) as client:
        start = time.monotonic()
        client.send(m.query("select pg_sleep(20)"))
        time.sleep(0.2)
        client.cancel()
        assert cancelled(client.until("Z"))
        assert time.monotonic() - start < 5
        assert client.value("select 'alive'") == "alive"
        client.leave()


@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_a_cancel_by_psycopg_and_psql_works(pool, listener):
    with pool.connect(listener) as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(20)")
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_cancel_in_a_transaction_fails_it_and_keeps_the_session(pool):
    with pool.login() as client:
        client.query("begin")
        client.send(m.query("select pg_sleep(20)"))
        time.sleep(0.2)
        client.cancel()
        assert cancelled(client.until("Z")) and client.status == "E"
        client.query("rollback")
        assert client.value("select 1") == "1"
        client.leave()


def test_a_cancel_reaches_what_is_prepared_for_a_client_on_its_next_server(gateway, postgres):
    """The statement is parsed there in front of its Bind, and waits for the lock that the client would wait for."""
    pool = gateway(pool=2, workers=1)
    pool.wait_until_known()
    postgres.sql("drop table if exists held_by_cancel;\ncreate table held_by_cancel (n int)", user="app")
    with pool.login() as client, pool.login() as other, postgres.connect(autocommit=False) as locker:
        client.ask(m.parse("of_mine", "select * from held_by_cancel"), m.sync())
        first = client.value("select pg_backend_pid() + 0")
        other.query("begin")
        assert other.value("select pg_backend_pid() + 0") == first
        locker.execute("lock table held_by_cancel")
        client.send(m.bind("", "of_mine") + m.execute() + m.sync())
        eventually(lambda: postgres.backends("wait_event_type = 'Lock'"), 10, what="a wait for the lock")
        client.cancel()
        assert cancelled(client.until("Z"))
        locker.rollback()
        assert not errors_of(client.ask(m.bind("", "of_mine"), m.execute(), m.sync()))
        other.query("commit")
        client.leave()
        other.leave()


def test_a_cancel_hits_no_neighbour(pool):
    with pool.login() as mine, pool.login() as other:
        mine.send(m.query("select pg_sleep(20)"))
        other.send(m.query("select pg_sleep(1), 'unharmed'"))
        time.sleep(0.2)
        mine.cancel()
        assert cancelled(mine.until("Z"))
        assert rows_of(other.until("Z"))[0][1] == "unharmed"
        mine.leave()
        other.leave()


def test_a_cancel_of_an_idle_client_does_nothing(gateway):
    pool = gateway(pool=1)
    with pool.login() as idle, pool.login() as busy:
        idle.query("select 1")
        busy.send(m.query("select pg_sleep(0.7), 'unharmed'"))
        time.sleep(0.15)
        idle.cancel()
        assert rows_of(busy.until("Z"))[0][1] == "unharmed"
        assert idle.value("select 'and idle lives'") == "and idle lives"
        idle.leave()
        busy.leave()


def test_a_cancel_of_a_client_idle_in_its_transaction_does_nothing(pool):
    with pool.login() as client:
        client.query("begin")
        client.cancel()
        time.sleep(0.1)
        assert client.value("select 'unharmed'") == "unharmed"
        assert client.status == "T"
        client.query("commit")
        client.leave()


def test_forged_keys_do_nothing(pool):
    with pool.login() as client, pool.login() as other:
        client.send(m.query("select pg_sleep(1), 'unharmed'"))
        time.sleep(0.1)
        flipped = bytes([client.secret[0] ^ 1]) + client.secret[1:]
        for pid, secret in ((client.pid, flipped), (client.pid, other.secret), (other.pid, client.secret),
                            (client.pid ^ 1, client.secret), (0, b"\0\0\0\0"), (0xffffffff, b"\xff" * 4),
                            (client.pid, b"\0" * 4)):
            client.cancel(pid, secret)
        assert rows_of(client.until("Z"))[0][1] == "unharmed"
        client.leave()
        other.leave()


def test_keys_of_the_server_do_not_work_at_the_gateway(postgres, pool):
    with pool.login() as client:
        pid = int(client.value("select pg_backend_pid() + 0"))
        client.send(m.query("select pg_sleep(0.6), 'unharmed'"))
        dice = random.Random(1)
        for _ in range(20):
            client.cancel(pid, dice.randbytes(4))
        assert rows_of(client.until("Z"))[0][1] == "unharmed"
        client.leave()


def test_keys_differ_between_sessions_and_their_pids_are_positive(pool):
    clients = [pool.login() for _ in range(20)]
    assert len({(client.pid, client.secret) for client in clients}) == 20
    assert len({client.secret for client in clients}) == 20
    assert all(0 < client.pid < 1 << 31 and len(client.secret) == 4 for client in clients)
    for client in clients:
        client.leave()


def test_the_key_of_a_client_that_left_does_nothing(gateway):
    pool = gateway(pool=1)
    with pool.login() as gone:
        gone.query("select 1")
        gone.leave()
    with pool.login() as client:
        client.send(m.query("select pg_sleep(0.6), 'unharmed'"))
        time.sleep(0.1)
        client.cancel(gone.pid, gone.secret)
        assert rows_of(client.until("Z"))[0][1] == "unharmed"
        client.leave()


def test_a_cancel_of_a_waiting_client_ends_its_wait_like_a_query(gateway):
    pool = gateway(pool=1)
    with pool.login() as holder, pool.login() as waiter:
        holder.query("begin")
        waiter.send(m.query("select 'never run'"))
        time.sleep(0.3)
        start = time.monotonic()
        waiter.cancel()
        assert cancelled(waiter.until("Z")) and time.monotonic() - start < 2
        holder.query("commit")
        assert waiter.value("select 'alive'") == "alive"
        holder.leave()
        waiter.leave()


def test_a_cancel_needs_no_free_server(gateway):
    pool = gateway(pool=2)
    with pool.login() as one, pool.login() as other:
        for client in (one, other):
            client.send(m.query("select pg_sleep(20)"))
        time.sleep(0.2)
        start = time.monotonic()
        for client in (one, other):
            client.cancel()
            assert cancelled(client.until("Z"))
        assert time.monotonic() - start < 3
        one.leave()
        other.leave()


def test_a_cancel_works_behind_refused_encryption_requests(pool):
    with pool.login() as client:
        client.send(m.query("select pg_sleep(20)"))
        time.sleep(0.2)
        with Raw(pool.pooled) as other:
            for request in (m.GSS_REQUEST, m.SSL_REQUEST):
                other.send(request)
                assert other.byte() == b"N"
            other.send(m.cancel_request(client.pid, client.secret))
            assert other.closed()
        assert cancelled(client.until("Z"))
        client.leave()


@pytest.mark.slow
def test_a_storm_of_cancels_hits_only_those_who_asked(gateway):
    pool = gateway(pool=3, workers=4)
    deadline = time.monotonic() + 5
    counts = {"cancelled": 0, "calm": 0}

    def impatient():
        dice = random.Random()
        with pool.login() as client:
            while time.monotonic() < deadline:
                client.send(m.query("select pg_sleep(0.02)"))
                time.sleep(dice.random() * 0.03)
                client.cancel()
                failures = errors_of(client.until("Z"))
                assert [error["C"] for error in failures] in ([], ["57014"])
                counts["cancelled"] += len(failures)
            client.leave()

    def calm():
        with pool.login() as client:
            while time.monotonic() < deadline:
                try:
                    assert client.rows("select pg_sleep(0.005), 'calm'")[0][1] == "calm"
                except Refused as refused:
                    raise AssertionError(f"a client that never cancelled was told: {refused}") from refused
                counts["calm"] += 1
            client.leave()

    in_threads(*[impatient] * 6, *[calm] * 6)
    assert counts["cancelled"] > 20 and counts["calm"] > 50, counts


class Deaf:
    """In front of PostgreSQL: takes cancel requests and says nothing, not even goodbye."""

    CANCEL = (80877102).to_bytes(4, "big")

    def __init__(self, port):
        self.port, self.kept = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        first = client.recv(4096)
        self.kept.append(client)
        if first[4:8] == self.CANCEL:
            return
        server = socket.create_connection(("127.0.0.1", self.port))
        server.sendall(first)
        self.kept.append(server)
        threading.Thread(target=self._copy, args=(server, client), daemon=True).start()
        self._copy(client, server)

    @staticmethod
    def _copy(source, target):
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)

    def close(self):
        for one in [self.listener, *self.kept]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def test_a_cancel_request_that_nobody_takes_is_given_up_after_cancel_wait_timeout(gateway, postgres):
    deaf = Deaf(postgres.port)
    try:
        gate = gateway(pool=1, workers=1, hosts=[f"127.0.0.1:{deaf.listener.getsockname()[1]}"],
                       limits={"cancel_wait_timeout": "700ms"})
        with gate.login() as client:
            client.send(m.query("select pg_sleep(3)"))
            time.sleep(0.5)
            began = time.monotonic()
            client.cancel()
            assert time.monotonic() - began >= 0.7
            assert "cancel_wait_timeout" in gate.log()
            rows = gate.console("SHOW COUNTERS")
            assert next(row["value"] for row in rows if row["name"] == "cancels_timed_out") == 1
            assert not errors_of(client.until("Z"))
            client.leave()
        gate.stop()
    finally:
        deaf.close()
