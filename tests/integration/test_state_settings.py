# SPDX-License-Identifier: PostgreSQL
"""test_state_settings - settings and roles of a session behave as on a connection of one's own, at any server."""

import pytest

from state_compare import KEPT, SHARED, runs

pytest_plugins = ("state_fixtures",)

# Without lines of B, a hostile client takes the server after every step of A.
SPELLINGS = {
    "SET in its spellings": r"""
        A: set work_mem = '7MB'
        A: SeT SESSION Work_Mem TO 8192
        A: show work_mem
        A: set enable_mergejoin to off
        A: set enable_hashjoin = false; -- with a comment
        A: show enable_mergejoin
        A: show enable_hashjoin
        A: set search_path to here, "$user", 'there'
        A: show search_path
        A: select name from place
        A: set random_page_cost = 1.25
        A: show random_page_cost
        A: set statement_timeout = 61000
        A: show statement_timeout
        A: set bytea_output to 'escape'
        A: select '\x616200'::bytea
        A: set extra_float_digits = 0
        A: select 1::float8 / 3
        A: set "DateStyle" to german
        A: select '2020-02-03'::date
        A: set work_mem to default
        A: show work_mem
        A: /* x */ set /* y */ work_mem /* z */ = /* set */ '9MB'
        A: show work_mem
    """,
    "SET of several values and of none": r"""
        A: set search_path to ''
        A: show search_path
        A: select name from place
        A: set search_path = here,there
        A: select name from place
        A: set datestyle = sql, dmy
        A: select '2020-02-03'::date
        A: set datestyle = iso
        A: show datestyle
        A: set datestyle to default
        A: show datestyle
        A: set search_path to "there"
        A: select name from place
        A: set search_path to "a, b", "C""d", e
        A: show search_path
        A: set application_name = 'quoted '' and \ and é'
        A: show application_name
        A: set app.who to 'O''Brien'
        A: show app.who
        A: set app.who = E'back\\slash\nline'
        A: show app.who
        A: set app.who = ''
        A: select current_setting('app.who') = ''
    """,
    "SET TIME ZONE": r"""
        A: set time zone 'Europe/Berlin'
        A: show timezone
        A: select '2020-07-01 12:00+00'::timestamptz
        A: set time zone interval '-08:00' hour to minute
        A: select '2020-07-01 12:00+00'::timestamptz
        A: set time zone 5.5
        A: show timezone
        A: select '2020-07-01 12:00+00'::timestamptz
        A: set time zone -3
        A: show timezone
        A: set session time zone 'PST8PDT'
        A: show time zone
        A: set time zone local
        A: show timezone
        A: set timezone to 'UTC'
        A: set time zone default
        A: show timezone
        A: set local time zone 'UTC'
        A: show timezone
    """,
    "SET NAMES": r"""
        A: set names 'latin1'
        A: show client_encoding
        A: select chr(233)
        A: set names utf8
        A: select chr(233)
        A: set client_encoding to 'utf-8'
        A: show client_encoding
        A: set client_encoding = sql_ascii
        A: show client_encoding
        A: set names
        A: show client_encoding
        A: set names 'euc_jp'
        A: select chr(12354)
        A: select chr(233)
        A: reset client_encoding
        A: select chr(233)
        A: set names 'no such thing'
        A: show client_encoding
    """,
    "SET SESSION CHARACTERISTICS": r"""
        A: set session characteristics as transaction isolation level serializable
        A: show transaction_isolation
        A: set session characteristics as transaction read only
        A: insert into here.place values ('never')
        A: set session characteristics as transaction read write, isolation level repeatable read, deferrable
        A: show default_transaction_deferrable
        A: begin
        A: show transaction_isolation
        A: commit
        A: begin isolation level read committed
        A: show transaction_isolation
        A: set session characteristics as transaction isolation level serializable
        A: show transaction_isolation
        A: commit
        A: show transaction_isolation
        A: reset all
        A: show transaction_isolation
    """,
    "SET FROM CURRENT": r"""
        A: create function here.current_one() returns text language sql set work_mem from current as
        ... $$ select current_setting('work_mem') $$
        A: select here.current_one()
        A: set work_mem = '6MB'
        A: alter function here.current_one() set work_mem from current
        A: set work_mem = '8MB'
        A: select here.current_one(), current_setting('work_mem')
        A: set work_mem from current
        A: show work_mem
        clean: drop function if exists here.current_one()
    """,
    "a reported setting comes back in the spelling of PostgreSQL": r"""
        A: set timezone to 'europe/berlin'
        A: set client_encoding to 'utf-8'
        A: set names 'eucjp'
        A: set datestyle to 'iso,ymd'
        A: set intervalstyle = 'POSTGRES_VERBOSE'
        A: set standard_conforming_strings to 'of'
        A: select 'a\\b'
        A: set application_name to 'é\n'
        A: show application_name
        A: reset all
    """,
}

