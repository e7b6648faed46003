# SPDX-License-Identifier: PostgreSQL
"""test_state_functions - session state changed where no reader of SQL sees it: functions, triggers, defaults, views."""

import pytest

from state_compare import KEPT, SHARED, runs

pytest_plugins = ("state_fixtures",)

SETTINGS = {
    "settings by functions in SQL and PL/pgSQL": r"""
        A: select set_sql('app.tenant_id', '1')
        A: select count(*), min(body) from tenants
        A: select set_plpgsql('work_mem', '6MB')
        A: show work_mem
        A: select set_dynamic('datestyle', 'German')
        A: select '2020-02-03'::date
        A: select set_computed('who', 'computed')
        A: show app.who
        A: select set_outer('app.last', 'outer')
        A: show app.last
        A: select set_dynamic('search_path', 'there')
        A: show search_path
        A: \x select public.set_sql($1, $2) <- app.who, bound
        A: show app.who
        A: select * from public.set_sql('app.who', 'from')
        A: show app.who
        A: select public.reset_dynamic()
        A: select coalesce(current_setting('app.who', true), '')
        A: show search_path
    """,
    "functions that undo or fail": r"""
        A: select set_caught('work_mem', '6MB')
        A: show work_mem
        A: select set_own('own')
        A: show app.who
        A: show work_mem
        A: begin
        A: select set_plpgsql('work_mem', '7MB')
        A: rollback
        A: show work_mem
        A: select set_plpgsql('work_mem', '8MB'), 1/0
        A: show work_mem
        A: select set_plpgsql('work_mem', 'rubbish')
        A: show work_mem
        A: select set_dynamic('no_such_setting', '1')
        A: \q select set_plpgsql('work_mem', '9MB'); select 1/0
        A: show work_mem
    """,
    "roles by functions": r"""
        A: select set_role_dynamic('state_a')
        A: select current_user
        A: select body from public.role_rows
        A: reset role
        A: call set_role_procedure('state_b')
        A: select current_user
        A: discard all
        A: select current_user
    """,
    "DO blocks": r"""
        A: do $$ begin perform set_config('app.tenant_id', '2', false); end $$
        A: select min(body) from tenants
        A: do $$ begin execute 'set work_mem = ''6MB'''; end $$
        A: show work_mem
        A: do $$ begin set search_path = there; end $$
        A: select name from place
        A: do $x$ begin execute 'set ' || 'app.' || 'who' || ' = ' || quote_literal('built'); end $x$
        A: show app.who
        A: do language plpgsql 'begin reset all; end'
        A: show work_mem
        A: select coalesce(current_setting('app.who', true), '')
        A: do $$ begin set local work_mem = '9MB'; end $$
        A: show work_mem
        A: begin
        A: do $$ begin perform set_config('work_mem', '10MB', false); end $$
        A: rollback
        A: show work_mem
        A: do $$ begin perform set_config('work_mem', '11MB', false); commit;
        ... perform set_config('work_mem', '12MB', false); rollback; end $$
        A: show work_mem
    """,
    "procedures with transactions inside": r"""
        A: call set_twice('1')
        A: show app.who
        A: show app.last
        A: select coalesce(current_setting('app.tenant_id', true), '')
        A: begin
        A: call set_twice('2')
        A: rollback
        A: show app.who
    """,
    "triggers": r"""
        A: insert into touched values (1, 'x')
        A: show app.tenant_id
        A: select min(body) from tenants
        A: \x insert into touched (id) values ($1) <- 2
        A: select min(body) from tenants
        A: with x as (insert into touched values (0, 'y') returning id) select count(*) from x
        A: show app.tenant_id
        A: begin
        A: insert into touched values (5)
        A: rollback
        A: show app.tenant_id
        A: \parse t insert into touched values ($1::int)
        A: \run t <- 1
        A: show app.tenant_id
        clean: truncate touched
    """,
    "COPY fires triggers": r"""
        A: \q copy touched from program 'rubbish'
        A: \q begin; insert into touched select 2; commit
        A: show app.tenant_id
        clean: truncate touched
    """,
    "default expressions": r"""
        A: insert into defaulted (id) values (1) returning who
        A: show app.who
        A: set app.who = 'mine'
        A: insert into defaulted values (2, default)
        A: show app.who
        A: insert into defaulted default values
        A: show app.who
        clean: truncate defaulted
    """,
    "views": r"""
        A: table setting_view
        A: show app.who
        A: set app.who = 'mine'
        A: select found || '!' from setting_view
        A: show app.who
    """,
    "a function that changed": r"""
        A: create function here.changing() returns text language sql as $$ select 'harmless' $$
        A: select here.changing()
        A: show work_mem
        A: create or replace function here.changing() returns text language sql as
        ... $$ select set_config('work_mem', '6MB', false) $$
        A: select here.changing()
        A: show work_mem
        A: set work_mem = '7MB'
        A: select here.changing()
        A: show work_mem
        clean: drop function if exists here.changing()
    """,
    "two clients by functions": r"""
        A: select set_computed('tenant_id', '1')
        B: select set_computed('tenant_id', '2')
        A: select min(body) from tenants
        B: select min(body) from tenants
        B: select reset_dynamic()
        A: select min(body) from tenants
        B: select count(*) from tenants
    """,
    "search_path of functions": r"""
        A: set search_path = public, here
        B: set search_path = public, there
        A: select where_am_i()
        B: select where_am_i()
        A: select where_am_i()
        A: set search_path = public, there
        A: select where_am_i()
    """,
}

