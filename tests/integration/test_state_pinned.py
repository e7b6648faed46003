# SPDX-License-Identifier: PostgreSQL
"""test_state_pinned - state that only a server can keep stays with its client, and the server is free when it ends."""

import pytest

import programs
from rawpg import errors_of
from state_compare import KEPT, SHARED, runs
from state_objects import prepare_state

pytest_plugins = ("state_fixtures",)

TEMPORARY = {
    "temporary tables of one name": r"""
        A: create temp table mine as select 'of A' as t
        B: create temp table mine as select 'of B' as t
        A: table mine
        B: insert into mine values ('more')
        A: select count(*) from pg_temp.mine
        B: table mine
        A: drop table mine
        A: table mine
        B: table mine
    """,
    "kinds of temporary objects": r"""
        A: create temporary table t (id serial, a int)
        A: insert into t (a) values (1), (2) returning id
        A: create temp view v as select count(*) from t
        A: table v
        A: create temp sequence q start 5
        A: select nextval('q')
        A: create function pg_temp.f() returns text language sql as $$ select 'temporary' $$
        A: select pg_temp.f()
        A: create type pg_temp.pair as (a int, b int)
        A: select (row(1, 2)::pg_temp.pair).b
        A: select 'into' as a into temp u
        A: table u
        A: create table pg_temp.w as select 'w' as a
        A: table w
        A: create local temp table l (a int)
        A: table l
        A: discard temp
        A: table u
        A: select pg_temp.f()
    """,
    "temporary tables and transactions": r"""
        A: begin
        A: create temp table t (a int)
        A: rollback
        A: table t
        A: begin
        A: create temp table t (a int) on commit drop
        A: insert into t values (1)
        A: commit
        A: table t
        A: create temp table r (a int) on commit delete rows
        A: begin
        A: insert into r values (1)
        A: select count(*) from r
        A: commit
        A: select count(*) from r
        A: create temp table p (a int)
        A: begin
        A: drop table p
        A: rollback
        A: table p
        A: begin
        A: savepoint s
        A: create temp table s (a int)
        A: rollback to s
        A: create temp table s2 (a int)
        A: commit
        A: table s
        A: table s2
    """,
    "a temporary table hides another": r"""
        A: set search_path = here
        A: create temp table place as select 'temporary' as name
        A: select name from place
        B: set search_path = here
        B: select name from place
        A: \parse s1 select name from place
        A: \run s1
        A: drop table place
        A: \run s1
        B: \parse s1 select name from place ;; \run s1
    """,
    "prepared transactions and temporary objects": r"""
        A: create temp table t (a int)
        A: begin
        A: insert into t values (1)
        A: prepare transaction 'with temp'
        A: rollback
        A: rollback prepared 'with temp'
    """,
}

LOCKS = {
    "session advisory locks": r"""
        A: select pg_advisory_lock(4001)
        B: select pg_try_advisory_lock(4001)
        A: select pg_advisory_lock(4001)
        A: select pg_advisory_unlock(4001)
        B: select pg_try_advisory_lock(4001)
        A: select pg_advisory_unlock(4001)
        B: select pg_try_advisory_lock(4001)
        A: select pg_try_advisory_lock(4001)
        A: select pg_advisory_unlock(4001)
        B: select pg_advisory_unlock(4001)
        A: select pg_advisory_lock(4002, 1), pg_advisory_lock_shared(4003)
        B: select pg_try_advisory_lock_shared(4003), pg_try_advisory_lock(4003)
        A: select pg_advisory_unlock_all()
        B: select pg_try_advisory_lock(4002, 1), pg_advisory_unlock_shared(4003)
        B: select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
        B: discard all
        A: select pg_try_advisory_lock(4002, 1)
    """,
    "advisory locks and transactions": r"""
        A: begin
        A: select pg_advisory_lock(4004)
        A: rollback
        B: select pg_try_advisory_lock(4004)
        A: select pg_advisory_unlock(4004)
        B: select pg_try_advisory_lock(4004)
        A: begin
        A: select pg_advisory_xact_lock(4005)
        B: select pg_try_advisory_lock(4005)
        A: commit
        B: select pg_try_advisory_lock(4005)
        B: select pg_advisory_unlock(4005)
        A: select pg_advisory_lock(4006), 1/0
        B: select pg_try_advisory_lock(4006)
        A: select pg_advisory_unlock(4006)
    """,
    "a client that vanishes strands no lock": r"""
        A: select pg_advisory_lock(4007)
        A: \kill
        S: \until select count(*) = 0 from pg_locks where locktype = 'advisory' and objid = 4007
        B: select pg_try_advisory_lock(4007)
        B: \leave
        S: \until select count(*) = 0 from pg_locks where locktype = 'advisory' and objid = 4007
        A: select pg_try_advisory_lock(4007)
        A: \leave
        B: begin
        B: select pg_advisory_lock(4008)
        B: \kill
        S: \until select count(*) = 0 from pg_locks where locktype = 'advisory' and objid in (4007, 4008)
        A: select pg_try_advisory_lock(4008)
    """,
}