RESETS = {
    "RESET goes to the startup packet's value": r"""
        A: \login app DateStyle=Postgres,MDY TimeZone=Asia/Tokyo application_name=mine IntervalStyle=iso_8601
        A: set datestyle to iso
        A: select '2020-02-03'::date
        A: reset datestyle
        A: select '2020-02-03'::date
        A: set timezone to 'UTC'
        A: reset timezone
        A: show timezone
        A: set application_name to 'other'
        A: reset application_name
        A: show application_name
        A: set intervalstyle to default
        A: select interval '1 day 2 hours'
        A: select name, setting, source from pg_settings where source in ('client', 'session') order by 1
    """,
    "RESET ALL goes to the startup values": r"""
        A: \login app DateStyle=SQL,DMY work_mem=5MB app.tenant_id=1 extra_float_digits=0 search_path=there
        A: show work_mem
        A: select count(*) from public.tenants
        A: set work_mem = '6MB'
        A: set app.tenant_id = '2'
        A: set app.who = 'me'
        A: set search_path = here
        A: select name from place
        A: reset all
        A: show work_mem
        A: show app.tenant_id
        A: select coalesce(current_setting('app.who', true), '')
        A: select name from place
        A: select '2020-02-03'::date, 1::float8 / 3
        A: set local work_mem = '11MB'
        A: show work_mem
        A: discard all
        A: show work_mem
        A: select name from place
    """,
    "options in its spellings": r"""
        A: \login app 'options=-c work_mem=5MB --search-path=there,here -cenable_mergejoin=off -c app.tenant_id=2'
        A: show work_mem
        A: select name from place
        A: show enable_mergejoin
        A: show app.tenant_id
        A: set work_mem = '9MB'
        A: reset work_mem
        A: show work_mem
        A: set app.tenant_id = 'other'
        A: reset app.tenant_id
        A: show app.tenant_id
        A: reset all
        A: select name from place
    """,
    "options with escapes": r"""
        A: \login app 'options=-c app.who=a\ b\\c --app.last=x=y   -c\app.tenant_id=2'
        A: show app.who
        A: show app.last
        A: show app.tenant_id
        A: set app.who = 'else'
        A: reset app.who
        A: show app.who
    """,
    "options in short letters": r"""
        A: \login app 'options=-S 5000 -fm -e -B 100'
        A: \login app 'options=-S 5000 -fm -e'
        A: show work_mem
        A: show enable_mergejoin
        A: show datestyle
        A: set work_mem = '6MB'
        A: reset work_mem
        A: show work_mem
    """,
    "options that are wrong": r"""
        A: \login app 'options=-c no_such_setting=1'
        A: \login app 'options=-c work_mem=rubbish'
        A: \login app 'options=-c log_statement=all'
        A: \login app 'options=--nothing'
        A: \login app 'options=-z'
        A: \login app 'options=rubbish'
        A: \login app work_mem=rubbish
        A: \login app no_such_setting=1
        A: \login app shared_buffers=1
        A: \login app TimeZone=Nowhere/Land
        A: \login app
        A: show work_mem
    """,
    "the last of two spellings of a startup value counts": r"""
        A: \login app TimeZone=UTC 'options=-c timezone=Asia/Tokyo -c TIMEZONE=Europe/Rome'
        A: show timezone
        A: set timezone = 'PST8PDT'
        A: reset timezone
        A: show timezone
    """,
    "two clients with other startup values": r"""
        A: \login app DateStyle=German app.tenant_id=1 'options=-c search_path=there,public'
        B: \login app DateStyle=SQL app.tenant_id=2 'options=-c search_path=here,public'
        A: select name, '2020-02-03'::date, (select count(*) from tenants) from place
        B: select name, '2020-02-03'::date, (select count(*) from tenants) from place
        B: set datestyle = iso
        A: select '2020-02-03'::date
        B: reset all
        A: reset datestyle
        A: select '2020-02-03'::date
        B: select '2020-02-03'::date, current_setting('app.tenant_id')
        A: set app.tenant_id = 'x'
        A: reset app.tenant_id
        B: show app.tenant_id
        A: show app.tenant_id
    """,
    "RESET of single settings": r"""
        A: set work_mem = '6MB'
        A: set app.who = 'me'
        A: reset work_mem
        A: show work_mem
        A: show app.who
        A: reset app.who
        A: select coalesce(current_setting('app.who', true), '')
        A: reset time zone
        A: reset session authorization
        A: reset transaction_isolation
        A: reset no_such_setting
        A: begin
        A: reset all
        A: rollback
    """,
    "a custom setting that is gone again is empty, not unknown": r"""
        A: set my.mine = 'x'
        A: reset my.mine
        A: show my.mine
        A: begin
        A: set my.other = 'x'
        A: rollback
        A: show my.other
        A: reset all
        A: show my.mine
        A: discard all
        A: show my.mine
    """,
}

