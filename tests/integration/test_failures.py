# SPDX-License-Identifier: PostgreSQL
"""test_failures - PostgreSQL restarts, crashes, stands still, moves, runs full: what idle, waiting and busy clients see."""

import contextlib
import os
import signal
import socket
import threading
import time

import pytest

import messages as m
import programs
from cluster import Cluster
from fakepg import FakePg
from gate import configuration
from rawpg import Closed, errors_of
from replicas import crash

SETTINGS = {"max_connections": 40}


@pytest.fixture(scope="module")
def breakable():
    cluster = Cluster("failures", settings=SETTINGS)
    try:
        yield cluster.start().prepare()
    finally:
        cluster.destroy()


def start_again(cluster):
    for _ in range(100):
        try:
            return cluster.start()
        except AssertionError:
            time.sleep(0.1)
    raise AssertionError("PostgreSQL does not start: " + cluster.log()[-1000:])


def servers(pool):
    return [row for row in pool.console("SHOW SERVERS") if row["state"] != "login"]


def active(pool):
    return sum(row["state"] == "active" for row in servers(pool))


def until_closed(client):
    heard = []
    while True:
        try:
            heard.append(client.read())
        except Closed:
            return heard


ENDS = {
    "fast shutdown": (lambda cluster: cluster.stop(signal.SIGINT), {"57P01"}),
    "immediate shutdown": (lambda cluster: cluster.stop(signal.SIGQUIT), {"57P01", "08006"}),
    "kill -9 of the postmaster": (crash, {"57P01", "08006"}),
}


@pytest.mark.parametrize("end", ENDS)
def test_only_those_in_a_transaction_notice_a_restart(gateway, breakable, end):
    act, expected = ENDS[end]
    pool = gateway(upstream=breakable.port, pool=3, defaults={"server_login_retry": "200ms"})
    idle, waiting, busy = pool.login(), pool.login(), pool.login()
    for client in (idle, waiting):
        client.query("select 1")
    busy.query("begin")
    busy.query("insert into marks values (1, 1, 'lost')")
    programs.eventually(lambda: active(pool) <= 1, 20, what="answers to what the others left in their servers")
    act(breakable)
    try:
        heard = errors_of(until_closed(busy))
        assert len(heard) == 1 and heard[0]["S"] == "FATAL" and heard[0]["C"] in expected and heard[0]["M"], heard
        programs.eventually(lambda: not servers(pool), 20, what="the end of all servers")
        waiting.send(m.query("select 'waited'"))
        assert waiting.silent(0.5)
    finally:
        start_again(breakable)
    assert not errors_of(waiting.until("Z"))
    assert idle.value("select count(*) from marks where note = 'lost'") == "0"
    for client in (idle, waiting):
        client.leave()


def test_only_the_client_of_a_killed_backend_and_those_in_a_transaction_notice_a_crash(gateway, breakable):
    pool = gateway(upstream=breakable.port, pool=3, defaults={"server_login_retry": "200ms"})
    idle, busy, other = pool.login(), pool.login(), pool.login()
    idle.query("select 1")
    busy.query("begin")
    other.query("begin")
    programs.eventually(lambda: active(pool) <= 2, 20, what="an answer to what the first left in its server")
    os.kill(int(busy.value("select pg_backend_pid()")), signal.SIGKILL)
    assert [error["C"] for error in errors_of(until_closed(busy))] == ["08006"]
    heard = until_closed(other)
    assert [error["C"] for error in errors_of(heard)] in (["08006"], ["57P02"]), heard
    assert idle.value("select 'alive'") == "alive"
    idle.leave()


def test_a_postmaster_that_stands_still_hurts_nobody_who_has_a_server(gateway, breakable):
    pool = gateway(upstream=breakable.port, pool=2, defaults={
        "server_connect_timeout": "1s", "server_login_retry": "200ms", "session_state": "allow"})
    with pool.login() as client, pool.login() as second:
        client.query("begin")
        os.kill(breakable.process.pid, signal.SIGSTOP)
        try:
            second.send(m.query("select 'later'"))
            for _ in range(20):
                assert client.value("select 'served'") == "served"
                time.sleep(0.05)
            assert second.silent(0.5)
        finally:
            os.kill(breakable.process.pid, signal.SIGCONT)
        assert not errors_of(second.until("Z"))
        client.leave()


