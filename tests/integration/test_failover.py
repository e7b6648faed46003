# SPDX-License-Identifier: PostgreSQL
"""test_failover - several hosts: sessions go where their route wants, and follow the primary when it moves."""

import os
import signal
import time
from pathlib import Path

import pytest

import messages as m
import programs
from rawpg import Closed
from replicas import Replicas, Writers, caught_up, crash, follow, known, settings

ROUTES = [{"name": "reads", "match": {"user": "bob"}, "mode": "transaction", "target": "standby"},
          {"name": "near", "match": {"user": "dumper"}, "mode": "transaction", "target": "prefer-standby",
           "max_lag": "3s"}]
IN_RECOVERY = "select pg_is_in_recovery()"


@pytest.fixture
def replicas():
    opened = []

    def make(**options):
        opened.append(Replicas(**options))
        return opened[-1]

    yield make
    for one in opened:
        one.destroy()


def report(name, capsys, writers, since):
    errors = [(round(at - since, 3), state, text.split("\n")[0]) for at, state, text in writers.errors]
    with capsys.disabled():
        print(f"\n  {name}: commits={len(writers.acknowledged)} client errors={len(errors)} "
              f"longest pause={writers.longest_pause:.3f} s {errors[:3] if errors else ''}", flush=True)


def test_routes_go_to_the_hosts_that_they_want(gateway, replicas):
    pair = replicas(standbys=2)
    pool = gateway(pool=4, routes=ROUTES, **settings(pair))
    for host, role in zip(pair.hosts, ("primary", "standby", "standby")):
        known(pool, host, role)
    with pool.connect() as app, pool.connect(user="bob") as reader, pool.connect("direct") as direct:
        assert app.execute(IN_RECOVERY).fetchone()[0] is False
        assert reader.execute(IN_RECOVERY).fetchone()[0] is True
        assert direct.execute(IN_RECOVERY).fetchone()[0] is False
    clients = [pool.connect(user="bob") for _ in range(4)]
    for client in clients:
        client.execute("begin")
    ports = sorted(client.execute("select inet_server_port()").fetchone()[0] for client in clients)
    assert ports == sorted([pair.hosts[1].port, pair.hosts[2].port] * 2), "the load is spread"
    for client in clients:
        client.close()


def test_a_standby_that_is_behind_serves_nobody_who_minds(gateway, replicas):
    pair = replicas()
    primary, standby = pair.hosts
    pool = gateway(pool=2, routes=ROUTES, **settings(pair))
    known(pool, standby, "standby")
    with pool.connect(user="dumper") as reader, primary.connect(user="app") as writer:
        assert reader.execute(IN_RECOVERY).fetchone()[0] is True
        standby.sql("select pg_wal_replay_pause()")
        writer.execute("insert into marks values (0, 0, 'ahead')")

        def moved():
            writer.execute("insert into marks values (0, 0, 'ahead')")
            return reader.execute(IN_RECOVERY).fetchone()[0] is False

        programs.eventually(moved, 30, 0.2, what="reads going to the primary")
        standby.sql("select pg_wal_replay_resume()")
        programs.eventually(lambda: reader.execute(IN_RECOVERY).fetchone()[0], 30, 0.2, what="reads coming back")


def test_clients_follow_a_primary_that_was_killed(gateway, replicas, capsys):
    pair = replicas()
    primary, standby = pair.hosts
    pool = gateway(pool=8, **settings(pair))
    known(pool, standby, "standby")
    with Writers(pool) as writers:
        caught_up(primary, standby)
        start = time.monotonic()
        crash(primary)
        known(pool, primary, "down")
        standby.sql("select pg_promote(true)")
        promoted = time.monotonic()
        writers.after(40)
        assert writers.last_commit > promoted
    report(f"kill -9 of the primary, promoted after {promoted - start:.3f} s", capsys, writers, start)
    assert {state for _, state, _ in writers.errors} <= {"57P01", "57P02", "08006", None}
    first_after = writers.longest_pause - (promoted - start)
    assert first_after < 5, f"{first_after:.1f} s after the promotion"
    assert len(writers.errors) <= 8, writers.errors


def switch_over(primary, standby):
    primary.stop(signal.SIGINT)
    standby.sql("select pg_promote(true)")
    follow(primary, standby)
    primary.start()