FUNCTIONS = {
    "set_config literal": r"""
        A: select set_config('app.tenant_id', '1', false)
        A: select count(*) from tenants
        A: select set_config('app.tenant_id', '2', true)
        A: show app.tenant_id
        A: select pg_catalog.set_config('search_path', 'there', false)
        A: select name from place
        A: select set_config('work_mem', null, false)
        A: show work_mem
        A: select set_config('app.who', repeat('long ', 300), false) is not null
        A: select length(current_setting('app.who'))
        A: select set_config('app.who', '', false)
        A: show app.who
        A: select set_config('search_path', '', false)
        A: show search_path
        A: select set_config('no_such_setting', '1', false)
        A: select set_config('work_mem', 'rubbish', false)
        A: show work_mem
    """,
    "set_config with bound parameters": r"""
        A: \x select set_config($1, $2, $3) <- app.tenant_id, 2, false
        A: \x select count(*) from tenants where $1 <- true
        A: \parse set select set_config($1, $2, false)
        A: \run set <- app.who, bound
        A: \run set <- work_mem, 7MB
        A: show app.who
        A: show work_mem
        A: \run set <- app.who, again ;; \run set <- app.last, too
        A: select current_setting('app.who'), current_setting('app.last')
        A: \x select set_config($1, $2, $3) <- work_mem, rubbish, false
        A: show work_mem
        A: \x select set_config($1, $2, $3) <- work_mem, 9MB, true
        A: show work_mem
    """,
    "UPDATE pg_settings": r"""
        A: update pg_settings set setting = '8192' where name = 'work_mem'
        A: show work_mem
        A: update pg_settings set setting = 'German' where name = 'DateStyle'
        A: show datestyle
        A: update pg_settings set setting = reset_val where name = 'work_mem'
        A: show work_mem
        A: \x update pg_settings set setting = $1 where name = $2 <- there, search_path
        A: select name from place
        A: update pg_catalog.pg_settings set setting = 'off' where name like 'enable_hash%'
        A: show enable_hashagg
        A: begin
        A: update pg_settings set setting = '2048' where name = 'work_mem'
        A: rollback
        A: show work_mem
    """,
    "row security by a custom setting": r"""
        A: select count(*), min(body) from tenants
        A: set app.tenant_id = '1'
        A: select count(*), min(body) from tenants
        A: \parse mine select count(*), min(body) from tenants
        A: \run mine
        A: select set_config('app.tenant_id', '2', false)
        A: \run mine
        A: begin
        A: set local app.tenant_id = '0'
        A: \run mine
        A: commit
        A: \run mine
        A: reset app.tenant_id
        A: \run mine
    """,
    "row security of two tenants in turn": r"""
        A: set app.tenant_id = '1'
        B: set app.tenant_id = '2'
        A: select min(body) from tenants
        B: select min(body) from tenants
        A: \parse t select min(body) from tenants
        B: \parse t select min(body) from tenants
        A: \run t
        B: \run t
        B: discard all
        B: select count(*) from tenants
        A: \run t
    """,
}