def test_those_who_wait_while_postgresql_starts_up_are_served_when_it_is_there(gateway):
    refused = []

    def starting(peer):
        if len(refused) < 4:
            if peer.read_startup() is not None:
                refused.append(time.monotonic())
                peer.send(m.error("57P03", "the database system is starting up", "FATAL"))
            return
        peer.accept()
        peer.serve()

    with FakePgOf(starting) as fake:
        pool = gateway(configuration(fake.port, pool=2, workers=1,
                                     defaults={"session_state": "allow", "server_login_retry": "100ms"}))
        with pool.login() as client:
            assert client.value("select 1") == "select 1"
            client.leave()
        assert len(refused) == 4


class FakePgOf(FakePg):
    def __enter__(self):
        return self


def test_a_full_disk_is_an_error_of_its_statement_alone(gateway):
    def full(peer, sql):
        if "insert" not in sql:
            return False
        peer.send(m.error("53100", "could not extend file: No space left on device"), m.ready())
        return True

    def script(peer):
        peer.accept()
        peer.serve(full)

    with FakePgOf(script) as fake:
        pool = gateway(configuration(fake.port, pool=1, workers=1, defaults={"session_state": "allow"}))
        with pool.login() as client:
            assert [error["C"] for error in errors_of(client.query("insert"))] == ["53100"]
            assert client.value("select 1") == "select 1"
            client.leave()


@pytest.fixture(scope="module")
def resolving(tmp_path_factory):
    """LD_PRELOAD for a gateway whose name moving.test follows a file; sanitizers want to be loaded first."""
    directory = programs.private_directory("resolving")
    directory.chmod(0o755)
    library, file = directory / "resolving.so", directory / "address"
    source = programs.ROOT / "tests/integration/resolving.c"
    programs.run("gcc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, source)
    programs.write(file, "127.0.0.1")
    yield {"LD_PRELOAD": str(library), "MOVING_TEST": str(file)}, file
    programs.remove(directory)


@pytest.mark.skipif("asan" in os.environ.get("PGSLUICE", "") or "tsan" in os.environ.get("PGSLUICE", ""),
                    reason="sanitizers must be loaded first")
def test_a_name_with_another_address_is_followed(gateway, resolving):
    environment, file = resolving
    port = programs.free_port()
    addresses = ("127.0.0.1", "127.0.0.2")
    fakes = [NamedPg(address, port) for address in addresses]
    programs.write(file, addresses[0])
    pool = gateway(configuration(0, hosts=[f"moving.test:{port}"], pool=2, workers=1,
                                 defaults={"session_state": "allow"}, limits={"dns_max_ttl": "1s"}),
                   environment=environment)
    try:
        with pool.login() as idle, pool.login() as busy:
            assert idle.value("select 1") == addresses[0]
            busy.query("begin")
            programs.write(file, addresses[1])
            programs.eventually(lambda: "has moved from 127.0.0.1" in pool.log(), 20, what="the new address")
            assert busy.value("select 1") == addresses[0], "busy until its transaction ends"
            busy.query("commit")
            assert idle.value("select 1") == busy.value("select 1") == addresses[1]
            fakes[1].die()
            programs.write(file, addresses[0])
            assert idle.value("select 1") == addresses[0]
            idle.leave()
            busy.leave()
    finally:
        for fake in fakes:
            fake.die()


class NamedPg(FakePg):
    """Answers every query with its own address."""

    def __init__(self, address, port):
        self.address, self.script, self.peers, self.failures = address, self._serve, [], []
        self.listener = socket.create_server((address, port), backlog=20)
        threading.Thread(target=self._accept, daemon=True).start()

    def _serve(self, peer):
        peer.accept()

        def handler(peer, sql):
            status = {"begin": "T", "commit": "I"}.get(sql) or getattr(peer, "status", "I")
            peer.status = status
            if sql in ("begin", "commit"):
                peer.send(m.complete(sql.upper()), m.ready(status))
            else:
                peer.send(m.row_description("c"), m.data_row(self.address), m.complete("SELECT 1"), m.ready(status))
            return True

        peer.serve(handler)

    def die(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for peer in self.peers:
            peer.close()