def test_a_switch_over_between_pause_and_resume_shows_nobody_an_error(gateway, replicas, capsys):
    pair = replicas()
    primary, standby = pair.hosts
    pool = gateway(pool=4, **settings(pair))
    known(pool, standby, "standby")
    with Writers(pool, count=16) as writers:
        start = time.monotonic()
        pool.console("PAUSE")
        switch_over(primary, standby)
        pool.console("RESUME")
        resumed = time.monotonic()
        writers.after(100)
    report(f"switch-over between PAUSE and RESUME, {resumed - start:.3f} s", capsys, writers, start)
    assert not writers.errors
    writers.verify(standby)


def test_a_switch_over_hurts_only_what_postgresql_was_doing(gateway, replicas, capsys):
    pair = replicas()
    primary, standby = pair.hosts
    pool = gateway(pool=4, **settings(pair))
    known(pool, standby, "standby")
    with Writers(pool, count=16) as writers:
        start = time.monotonic()
        switch_over(primary, standby)
        done = time.monotonic()
        writers.after(100)
        known(pool, primary, "standby")
    report(f"switch-over, done after {done - start:.3f} s", capsys, writers, start)
    assert {state for _, state, _ in writers.errors} <= {"57P01", None}, writers.errors
    assert len(writers.errors) <= 4, "one for each server connection at most"
    writers.verify(standby)


def test_of_two_primaries_the_newer_one_is_served(gateway, replicas):
    pair = replicas()
    old, new = pair.hosts
    pool = gateway(pool=2, **settings(pair))
    known(pool, old, "primary")
    with pool.connect() as client:
        client.execute("begin")
        assert client.execute("select inet_server_port()").fetchone()[0] == old.port
        new.sql("select pg_promote(true)")
        known(pool, new, "primary")
        known(pool, old, "stale")
        assert client.execute("select inet_server_port()").fetchone()[0] == old.port, "busy until its transaction ends"
        client.execute("commit")
        assert client.execute("select inet_server_port()").fetchone()[0] == new.port
    assert "takes writes on timeline 1, but the primary is on timeline 2" in pool.log()


def frozen(cluster):
    """The machine is there but does nothing any more; ends with the number of processes that were stopped."""
    own = cluster.process.pid
    pids = [own] + [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat")
                    if path.read_text().rsplit(")", 1)[1].split()[1] == str(own)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


def test_who_hangs_at_a_primary_that_stands_still_is_told_when_another_one_is_there(gateway, replicas):
    pair = replicas()
    old, new = pair.hosts
    pool = gateway(pool=2, **settings(pair))
    known(pool, new, "standby")
    with pool.login() as busy, pool.login() as idle:
        idle.query("select 1")
        busy.query("begin")
        pids = frozen(old)
        try:
            busy.send(m.query("select 1"))
            known(pool, old, "down")
            new.sql("select pg_promote(true)")
            with pytest.raises(Closed):
                while True:
                    found = busy.read()
            assert m.fields(found.body)["C"] == "08006"
            assert idle.value("select inet_server_port()") == str(new.port)
            idle.leave()
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


def test_a_direct_session_waits_for_a_primary(gateway, replicas):
    pair = replicas()
    old, new = pair.hosts
    pool = gateway(pool=2, **settings(pair))
    known(pool, new, "standby")
    crash(old)
    known(pool, old, "down")
    with pool.raw("direct") as client:
        client.send(m.startup("app", "app"))
        assert client.silent(0.5)
        new.sql("select pg_promote(true)")
        client.finish_login()
        assert client.value("select inet_server_port()") == str(new.port)


def test_logins_find_the_primary_where_nobody_may_ask(gateway, replicas):
    pair = replicas()
    old, new = pair.hosts
    hosts = [f"127.0.0.1:{new.port}", f"127.0.0.1:{old.port}"]
    pool = gateway(pool=2, hosts=hosts, auth_type="relay", defaults={"server_login_retry": "200ms"})
    with pool.connect() as client:
        assert client.execute("select inet_server_port()").fetchone()[0] == old.port
        programs.eventually(lambda: all(row["state"] != "active" for row in pool.console("SHOW SERVERS")), 10,
                            what="an answer to what the client left in its server")
        crash(old)
        new.sql("select pg_promote(true)")
        with pool.connect() as second:
            assert second.execute("select inet_server_port()").fetchone()[0] == new.port
        assert client.execute("select inet_server_port()").fetchone()[0] == new.port