CURSORS = {
    "cursors WITH HOLD": r"""
        A: begin
        A: declare h scroll cursor with hold for select n from generate_series(1, 9) n
        A: fetch 2 from h
        A: commit
        B: begin
        B: declare h cursor with hold for select 'of B ' || n from generate_series(1, 9) n
        B: commit
        A: fetch 2 from h
        B: fetch 1 from h
        A: fetch backward 1 from h
        A: move last in h
        A: fetch prior from h
        A: declare second cursor with hold for select 'outside of a transaction'
        A: fetch all from second
        A: select name, is_holdable from pg_cursors order by 1
        B: select name from pg_cursors order by 1
        A: close h
        A: fetch 1 from h
        A: close all
        A: fetch 1 from second
        B: fetch 1 from h
    """,
    "holdable cursors that did not come to be": r"""
        A: begin
        A: declare h cursor with hold for select 1
        A: rollback
        A: fetch 1 from h
        A: begin
        A: declare h cursor with hold for select 1/(n - 2) from generate_series(1, 3) n
        A: commit
        A: fetch 1 from h
        A: declare h cursor for select 1
        A: \q declare h cursor with hold for select generate_series(1, 3); fetch 1 from h
        A: fetch 1 from h
        A: close h
    """,
}

SEQUENCES = {
    "currval and lastval": r"""
        S: alter sequence numbers restart 100
        A: select currval('numbers')
        A: select lastval()
        A: select nextval('numbers')
        B: select nextval('numbers')
        A: select currval('numbers'), lastval()
        B: select currval('numbers'), lastval()
        A: select setval('numbers', 500)
        B: select currval('numbers')
        A: select currval('numbers')
        A: insert into serials (body) values ('x')
        A: select lastval() = currval('serials_id_seq')
        B: select lastval()
        B: discard sequences
        B: select currval('numbers')
        A: select currval('numbers')
        A: discard all
        A: select lastval()
        B: select lastval()
        clean: truncate serials restart identity
    """,
    "nobody hears what others drew": r"""
        S: alter sequence numbers restart 300
        B: select nextval('numbers')
        B: insert into serials (body) values ('of B')
        A: begin
        A: select lastval()
        A: rollback
        A: begin
        A: \x select 1 ;; \x select lastval() ;; \x select 1
        A: rollback
        A: \parse ask select currval('numbers')
        A: \run ask
        A: \x insert into serials (body) values ('of A') ;; \x select lastval() = currval('serials_id_seq')
        A: begin ;; insert into serials (body) values ('of A') ;; select lastval() = currval('serials_id_seq') ;; commit
        A: \run ask
        B: \run ask
        B: select currval('numbers')
        A: discard sequences
        A: select lastval()
        clean: truncate serials restart identity
    """,
    "sequence state in and after transactions": r"""
        S: alter sequence numbers restart 200
        A: begin
        A: select nextval('numbers')
        A: select currval('numbers')
        A: rollback
        B: select nextval('numbers')
        A: select currval('numbers')
        A: select next_number()
        B: select nextval('numbers')
        A: select currval('numbers')
        A: \q select nextval('numbers'); select 1/0
        A: select lastval()
    """,
}

