# SPDX-License-Identifier: PostgreSQL
"""test_ledger - clients write numbered rows and remember what was acknowledged while everything around them falls over:
each acknowledged row is there exactly once, every other one at most once. SOAK_SECONDS makes it longer."""

import os
import random
import signal
import time

import psycopg
import pytest

import programs
from cluster import Cluster
from replicas import Writers, crash
from takeovers import ended, take_over

CLIENTS, SECONDS = 64, float(os.environ.get("SOAK_SECONDS", 12))
# What a client may read whose transaction was on a server that ended, and nothing else.
EXPECTED = {"57P01", "57P02", "08006", None}
SETTINGS = {"max_connections": 60, "fsync": "off", "synchronous_commit": "on", "restart_after_crash": "on"}


class Postgres(Cluster):
    def start_again(self):
        """As soon as what is left of the one before is gone."""
        for _ in range(100):
            try:
                return self.start()
            except AssertionError:
                if self.process.poll() is None:
                    raise
                time.sleep(0.1)
        raise AssertionError("PostgreSQL does not start: " + self.log()[-1000:])

    def terminate(self, share):
        self.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app' and random() < {share}")

    def kill_backend(self):
        pids = [row["pid"] for row in self.backends("usename = 'app'")]
        if pids:
            os.kill(random.choice(pids), signal.SIGKILL)


def restart(number):
    def act(postgres, _):
        postgres.stop(number)
        postgres.start_again()
    return act


def kill_postmaster(postgres, _):
    crash(postgres)
    postgres.start_again()


def stand_still(postgres, _):
    os.kill(postgres.process.pid, signal.SIGSTOP)
    time.sleep(0.7)
    os.kill(postgres.process.pid, signal.SIGCONT)


class Scene:
    """Two gateways in front of one PostgreSQL: one that is reloaded and taken over, and its peer, which is killed."""

    def __init__(self, make):
        self.make, self.pool, self.peer, self.before = make, make(), make(), []

    def take_over(self):
        self.before.append(take_over(self.pool))

    def kill_peer(self):
        self.peer.kill()
        self.peer = self.make()
        self.peers_writers.port = self.peer.pooled

    def end(self):
        for old in self.before:
            ended(old)


ACTS = {
    "backends terminated": lambda postgres, _: postgres.terminate(0.5),
    "all backends terminated": lambda postgres, _: postgres.terminate(1),
    "a backend killed": lambda postgres, _: postgres.kill_backend(),
    "fast restart": restart(signal.SIGINT), "immediate restart": restart(signal.SIGQUIT),
    "postmaster killed": kill_postmaster, "postmaster stopped": stand_still,
    "pgsluice reloaded": lambda _, scene: scene.pool.reload(scene.pool.config),
    "pgsluice taken over": lambda _, scene: scene.take_over(),
    "its peer killed": lambda _, scene: scene.kill_peer(),
}


@pytest.fixture
def postgres_to_break():
    cluster = Postgres("ledger", settings=SETTINGS)
    try:
        yield cluster.start().prepare()
    finally:
        cluster.destroy()


@pytest.mark.slow
def test_every_acknowledged_row_is_there_once(gateway, postgres_to_break, capsys):
    postgres = postgres_to_break
    scene = Scene(lambda: gateway(upstream=postgres.port, pool=12, workers=2, limits={"takeover_timeout": "10s"},
                                  auth={"auth_user": "postgres", "auth_dbname": "postgres"},
                                  defaults={"query_wait_timeout": "120s"}))
    done = dict.fromkeys(ACTS, 0)
    with (Writers(scene.pool, count=CLIENTS, pause=0.02) as writers,
          Writers(scene.peer, count=8, pause=0.02) as scene.peers_writers):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or not all(done.values()):
            names = [name for name in ACTS if not done[name]] or list(ACTS)
            name = random.choice(names)
            try:
                ACTS[name](postgres, scene)
            except psycopg.OperationalError:
                pass
            done[name] += 1
            writers.after(CLIENTS)
    scene.end()
    written = writers.verify(postgres) + scene.peers_writers.verify(postgres)
    states = {}
    for _, state, text in writers.errors:
        states.setdefault(state or text.split("\n")[0][:60], []).append(text)
    again = next(row["value"] for row in scene.pool.console("SHOW COUNTERS") if row["name"] == "transactions_again")
    with capsys.disabled():
        print(f"\n  ledger: {written} rows acknowledged, {len(writers.errors)} sessions ended "
              f"{ {key: len(value) for key, value in states.items()} }, {again} transactions begun again, "
              f"longest pause {writers.longest_pause:.2f} s, {done}", flush=True)
    assert {state for _, state, _ in writers.errors} <= EXPECTED, states