TRANSACTIONS = {
    "rollback undoes what was set": r"""
        A: set work_mem = '6MB'
        A: begin
        A: set work_mem = '7MB'
        A: set app.who = 'inside'
        A: set datestyle = 'German'
        A: show work_mem
        A: rollback
        A: show work_mem
        A: select coalesce(current_setting('app.who', true), '')
        A: show datestyle
        A: begin
        A: select set_config('work_mem', '8MB', false)
        A: commit
        A: show work_mem
        A: begin
        A: reset work_mem
        A: rollback
        A: show work_mem
        A: begin
        A: reset work_mem
        A: commit and chain
        A: set work_mem = '9MB'
        A: rollback and chain
        A: show work_mem
        A: commit
        A: show work_mem
    """,
    "savepoints": r"""
        A: begin
        A: set work_mem = '6MB'
        A: savepoint a
        A: set work_mem = '7MB'
        A: set app.who = 'in a'
        A: savepoint b
        A: set work_mem = '8MB'
        A: rollback to b
        A: show work_mem
        A: release a
        A: savepoint c
        A: set search_path = there
        A: select 1/0
        A: rollback to c
        A: show search_path
        A: set app.last = 'late'
        A: commit
        A: show work_mem
        A: show app.who
        A: show app.last
        A: show search_path
    """,
    "SET LOCAL": r"""
        A: set local work_mem = '6MB'
        A: show work_mem
        A: begin
        A: set local work_mem = '6MB'
        A: set local app.who = 'local'
        A: show work_mem
        A: commit
        A: show work_mem
        A: select coalesce(current_setting('app.who', true), '')
        A: begin
        A: set work_mem = '7MB'
        A: set local work_mem = '8MB'
        A: show work_mem
        A: commit
        A: show work_mem
        A: begin
        A: set local work_mem = '5MB'
        A: set work_mem = '9MB'
        A: commit
        A: show work_mem
        A: begin
        A: savepoint s
        A: set local search_path = there
        A: rollback to s
        A: show search_path
        A: set local role state_a
        A: select current_user
        A: commit
        A: select current_user
    """,
    "failed statements": r"""
        A: set work_mem = 'rubbish'
        A: set no_such_setting = 1
        A: set max_connections = 3
        A: set log_statement = 'all'
        A: set work_mem = 1
        A: set timezone = 'Nowhere'
        A: set datestyle = 'iso, rubbish'
        A: set search_path = here
        A: select set_config('search_path', 'there', false), 1/0
        A: show search_path
        A: select 1/(select 0), set_config('search_path', 'there', false)
        A: show search_path
        A: begin
        A: set work_mem = '6MB'
        A: select 1/0
        A: set work_mem = '7MB'
        A: commit
        A: show work_mem
        A: set transaction_isolation = 'serializable'
        A: set role nobody_at_all
        A: set session authorization bob
        A: select current_user
    """,
    "several statements in a query": r"""
        A: \q set work_mem = '6MB'; set app.who = 'me'; show work_mem
        A: show app.who
        A: \q set work_mem = '7MB'; select 1/0; set work_mem = '8MB'
        A: show work_mem
        A: \q begin; set work_mem = '9MB'; commit; set app.who = 'after'; select 1/0
        A: show work_mem
        A: show app.who
        A: \q set work_mem = '10MB'; begin; set app.last = 'x'; rollback
        A: show work_mem
        A: \q set work_mem = '11MB'; begin; set app.last = 'x'
        A: commit
        A: show app.last
        A: show work_mem
        A: \q set local work_mem = '12MB'; show work_mem
        A: show work_mem
        A: \q select set_config('search_path', 'there', false); select name from place
        A: select name from place
        A: \q reset all; show search_path; set search_path = here
        A: select name from place
    """,
    "pipelined statements": r"""
        A: \x set work_mem = '6MB' ;; \x set app.who = 'piped' ;; \x show work_mem
        A: show app.who
        A: \x set work_mem = '7MB' ;; \x select 1/0 ;; \x set work_mem = '8MB'
        A: show work_mem
        A: \x set work_mem = '7MB' ;; \sync ;; \x select 1/0 ;; \x set work_mem = '8MB' ;; \sync ;; \x show work_mem
        A: \x begin ;; \x set work_mem = '9MB' ;; \x commit ;; \x set app.who = 'later' ;; \x selec
        A: select current_setting('work_mem'), current_setting('app.who')
        A: \x begin ;; \x set search_path = there ;; \sync ;; \x select name from place ;; \x rollback ;; \sync
        ... ;; \x show search_path
        A: \parse s set search_path = there ;; \run s ;; \x select name from place
        A: select name from place
        A: \parse - set search_path = here ;; \sync ;; \run -
        A: select name from place
        A: set search_path = there ;; select name from place ;; set search_path = here ;; show search_path
        A: select name from place
    """,
    "a set statement prepared earlier": r"""
        A: \parse set_it set work_mem = '6MB'
        A: show work_mem
        A: \run set_it
        A: show work_mem
        A: \parse reset_it reset all
        A: begin
        A: \run reset_it
        A: show work_mem
        A: rollback
        A: show work_mem
        A: \run reset_it
        A: show work_mem
        A: \bind p set_it ;; \fetch p 0
        A: show work_mem
    """,
    "a setting that is undone with its transaction by the client's end": r"""
        A: set work_mem = '6MB'
        A: begin
        A: set work_mem = '7MB'
        A: set datestyle = 'German'
        A: \kill
        A: show work_mem
        A: show datestyle
    """,
    "transaction settings": r"""
        A: begin
        A: set transaction isolation level serializable
        A: show transaction_isolation
        A: commit
        A: set transaction read only
        A: set default_transaction_read_only = on
        A: insert into here.place values ('never')
        A: begin read write
        A: insert into here.place values ('undone')
        A: rollback
        A: set default_transaction_isolation to 'repeatable read'
        A: begin
        A: show transaction_isolation
        A: set transaction_isolation = 'read committed'
        A: show transaction_isolation
        A: commit
        A: show transaction_isolation
    """,
}