KEEPING = {
    "temporary tables by functions": r"""
        A: select make_temp('made')
        B: select make_temp('made')
        B: insert into made values ('B')
        A: table made
        B: table made
        A: drop table made
        A: table made
        A: select make_temp_sql()
        A: table made
        A: drop table made
        A: do $$ begin create temp table made (a int); insert into made values (1); end $$
        A: table made
        A: do $$ begin execute 'create ' || 'temp table other as select 2 as a'; end $$
        A: table other
        A: discard temp
        A: table other
    """,
    "advisory locks by functions, views and triggers": r"""
        A: select take_lock(4101)
        B: select pg_try_advisory_lock(4101)
        A: select take_lock_sql(4102)
        B: select pg_try_advisory_lock(4102)
        A: table lock_view
        B: table lock_view
        A: insert into locked values (4103)
        B: select pg_try_advisory_lock(4103)
        A: do $$ begin perform pg_advisory_lock(4104); end $$
        B: select pg_try_advisory_lock(4104)
        A: select pg_advisory_unlock_all()
        B: select pg_try_advisory_lock(n) from generate_series(4101, 4104) n
        A: table lock_view
        clean: truncate locked
    """,
    "a client that took a lock in a function and vanishes": r"""
        A: select take_lock(4105)
        A: insert into locked values (4106)
        A: \kill
        S: \until select count(*) = 0 from pg_locks where locktype = 'advisory'
        B: select pg_try_advisory_lock(4105), pg_try_advisory_lock(4106)
        clean: truncate locked
    """,
    "statements prepared and cursors declared in functions": r"""
        A: select prepare_dynamic('hidden')
        A: execute hidden
        B: execute hidden
        A: select declare_hold('kept')
        A: fetch 2 from kept
        B: fetch 2 from kept
        A: fetch 2 from kept
        A: do $$ begin execute 'prepare blocked as select 5'; end $$
        A: execute blocked
        A: deallocate all
        A: close kept
        A: execute blocked
    """,
}

UNPINNED = {
    "functions that leave nothing free the server": r"""
        A: select make_temp('made')
        A: drop table made
        B: select 'free again'
        A: select take_lock(4110)
        A: select pg_advisory_unlock(4110)
        B: select 'free again'
        A: select prepare_dynamic('hidden')
        A: deallocate hidden
        B: select 'free again'
        A: select declare_hold('kept')
        A: close kept
        B: select 'free again'
        A: do $$ begin create temp table made (a int); drop table made; end $$
        B: select 'free again'
        A: select make_temp('made')
        A: \kill
        B: select make_temp('made')
        B: drop table made
        A: select 'free again'
    """,
}


@pytest.mark.parametrize("script, size, protocol", runs(UNPINNED, SHARED) + runs(SETTINGS | KEEPING, KEPT))
def test_what_functions_change_is_that_of_a_connection_of_ones_own(stage, script, size, protocol):
    stage(size).compare(script, protocol)
