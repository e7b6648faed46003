# SPDX-License-Identifier: PostgreSQL
"""test_tls_memory - what encrypted clients cost: little while they are idle, little while they do not read, and
nothing when they are gone."""

import pytest

import messages as m
import programs
from gate import PROGRAM
from secure import tls_options
from tlsraw import Tls, client_context

pytest_plugins = ("secure_fixtures",)

IDLE, IDLE_KB = 200, 40
ROWS, ROW_BYTES, SLOW_KB = 50_000, 1000, 300
KEPT_KB = 4500  # what a worker may keep of those who left: 256 spare blocks, and the allocator's crumbs
CONTEXT = client_context()


@pytest.fixture
def small(gateway, secure, certificates):
    """One worker, and TLS on both legs; warmed up, so that what is made once is there."""
    if b"__asan_init" in PROGRAM.read_bytes() or b"__tsan_init" in PROGRAM.read_bytes():
        pytest.skip("a sanitizer's memory is not the gateway's")
    pool = gateway(upstream=secure.port, pool=2, workers=1, tls=tls_options(certificates, "require", "require"))
    with enter(pool) as client:
        assert len(client.rows("select repeat('w', 1000) from generate_series(1, 5000)")) == 5000
        client.leave()
    return pool


def enter(pool):
    return Tls(pool.pooled, CONTEXT).login("app", "app")


def resident(pool):
    """kB of memory that are the process's own."""
    with open(f"/proc/{pool.pid}/smaps_rollup") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith(("Private_Dirty", "Private_Clean")))


def test_idle_clients_are_cheap_and_their_memory_comes_back(small):
    before = resident(small)
    clients = [enter(small) for _ in range(IDLE)]
    for client in clients:
        assert client.value("select 1") == "1"
    held = resident(small) - before
    for client in clients:
        client.leave()
    assert held < IDLE * IDLE_KB, f"{IDLE} idle clients hold {held} kB"
    programs.eventually(lambda: resident(small) - before < KEPT_KB, 10, what="the memory of those who left")


def stuck(cluster):
    """PostgreSQL can send nothing more."""
    return cluster.backends("usename = 'app' and wait_event = 'ClientWrite'")


def test_a_client_that_reads_slowly_holds_little(small, secure):
    before, held, seen = resident(small), [], 0
    with enter(small) as client:
        client.send(m.query(f"select repeat('s', {ROW_BYTES}) from generate_series(1, {ROWS})"))
        programs.eventually(lambda: stuck(secure), 20, what="a PostgreSQL that waits for the reader")
        held.append(resident(small) - before)
        while True:
            found = client.read()
            seen += found.type == "D"
            if seen % 5000 == 1 and found.type == "D":
                held.append(resident(small) - before)
            if found.type == "Z":
                break
        client.leave()
    assert seen == ROWS
    assert max(held) < SLOW_KB, f"kB held one after the other: {held}"
