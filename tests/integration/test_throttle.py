# SPDX-License-Identifier: PostgreSQL
"""test_throttle - direct bulk keeps to max_rate, plain or encrypted, in either direction and for all sessions of a
route together; adaptive bulk yields while pooled clients wait, and takes everything when they do not."""

import threading
import time

import pytest

import messages as m
import programs
from load import Neighbours, in_threads
from secure import tls_options
from tlsraw import Tls, client_context

pytest_plugins = ("secure_fixtures",)

MB = 1 << 20
ROW = "x" * 1000


def route(max_rate, **more):
    return [{"name": "bulk", "match": {"listener": "direct"}, "mode": "direct", "max_rate": max_rate} | more]


def copy_out(client, megabytes):
    """Reads a COPY of that size; returns how many bytes a second came."""
    began, seen = time.monotonic(), 0
    rows = megabytes * MB // 1006
    client.send(m.query(f"copy (select '{ROW}' from generate_series(1, {rows})) to stdout"))
    while True:
        item = client.read()
        seen += len(item.body) + 5
        if item.type == "Z":
            return seen / (time.monotonic() - began)
        assert item.type in "HdcC", item


def copy_in(client, megabytes):
    began, line = time.monotonic(), m.copy_data((ROW + "\n").encode())
    client.query("create temp table taken (a text)")
    client.send(m.query("copy taken from stdin"))
    client.until("G")
    lines = megabytes * MB // len(line)
    for _ in range(lines // 100):
        client.send(line * 100)
    client.send(m.copy_done())
    client.until("Z")
    return lines * len(line) / (time.monotonic() - began)


def assert_rate(found, expected):
    assert 0.9 * expected < found < 1.1 * expected, f"{found / MB:.2f} MB/s instead of {expected / MB:.2f}"


@pytest.mark.slow
def test_a_copy_keeps_to_the_rate_of_its_route(gateway):
    gate = gateway(pool=2, workers=1, routes=route("8MB"))
    with gate.login("direct") as client:
        assert_rate(copy_out(client, 24), 8 * MB)
        row, = gate.console("SHOW DIRECT")
        assert (row["route"], row["route_limit"], row["max_rate"]) == ("bulk", 8 * MB, "fixed")
        client.leave()


@pytest.mark.slow
def test_so_does_a_restore_and_two_sessions_share_the_rate(gateway):
    gate = gateway(pool=2, workers=2, routes=route("8MB"))
    with gate.login("direct") as one, gate.login("direct") as two:
        began = time.monotonic()
        in_threads(lambda: copy_in(one, 12), lambda: copy_out(two, 12))
        assert_rate(24 * MB / (time.monotonic() - began), 8 * MB)
        one.leave()
        two.leave()


@pytest.mark.slow
def test_encrypted_bulk_keeps_to_the_rate_too(gateway, certificates):
    gate = gateway(pool=2, workers=1, routes=route("8MB"), tls=tls_options(certificates, "require", "disable"))
    with Tls(gate.direct, client_context()).login("app", "app") as client:
        assert_rate(copy_out(client, 24), 8 * MB)
        client.leave()


@pytest.mark.slow
def test_a_rate_is_changed_and_taken_away_by_a_reload_under_a_running_copy(gateway, postgres):
    from gate import configuration
    gate = gateway(pool=2, workers=1, routes=route("1MB"))
    with gate.login("direct") as client:
        reader = threading.Thread(target=copy_out, args=(client, 64), daemon=True)
        reader.start()
        programs.eventually(lambda: gate.console("SHOW DIRECT")[0]["held"] == "yes", 10)
        gate.reload(configuration(postgres.port, pool=2, workers=1, routes=route("none")))
        reader.join(25)
        assert not reader.is_alive(), "64 MB at 1 MB a second would take a minute"
        client.leave()


@pytest.mark.slow
def test_other_routes_are_not_held_and_neither_is_the_pool(gateway):
    gate = gateway(pool=2, workers=1, routes=[
        {"name": "slow", "match": {"application_name": "slow"}, "mode": "direct", "max_rate": "1MB"}])
    with gate.login("direct", application_name="slow") as slow, gate.login("direct") as fast, gate.login() as pooled:
        slow.send(m.query(f"copy (select '{ROW}' from generate_series(1, 20000)) to stdout"))
        assert copy_out(fast, 20) > 4 * MB
        assert pooled.value("select 'served'") == "served"
        pooled.leave()
        fast.leave()
        slow.reset()


class Reader:
    """A direct COPY without end, read as fast as it comes."""

    def __init__(self, gate):
        self.client = gate.login("direct")
        self.client.send(m.query(f"copy (select '{ROW}' from items a, items b, items c) to stdout"))
        self.seen, self.stop = 0, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop:
            self.seen += len(self.client.socket.recv(1 << 20))

    def end(self):
        self.stop = True
        self.thread.join(10)
        self.client.reset()


def short_wait(client, number, dice):
    client.query("select pg_sleep(0.02)")


@pytest.mark.slow
def test_adaptive_bulk_yields_to_waiting_clients_and_recovers(gateway):
    gate = gateway(pool=1, workers=2, routes=route("adaptive", min_rate="2MB"))
    reader = Reader(gate)
    try:
        programs.eventually(lambda: gate.console("SHOW DIRECT")[0]["route_rate"] > 8 * MB, 20, what="bulk at full speed")
        assert gate.console("SHOW DIRECT")[0]["route_limit"] is None
        with Neighbours(gate, 6, short_wait) as neighbours:
            programs.eventually(lambda: gate.console("SHOW DIRECT")[0]["route_limit"] == 2 * MB, 20,
                                what="bulk at its least")
            before, began = reader.seen, time.monotonic()
            time.sleep(3)
            assert (reader.seen - before) / (time.monotonic() - began) < 4 * MB
            assert reader.seen > before, "it moves at its least"
            assert next(row for row in gate.console("SHOW COUNTERS") if row["name"] == "bulk_yields")["value"] > 0
            neighbours.stop()
        neighbours.check()
        programs.eventually(lambda: gate.console("SHOW DIRECT")[0]["route_limit"] is None, 30, what="no limit any more")
        programs.eventually(lambda: gate.console("SHOW DIRECT")[0]["route_rate"] > 8 * MB, 20, what="bulk at full speed")
    finally:
        reader.end()