ROLES = {
    "SET ROLE": r"""
        A: set role state_a
        A: select current_user, session_user, current_setting('role')
        A: select body from public.role_rows
        A: \parse rows select body from public.role_rows
        A: \run rows
        A: set session role 'state_b'
        A: \run rows
        A: set role none
        A: \run rows
        A: set role "state_a"
        A: create table here.never (a int)
        A: reset role
        A: select current_user
        A: begin
        A: set role state_a
        A: rollback
        A: select current_user
        A: select set_config('role', 'state_b', false)
        A: select current_user
        A: reset all
        A: select current_user
        A: discard all
        A: select current_user
    """,
    "roles of two clients": r"""
        A: set role state_a
        B: set role state_b
        A: select current_user, body from public.role_rows
        B: select current_user, body from public.role_rows
        B: reset role
        A: select current_user
        A: begin
        A: set local role none
        A: select current_user
        B: \leave
        A: commit
        A: select current_user
    """,
    "SET SESSION AUTHORIZATION by a superuser": r"""
        A: \login postgres
        B: \login postgres
        A: set session authorization app
        B: set session authorization bob
        A: select current_user, session_user
        B: select current_user, session_user
        A: set role state_a
        A: select current_user, session_user
        B: select count(*) from role_rows
        A: set session authorization state_b
        A: select current_user, session_user, current_setting('is_superuser')
        A: reset session authorization
        A: select current_user, session_user, current_setting('is_superuser')
        B: set session authorization default
        A: begin
        A: set session authorization app
        A: rollback
        A: select session_user
        A: begin
        A: set local session authorization app
        A: select session_user
        A: commit
        A: select session_user
        A: set session authorization app
        A: discard all
        A: select session_user
        B: select current_user, session_user
        B: set session authorization nobody_at_all
        B: select set_config('session_authorization', 'bob', false)
        A: select session_user
        B: select session_user
    """,
    "a role that is dropped while it is set": r"""
        S: create role state_gone in role state_a
        S: grant state_gone to app
        A: set role state_gone
        A: select current_user
        A: reset role
        S: drop role state_gone
        A: select current_user
        A: set role state_gone
        A: select current_user
        clean: drop role if exists state_gone
    """,
}

