# SPDX-License-Identifier: PostgreSQL
"""test_patroni - a Patroni cluster under load: switch-overs and the death of the leader, measured."""

import time

import pytest

import programs
from patroni_cluster import Patroni
from replicas import Writers, known


@pytest.fixture(scope="module")
def patroni():
    cluster = Patroni()
    try:
        yield cluster.start()
    finally:
        cluster.destroy()


def options(patroni):
    return {"upstreams": [{"name": "main", "hosts": [f"127.0.0.1:{node.port}" for node in patroni.nodes],
                           "patroni": [f"http://127.0.0.1:{node.api}" for node in patroni.nodes]}],
            "auth": {"auth_user": "postgres", "auth_dbname": "postgres"}}


def word_is(pool, node, word):
    return any(row["port"] == node.port and row["patroni"] == word for row in pool.console("SHOW HOSTS"))


def report(name, capsys, writers, since):
    errors = [(round(at - since, 3), state, text.split("\n")[0]) for at, state, text in writers.errors]
    with capsys.disabled():
        print(f"\n  {name}: commits={len(writers.acknowledged)} client errors={len(errors)} "
              f"longest pause={writers.longest_pause:.3f} s {errors[:3] if errors else ''}", flush=True)


def test_the_leader_is_known(gateway, patroni):
    pool = gateway(upstream=0, pool=4, **options(patroni))
    leader = patroni.leader()
    known(pool, leader, "primary")
    programs.eventually(lambda: word_is(pool, leader, "leader"), 10, what="Patroni's word in SHOW HOSTS")
    for node in patroni.nodes:
        if node is not leader:
            known(pool, node, "standby")
            assert word_is(pool, node, "member")


def test_a_switch_over_under_load(gateway, patroni, capsys):
    pool = gateway(upstream=0, pool=4, **options(patroni))
    known(pool, patroni.leader(), "primary")
    with Writers(pool, count=16, pause=0.02) as writers:
        start = time.monotonic()
        leader = patroni.switch_over()
        writers.after(64)
        known(pool, leader, "primary")
    report(f"Patroni switch-over, done after {time.monotonic() - start:.1f} s", capsys, writers, start)
    assert {state for _, state, _ in writers.errors} <= {"57P01", None}, writers.errors[:5]
    assert len(writers.errors) <= 4, "at most the transactions that were in PostgreSQL when it shut down"
    writers.verify(leader)
    patroni.wait_for_followers()


def test_a_switch_over_between_pause_and_resume_shows_nobody_an_error(gateway, patroni, capsys):
    pool = gateway(upstream=0, pool=4, **options(patroni))
    known(pool, patroni.leader(), "primary")
    with Writers(pool, count=16) as writers:
        start = time.monotonic()
        pool.console("PAUSE")
        leader = patroni.switch_over()
        pool.console("RESUME")
        writers.after(64)
    report(f"Patroni switch-over between PAUSE and RESUME, {time.monotonic() - start:.1f} s", capsys, writers, start)
    assert not writers.errors
    writers.verify(leader)
    patroni.wait_for_followers()


def test_the_death_of_the_leader_under_load(gateway, patroni, capsys):
    pool = gateway(upstream=0, pool=4, **options(patroni))
    leader = patroni.leader()
    known(pool, leader, "primary")
    with Writers(pool, count=16, pause=0.02) as writers:
        start = time.monotonic()
        leader.kill()
        new = programs.eventually(lambda: (found := patroni.leader()) is not leader and found, 120, 0.05,
                                  what="another leader")
        promoted = time.monotonic()
        writers.after(64)
        first = writers.last_commit
    report(f"kill -9 of leader and Patroni, another leader after {promoted - start:.1f} s", capsys, writers, start)
    assert first > start and writers.longest_pause < promoted - start + 5
    assert {state for _, state, _ in writers.errors} <= {"57P01", "57P02", "08006", None}, writers.errors[:5]
    assert len(writers.errors) <= 4
    assert new.value("select count(*) > 0 from marks")
    leader.start()
    patroni.wait_for_followers()
