# SPDX-License-Identifier: PostgreSQL
"""test_state_listen - LISTEN and NOTIFY work while no server is held, in PostgreSQL's order and transactions."""

import signal

import pytest

import messages as m
import programs
from cluster import Cluster
from rawpg import rows_of
from state_compare import KEPT, SHARED, runs

pytest_plugins = ("state_fixtures",)

SCRIPTS = {
    "an idle listener hears": r"""
        A: listen c1
        B: notify c1
        A: \hears 1
        B: notify c1, 'payload'
        A: \hears 1
        B: select pg_notify('c1', 'by function'), pg_notify('c2', 'to nobody')
        A: \hears 1
        B: \x select pg_notify($1, $2) <- c1, bound
        A: \hears 1
        B: \q notify c1, '1'; notify c1, '2'; notify c1, '3'
        A: \hears 3
        A: select 'and goes on'
    """,
    "several listeners, several channels": r"""
        A: listen c1
        A: listen c2
        B: listen c2
        C: listen "C 1"
        C: notify c2, 'for A and B'
        A: \hears 1
        B: \hears 1
        C: \q notify "C 1", 'for C'
        B: notify c1, 'for A'
        A: \hears 1
        B: notify "C 1", 'quoted'
        C: \hears 1
        C: notify C1, 'folded, for A'
        A: \hears 1
        A: unlisten c2
        C: notify c2, 'only for B'
        B: \hears 1
        C: notify c1, 'again for A'
        A: \hears 1
        A: \leave
        C: notify c2, 'still for B'
        B: \hears 1
    """,
    "a notification to oneself": r"""
        A: listen c1
        A: notify c1, 'self'
        A: \x notify c1, 'extended'
        A: \q notify c1, 'one'; select 1; notify c1, 'two'
        A: begin
        A: notify c1, 'in a transaction'
        A: select 'before'
        A: commit
        A: \x select 1 ;; \x notify c1, 'piped' ;; \x select 2 ;; \sync ;; \x select 3
        A: \q listen c2; notify c2, 'just listening'
        A: \q unlisten c2; notify c2, 'no more'
        A: unlisten *
        A: notify c1, 'silence'
    """,
    "transactions": r"""
        A: begin
        A: listen c1
        B: notify c1, 'too early'
        A: rollback
        B: notify c1, 'not listening'
        A: begin
        A: listen c1
        A: commit
        B: begin
        B: notify c1, 'undone'
        B: rollback
        B: begin
        B: notify c1, 'late'
        B: select 'meanwhile'
        A: select 'nothing came'
        B: commit
        A: \hears 1
        A: begin
        A: unlisten c1
        A: rollback
        B: notify c1, 'still'
        A: \hears 1
        A: begin
        A: savepoint s
        A: listen c2
        A: rollback to s
        A: commit
        B: \q notify c2, 'no'; notify c1, 'yes'
        A: \hears 1
        A: \q listen c3; select 1/0
        B: \q notify c3, 'no'; notify c1, 'yes'
        A: \hears 1
    """,
    "notifications wait for the end of a transaction": r"""
        A: listen c1
        A: begin
        B: notify c1, 'one'
        B: notify c1, 'two'
        A: select 'none yet'
        A: \listens 2 commit
        B: notify c1, 'three'
        A: \hears 1
    """,
    "duplicates within a transaction are one": r"""
        A: listen c1
        B: \q begin; notify c1, 'x'; notify c1, 'y'; notify c1, 'x'; notify c1; notify c1; commit
        A: \hears 3
        B: \q notify c1, 'x'; notify c1, 'x'
        A: \hears 1
    """,
    "payloads up to PostgreSQL's limit": r"""
        A: listen c1
        B: select pg_notify('c1', repeat('p', 7999))
        A: \hears 1
        B: select pg_notify('c1', repeat('p', 8000))
        B: select pg_notify('c1', 'é€😀')
        A: \hears 1
        B: select pg_notify('', 'x')
        B: select pg_notify(repeat('c', 64), 'x')
        B: select pg_notify(null, 'x')
        B: select pg_notify('c1', null)
        A: \hears 1
        A: listen cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
    """,
    "pg_listening_channels": r"""
        A: select * from pg_listening_channels()
        A: listen c1
        B: listen c2
        A: select * from pg_listening_channels()
        B: select * from pg_listening_channels()
        A: listen "Other"
        A: listen c1
        A: select count(*), string_agg(c, ', ' order by c) from pg_listening_channels() c
        A: unlisten c1
        A: select * from pg_listening_channels()
        A: begin
        A: listen c3
        A: select * from pg_listening_channels()
        A: commit
        A: select count(*) from pg_listening_channels()
        A: unlisten *
        A: select * from pg_listening_channels()
        B: discard all
        B: select * from pg_listening_channels()
        A: unlisten never
    """,
    "DISCARD ALL and leaving end it": r"""
        A: listen c1
        B: listen c1
        A: discard all
        C: notify c1, 'for B'
        B: \hears 1
        A: select 'nothing came'
        A: listen c1
        B: \kill
        C: notify c1, 'for A'
        A: \hears 1
        B: select 'a new one'
        C: notify c1, 'for A only'
        A: \hears 1
        B: select 'nothing came'
    """,
    "LISTEN by a prepared statement": r"""
        A: \parse l listen c1
        A: \run l
        B: notify c1, 'x'
        A: \hears 1
        A: \x unlisten c1
        A: \x begin ;; \run l ;; \x commit
        B: notify c1, 'y'
        A: \hears 1
        A: \x listen
        A: \x listen 5
    """,
    "LISTEN inside of a function": r"""
        A: select listen_dynamic('c1')
        B: select notify_dynamic('c1', 'from a function')
        A: \hears 1
        A: do $$ begin execute 'listen c2'; end $$
        B: do $$ begin notify c2, 'from a block'; end $$
        A: \hears 1
        A: select string_agg(c, ', ' order by c) from pg_listening_channels() c
        A: do $$ begin execute 'unlisten *'; end $$
        A: select count(*) from pg_listening_channels()
    """,
}