OTHERS = {
    "setseed": r"""
        A: select setseed(0.5)
        B: select setseed(0.25)
        A: select random()
        B: select random()
        A: select random()
        A: begin
        A: select random()
        A: rollback
        B: select random()
        A: select random()
        A: select set_config('seed', '0.75', false)
        B: set seed = 0.1
        A: select random()
        B: select random()
    """,
    "LOAD": r"""
        A: \login postgres
        B: \login postgres
        A: set plpgsql.rubbish = 'before'
        A: load 'plpgsql'
        A: show plpgsql.extra_warnings
        A: set plpgsql.rubbish = 'after'
        B: set plpgsql.other = 'not loaded here'
        A: show plpgsql.other
        B: show plpgsql.other
        A: load 'no such library'
    """,
    "two-phase transactions need no server": r"""
        A: begin
        A: insert into marks values (-7, 1, 'two-phase')
        A: prepare transaction 'state one'
        B: select count(*) from marks where client = -7
        B: commit prepared 'state one'
        A: select count(*) from marks where client = -7
        A: rollback prepared 'state one'
        clean: rollback prepared 'state one'
        clean: delete from marks where client = -7
    """,
    "large objects": r"""
        A: select lo_create(70001)
        A: begin
        A: select lo_open(70001, 393216)
        A: select lowrite(0, 'written')
        A: select lo_lseek(0, 0, 0)
        B: select count(*) from pg_largeobject_metadata where oid = 70001
        A: select loread(0, 100)
        A: commit
        A: select loread(0, 100)
        B: select lo_get(70001)
        A: select lo_unlink(70001)
        clean: select lo_unlink(70001)
    """,
    "backup mode": r"""
        A: \login postgres
        B: \login postgres
        A: select pg_backup_start('one', true) is not null
        B: select pg_backup_stop(false)
        B: select pg_backup_start('two', true) is not null
        A: select pg_backup_start('again', true)
        A: select count(*) from pg_backup_stop(false)
        A: select count(*) from pg_backup_stop(false)
        B: select count(*) from pg_backup_stop(false)
    """,
    "exported snapshots": r"""
        A: begin isolation level repeatable read
        A: \keep snap select pg_export_snapshot()
        B: insert into marks values (-8, 1, 'later')
        B: begin isolation level repeatable read
        B: set transaction snapshot ':snap'
        B: select count(*) from marks where client = -8
        A: commit
        B: select count(*) from marks where client = -8
        B: commit
        B: begin isolation level repeatable read
        B: set transaction snapshot 'rubbish'
        B: rollback
        B: select count(*) from marks where client = -8
        clean: delete from marks where client = -8
    """,
    "temporary replication slots": r"""
        A: select slot_name from pg_create_physical_replication_slot('state_a', true, true)
        B: select slot_name, temporary, active from pg_replication_slots where slot_name like 'state%'
        B: select slot_name from pg_create_physical_replication_slot('state_a', true, true)
        A: select slot_name, active_pid = pg_backend_pid() from pg_replication_slots where slot_name like 'state%'
        A: select pg_drop_replication_slot('state_a')
        B: select slot_name from pg_create_physical_replication_slot('state_a', true, true)
        B: \leave
        S: \until select count(*) = 0 from pg_replication_slots where slot_name like 'state%'
        A: select count(*) from pg_create_logical_replication_slot('state_l', 'pgoutput', true)
        A: \kill
        S: \until select count(*) = 0 from pg_replication_slots where slot_name like 'state%'
    """,
    "dblink": r"""
        A: select dblink_connect_u('one', 'host=127.0.0.1 port=%PORT% user=app dbname=app')
        B: select dblink_get_connections()
        A: select * from dblink('one', 'select 42') as t(a int)
        B: select * from dblink('one', 'select 42') as t(a int)
        A: select dblink_get_connections()
        A: select dblink_disconnect('one')
        A: select dblink_get_connections()
    """,
    "counts of one's own": r"""
        A: create table public.counted (a int)
        A: select pg_stat_force_next_flush()
        A: insert into counted values (1)
        B: begin
        B: select 'takes a server'
        A: insert into counted values (2)
        A: select pg_stat_force_next_flush()
        A: select n_tup_ins from pg_stat_user_tables where relname = 'counted'
        B: rollback
        clean: drop table if exists public.counted
    """,
    "the backend's pid while it is kept": r"""
        A: create temp table t as select pg_backend_pid() as pid
        B: select pg_backend_pid() > 0
        A: select pid = pg_backend_pid() from t
        B: select 'x'
        A: select pid = pg_backend_pid() from t
        A: drop table t
    """,
}