DISCARDS = {
    "DISCARD in all forms": r"""
        A: set work_mem = '6MB'
        A: set app.who = 'me'
        A: discard plans
        A: show work_mem
        A: discard sequences
        A: discard temp
        A: discard temporary
        A: show app.who
        A: \parse kept select 'kept'
        A: discard plans
        A: \run kept
        A: discard all
        A: \run kept
        A: show work_mem
        A: select coalesce(current_setting('app.who', true), '')
        A: begin
        A: discard all
        A: rollback
        A: \q discard all; select 1
        A: \parse d discard all
        A: \run d
        A: show search_path
        A: discard rubbish
    """,
    "DISCARD ALL of the other one": r"""
        A: set work_mem = '6MB'
        A: set role state_a
        A: \parse mine select 'mine', current_user
        B: discard all
        A: \run mine
        A: show work_mem
        B: set work_mem = '7MB'
        A: discard all
        B: show work_mem
        A: \run mine
        A: select current_user
    """,
}

SIGHT = {
    "application_name in pg_stat_activity": r"""
        A: \login app application_name=first
        B: \login app application_name=second
        A: select application_name from pg_stat_activity where pid = pg_backend_pid()
        B: select application_name from pg_stat_activity where pid = pg_backend_pid()
        A: set application_name = 'renamed'
        B: select application_name from pg_stat_activity where pid = pg_backend_pid()
        A: select application_name from pg_stat_activity where pid = pg_backend_pid()
        A: begin
        S: select application_name from pg_stat_activity where state = 'idle in transaction' and usename = 'app'
        A: rollback
        A: reset application_name
        A: select application_name from pg_stat_activity where pid = pg_backend_pid()
    """,
    "application_name is the client's own after RESET, at once": r"""
        A: \login app application_name=first
        B: \login app application_name=second
        A: set application_name = 'x'
        A: \x reset all ;; \x show application_name ;; show application_name
        A: reset application_name ;; show application_name ;; reset all ;; \x show application_name
        B: begin
        B: set application_name = 'z'
        B: \x reset application_name ;; \x show application_name ;; \x set application_name = 'y'
        ... ;; \x show application_name
        B: reset application_name
        B: select application_name from pg_stat_activity where pid = pg_backend_pid()
        B: rollback
        A: select name, setting from pg_settings where source = 'session' order by 1
        B: show application_name
        A: discard all
        A: show application_name
        B: set application_name to default
        B: select application_name from pg_stat_activity where pid = pg_backend_pid()
    """,
    "SET SESSION CHARACTERISTICS carries what it names and nothing else": r"""
        A: set session characteristics as transaction read write
        B: set session characteristics as transaction isolation level repeatable read, deferrable
        A: select name, setting from pg_settings where source = 'session' order by 1
        B: select name, setting from pg_settings where source = 'session' order by 1
        A: show default_transaction_isolation
        B: show transaction_isolation
    """,
    "ALTER ROLE SET and ALTER DATABASE SET reach new logins": r"""
        A: show work_mem
        S: alter role app set work_mem = '5MB'
        S: alter database app set datestyle = 'German'
        S: alter role app in database app set app.who = 'of role and database'
        A: show work_mem
        B: show work_mem
        B: select '2020-02-03'::date
        B: show app.who
        B: set work_mem = '6MB'
        B: reset work_mem
        B: show work_mem
        B: set app.who = 'x'
        B: reset all
        B: show app.who
        A: show work_mem
        A: reset all
        A: show work_mem
        S: alter role app reset all
        S: alter role app in database app reset all
        S: alter database app reset all
        B: \leave
        B: show work_mem
        B: select '2020-02-03'::date
        A: \leave
        A: show work_mem
        clean: alter role app reset all
        clean: alter role app in database app reset all
        clean: alter database app reset all
    """,
    "values that both of two clients change": r"""
        A: set search_path = here
        B: set search_path = there
        A: select name from place
        B: select name from place
        A: set datestyle = 'German'
        B: set datestyle = 'SQL, DMY'
        A: select '2020-02-03'::date
        B: select '2020-02-03'::date
        A: set standard_conforming_strings = off
        B: select 'a\b'
        A: select 'a\\b'
        B: set client_encoding = 'latin1'
        A: select chr(233)
        B: select chr(233)
        A: set client_min_messages = warning
        B: select public.grumble('b')
        A: select public.grumble('a')
        A: reset all
        B: select name, '2020-02-03'::date, chr(233) from place
        A: show search_path
    """,
    "PostgreSQL's list of what the session changed": r"""
        A: set work_mem = '6MB'
        A: set search_path = here
        A: select name, setting, source from pg_settings where source = 'session' order by 1
        B: set enable_mergejoin = off
        B: select name, setting, source from pg_settings where source = 'session' order by 1
        A: reset all
        A: select name, setting, source from pg_settings where source = 'session' order by 1
        B: select name, setting, source from pg_settings where source = 'session' order by 1
    """,
}