# Two clients are in transactions at once.
TWO = ["transactions", "notifications wait for the end of a transaction"]


@pytest.mark.parametrize("script, size, protocol", runs({name: text for name, text in SCRIPTS.items() if name not in TWO}, SHARED)
                         + runs({name: SCRIPTS[name] for name in TWO}, KEPT))
def test_notifications_are_those_of_a_connection_of_ones_own(stage, script, size, protocol):
    stage(size).compare(script, protocol, hostile=False)


def heard(client):
    return [tuple(m.strings(item.body[4:])) for item in client.until("A") if item.type == "A"]


def test_listeners_hold_no_server(stage):
    pool = stage(1).gateway
    listeners = [pool.login() for _ in range(5)]
    for client in listeners:
        client.query("listen crowd")
    with pool.login() as speaker:
        speaker.query("notify crowd, 'all of you'")
        assert [heard(client) for client in listeners] == [[("crowd", "all of you")]] * 5
        for client in listeners:
            assert client.value("select 1") == "1"
            client.leave()
        speaker.leave()


def test_notifications_come_in_order_and_none_is_lost(stage):
    pool = stage(2).gateway
    with pool.login() as one, pool.login() as other, pool.login() as speaker:
        for client in (one, other):
            client.query("listen numbered")
        for start in range(0, 200, 20):
            speaker.query("; ".join(f"notify numbered, '{n}'" for n in range(start, start + 20)))
        for client in (one, other):
            assert [heard(client)[0] for _ in range(200)] == [("numbered", str(n)) for n in range(200)]
            client.leave()
        speaker.leave()


def test_a_listener_survives_a_restart_of_the_server(gateway):
    cluster = Cluster("restart")
    try:
        cluster.start().prepare()
        pool = gateway(upstream=cluster.port, pool=2, workers=1)
        with pool.login() as client:
            client.query("listen after")
            cluster.stop(signal.SIGINT)
            cluster.start()

            def notified():
                cluster.sql("notify after, 'the restart'")
                return not client.silent(0.1)

            programs.eventually(notified, 20, what="a notification after the restart")
            assert ("after", "the restart") in heard(client)
            assert rows_of(client.query("select 1")) == [["1"]]
            client.leave()
    finally:
        cluster.destroy()
