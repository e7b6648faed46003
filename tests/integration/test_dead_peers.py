# SPDX-License-Identifier: PostgreSQL
"""test_dead_peers - a client whose machine vanishes without a word is noticed within the limits of the tcp_ settings,
and what it held goes to others. Needs the right to make a network namespace."""

import os
import subprocess
import sys
import time

import pytest

import programs

HERE, THERE = "10.213.177.1", "10.213.177.2"
FAR = """
import sys, time
sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True
from rawpg import Raw
import messages as m
client = Raw(int(sys.argv[3]), host=sys.argv[2]).login("app", "app")
for sql in sys.argv[4:]:
    client.send(m.query(sql))
    client.read()
    if "generate_series" not in sql:
        client.until("Z")
time.sleep(0.5)  # until everything is acknowledged
print("there", flush=True)
time.sleep(600)
"""


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True, timeout=20)


@pytest.fixture
def far():
    """The name of a network namespace that is joined to this one by a cable."""
    name = f"pgsluice{os.getpid()}"
    near, other = f"pgs{os.getpid()}a"[:15], f"pgs{os.getpid()}b"[:15]
    try:
        ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as trouble:
        pytest.skip(f"no network namespace can be made here: {trouble}")
    try:
        ip("link", "add", near, "type", "veth", "peer", "name", other, "netns", name)
        ip("addr", "add", f"{HERE}/30", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", name, "addr", "add", f"{THERE}/30", "dev", other)
        ip("-n", name, "link", "set", other, "up")
        yield name
    finally:
        ip("link", "del", near, check=False)
        ip("netns", "del", name, check=False)


def vanish(far):
    """Whatever is sent there gets no answer from now on, not even that nobody is there."""
    device = ip("-n", far, "-o", "link", "show", "type", "veth").stdout.split(":")[1].split("@")[0].strip()
    ip("-n", far, "addr", "del", f"{THERE}/30", "dev", device)


def gate_for(gateway, **limits):
    listeners = [{"name": "pooled", "listen": ["127.0.0.1:0"], "mode": "transaction"},
                 {"name": "far", "listen": [f"{HERE}:0"], "mode": "transaction"}]
    return gateway(pool=1, workers=1, listeners=listeners, limits=limits, defaults={"query_wait_timeout": "60s"})


class Client:
    """A client over there that says these things; of a long answer it reads the beginning."""

    def __init__(self, gate, far, *statements):
        directory = os.path.dirname(os.path.abspath(__file__))
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", far, sys.executable, "-B", "-c", FAR, directory, HERE, str(gate.ports["far"]),
             *statements], stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        assert self.process.stdout.readline() == "there\n"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.mark.slow
def test_a_silent_client_is_noticed_by_keepalive_and_its_transaction_rolled_back(gateway, far):
    gate = gate_for(gateway, tcp_keepidle="1s", tcp_keepintvl="1s", tcp_keepcnt=2)
    with Client(gate, far, "begin", "update items set note = 'held' where id = 2"), gate.login() as other:
        vanish(far)
        began = time.monotonic()
        assert other.rows("update items set note = 'taken' where id = 2 returning id") == [["2"]]
        assert time.monotonic() - began < 30
        programs.eventually(lambda: "reason=client_lost" in gate.log() or
                            len(gate.console("SHOW CLIENTS")) == 2, 10)
        other.leave()


@pytest.mark.slow
def test_a_reader_that_vanishes_is_noticed_by_tcp_user_timeout(gateway, far):
    gate = gate_for(gateway, tcp_keepalive=False, tcp_user_timeout="2s")
    with Client(gate, far, "select repeat('x', 1000) from generate_series(1, 200000)"), gate.login() as other:
        vanish(far)
        began = time.monotonic()
        assert other.value("select 'served'") == "served"
        assert time.monotonic() - began < 40
        other.leave()


@pytest.mark.slow
def test_without_these_settings_nobody_notices_for_a_while(gateway, far):
    gate = gate_for(gateway)
    with Client(gate, far, "begin", "select 1"), gate.login() as other:
        vanish(far)
        other.send(b"Q\0\0\0\x0dselect 1\0")
        assert other.silent(3), "the server of the silent client was not expected to be free yet"