# PostgreSQL lists no settings of one's own: names that only PostgreSQL could compute keep the session on its server.
COMPUTED = {
    "set_config computed": r"""
        A: select set_config('app.' || x, x || ' here', false) from (values ('who'), ('last'), ('tenant_id')) v(x)
        A: select current_setting('app.who'), current_setting('app.last'), current_setting('app.tenant_id')
        A: select set_config(lower('WORK_MEM'), (6 * 1024)::text, 1 = 2)
        A: show work_mem
        A: select set_config(name, '1', false) from pg_settings where name = 'extra_float_digits'
        A: select 1::float8 / 3
        A: with x(y) as (select set_config('my.mine', 'by with', false)) select count(*) from x where y = 'by with'
        A: show my.mine
        A: select 1 where set_config('my.other', 'in where', false) is null
        A: show my.other
        A: select case when false then set_config('app.who', 'never', false) end
        A: show app.who
    """,
}


@pytest.mark.parametrize("script, size, protocol", runs(
    SPELLINGS | RESETS | FUNCTIONS | TRANSACTIONS | ROLES | DISCARDS | SIGHT, SHARED))
def test_settings_are_those_of_a_connection_of_ones_own(stage, script, size, protocol):
    stage(size).compare(script, protocol)


@pytest.mark.parametrize("script, size, protocol", runs(COMPUTED, KEPT))
def test_settings_whose_names_are_computed_are_those_of_a_connection_of_ones_own(stage, script, size, protocol):
    stage(size).compare(script, protocol)