# With one server; B can only speak when A keeps none.
UNPINNED = {
    "temporary objects": r"""
        A: create temp table mine (a int)
        A: select count(*) from mine
        A: drop table mine
        B: select 'free again'
        A: create temp table mine (a int)
        A: discard temp
        B: select 'free again'
        A: begin
        A: create temp table mine (a int) on commit drop
        A: insert into mine values (1)
        A: commit
        B: select 'free again'
        A: begin
        A: create temp table mine (a int)
        A: rollback
        B: select 'free again'
        A: create temp view v as select 1
        A: create temp sequence q
        A: create function pg_temp.f() returns int language sql as 'select 1'
        A: \q drop view v; drop sequence q; drop function pg_temp.f()
        B: select 'free again'
        A: create temp table mine (a int)
        A: discard all
        B: select 'free again'
        A: select 1 as a into temp mine
        A: \leave
        B: select 'free again'
        B: select to_regclass('mine')
        A: create temp table mine (a int)
        A: \kill
        B: select 'free again'
        B: create temp table mine (a int)
        B: drop table mine
        A: table mine
    """,
    "advisory locks": r"""
        A: select pg_advisory_lock(4010)
        A: select pg_advisory_unlock(4010)
        B: select pg_try_advisory_lock(4010)
        B: select pg_advisory_unlock_all()
        A: select pg_advisory_lock(4010), pg_advisory_lock(4011, 1)
        A: select pg_advisory_unlock(4010)
        A: select pg_advisory_unlock(4011, 1)
        B: select 'free again'
        A: begin
        A: select pg_advisory_xact_lock(4012)
        A: commit
        B: select 'free again'
        A: select pg_try_advisory_lock(4010)
        A: \kill
        S: \until select count(*) = 0 from pg_locks where locktype = 'advisory'
        B: select pg_try_advisory_lock(4010)
        B: discard all
        A: select 'free again'
    """,
    "holdable cursors": r"""
        A: begin
        A: declare h cursor with hold for select 1
        A: commit
        A: fetch 1 from h
        A: close h
        B: select 'free again'
        A: declare h cursor with hold for select 1
        A: close all
        B: select 'free again'
        A: begin
        A: declare h cursor for select 1
        A: commit
        B: select 'free again'
        A: begin
        A: declare h cursor with hold for select 1
        A: rollback
        B: select 'free again'
        A: declare h cursor with hold for select 1
        A: \leave
        B: fetch 1 from h
    """,
    "what keeps no server": r"""
        A: select nextval('numbers') > 0
        B: select 'free'
        A: insert into serials (body) values ('x')
        B: select 'free'
        A: notify c9, 'x'
        B: select 'free'
        A: set work_mem = '5MB'
        B: select 'free'
        A: listen c9
        B: select 'free'
        A: select lo_create(70002)
        B: select lo_unlink(70002)
        A: do $$ begin perform 1; end $$
        B: select 'free'
        A: select count(*) from pg_locks where locktype = 'advisory'
        B: select 'free'
        A: create table public.not_temporary (temp int)
        B: drop table public.not_temporary
        A: select 'create temp table x (a int); listen c; prepare p as select 1' as text
        B: select 'free'
        A: select pg_advisory_xact_lock(4013)
        B: select 'free'
        A: create temp table x (a int) on commit drop
        B: select 'free'
        A: select no_such_function(pg_advisory_lock(1))
        B: select 'free'
        A: create temp table pg_catalog.never (a int)
        B: select 'free'
        A: discard all
        B: select 'free'
        clean: truncate serials restart identity
        clean: drop table if exists public.not_temporary
    """,
    "backup mode and slots": r"""
        A: \login postgres
        B: \login postgres
        A: select pg_backup_start('one', true) is not null
        A: select count(*) from pg_backup_stop(false)
        B: select 'free again'
        A: select slot_name from pg_create_physical_replication_slot('state_a', true, true)
        A: select pg_drop_replication_slot('state_a')
        B: select 'free again'
        A: select pg_backup_start('one', true) is not null
        A: \kill
        B: select pg_backup_stop(false)
    """,
}


@pytest.mark.parametrize("script, size, protocol", runs(TEMPORARY | LOCKS | CURSORS | SEQUENCES | OTHERS, KEPT))
def test_what_only_a_server_keeps_is_that_of_a_connection_of_ones_own(stage, script, size, protocol):
    stage(size).compare(script, protocol)


@pytest.mark.parametrize("script, size, protocol", runs(UNPINNED, SHARED))
def test_a_server_is_free_when_the_state_ends(stage, script, size, protocol):
    stage(size).compare(script, protocol)


# Name: what pins, and the words of its reason in SHOW CLIENTS.
KEEPERS = {
    "temporary objects": ["create temp table kept (a int)"], "advisory locks": ["select pg_advisory_lock(4020)"],
    "a prepared statement": ["prepare kept as select 1"], "two kinds": ["create temp table kept (a int)",
                                                                        "select pg_advisory_lock(4021)"],
    "a holdable cursor": ["begin", "declare kept cursor with hold for select 1", "commit"],
}


@pytest.mark.parametrize("name", KEEPERS)
def test_a_client_that_vanishes_in_any_state_leaves_nothing(stage, name):
    one = stage(2)
    for way in ("leave", "reset"):
        client = one.gateway.login()
        for statement in KEEPERS[name]:
            assert not errors_of(client.query(statement))
        getattr(client, way)()
        programs.eventually(lambda: one.postgres.value("select count(*) = 0 from pg_locks where locktype = 'advisory'"),
                            10, what="the end of all advisory locks")
        one.look_fresh()


@pytest.mark.parametrize("question", ["select lastval()", "select currval('numbers')"])
def test_the_first_question_for_a_sequence_of_all_tells_nobody_elses_value(gateway, postgres, question):
    prepare_state(postgres)
    pool = gateway(pool=1, workers=1)
    pool.wait_until_known()
    with pool.login() as drawer, pool.login() as client:
        for _ in range(2):
            drawer.rows("select nextval('numbers')")
        client.rows("begin")
        assert [error["C"] for error in errors_of(client.query(question))] == ["55000"]
        client.rows("rollback")
        client.leave()
        drawer.leave()
