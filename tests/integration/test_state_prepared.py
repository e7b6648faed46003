# SPDX-License-Identifier: PostgreSQL
"""test_state_prepared - prepared statements of both kinds live and mean what they do on a connection of one's own."""

import pytest

from state_compare import KEPT, SHARED, runs

pytest_plugins = ("state_fixtures",)

# Only protocol-level statements: no server is kept. Without lines of B, a hostile client uses the name s1, too.
PROTOCOL = {
    "the unnamed statement behind an error is the one that PostgreSQL has": r"""
        A: \x savepoint a ;; \x set work_mem = '5MB' ;; \x select 3 ;; \x select 1
        B: \parse - select 'of B'
        A: \run -
        B: \run -
        A: \run nothing ;; \parse - select 7
        A: \run -
        A: \parse - select 8
        B: select 1
        A: \run nothing ;; \parse - select 9
        A: \run -
        A: \x select 9 ;; \x select 1/0 ;; \x select 10 ;; \x select 11
        A: select 5
        A: \run -
        A: \x select 9 ;; \x selec ;; \x select 10
        A: \run -
        A: \x table t2 ;; select name from pg_cursors ;; \x select 12
        A: \x table t2 ;; \sync ;; \parse - select 13
        A: \run -
        A: \x select 1/0 ;; \close - ;; \x select 14
        A: \run -
    """,
    "prepare once, run often": r"""
        A: \parse s1 select $1::int + 1 ;; \describe s1
        A: \run s1 <- 1
        A: \run s1 <- 2 ;; \run s1 <- 3
        A: \describe s1
        A: \run s1 <- x
        A: \run s1 <- 4
        A: \close s1
        A: \run s1 <- 5
    """,
    "everything in one write": r"""
        A: \parse s1 select $1::int ;; \describe s1 ;; \run s1 <- 1 ;; \close s1 ;; \parse s1 select 'two' ;; \run s1
        A: \run s1
        A: \parse s1 select 3 ;; \run s1
        A: \run s1
        A: \close s1 ;; \parse s1 select 3 ;; \run s1 ;; \sync ;; \close s1 ;; \run s1
    """,
    "the unnamed statement": r"""
        A: \parse - select 'unnamed ' || $1
        A: \run - <- 1
        A: \parse s1 select 'named'
        A: \run - <- 2
        A: \parse - select 'another'
        A: \run -
        A: \describe -
        A: \close -
        A: \run -
        A: \parse - select 'x'
        A: \q select 'simple'
        A: \run -
        A: \parse - selec
        A: \run -
    """,
    "portals": r"""
        A: \q begin
        A: \parse s1 select generate_series(1, $1) ;; \bind p s1 <- 7
        A: \fetch p 2
        A: \fetch p 3
        A: \bind p s1 <- 2
        A: \q rollback
        A: \fetch p 1
        A: \q begin
        A: \bind p s1 <- 3 ;; \close s1 ;; \fetch p 2
        A: \fetch p 2
        A: \q commit
        A: \run s1 <- 1
    """,
    "an error in Parse forgets the name": r"""
        A: \parse s1 selec 1
        A: \run s1
        A: \parse s1 select 1/0
        A: \run s1
        A: \parse s1 select 2
        A: \close s1
        A: \parse s1 select no_such_column
        A: \describe s1
        A: \parse s1 select 'good'
        A: \run s1
        A: \parse s2 select 1 ;; \parse s3 selec ;; \parse s4 select 4
        A: \run s2
        A: \run s4
        A: \parse s4 select 'four'
        A: \run s4
    """,
    "a failed prepare in a transaction": r"""
        A: \q begin
        A: \parse s1 select 'one'
        A: \parse s2 select * from no_such_table
        A: \run s1
        A: \parse s3 select 3
        A: \q rollback
        A: \run s1
        A: \run s2
        A: \run s3
        A: \parse s2 select 'two'
        A: \run s2
    """,
    "prepared statements are not undone with a transaction": r"""
        A: \q begin
        A: \parse s1 select 'one'
        A: \q savepoint a
        A: \parse s2 select 'two'
        A: \q rollback to a
        A: \run s2
        A: \close s1
        A: \q rollback
        A: \run s1
        A: \run s2
    """,
    "a name used twice": r"""
        A: \parse s1 select 'one'
        A: \parse s1 select 'two'
        A: \run s1
        A: \q begin
        A: \parse s1 select 'three'
        A: \q rollback
        A: \run s1
    """,
    "names that are long, odd and alike": r"""
        A: \parse S1 select 'upper'
        A: \parse s1 select 'lower'
        A: \run S1
        A: \run s1
        A: \parse aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1 select 'long 1'
        A: \run aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1
        A: \run aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2
        A: \parse "quoted"; select 'odd'
        A: \run "quoted";
        A: \parse é select 'é'
        A: \run é
    """,
    "deallocate of a protocol-level statement": r"""
        A: \parse s1 select 'one'
        A: deallocate s1
        A: \run s1
        A: \parse s1 select 'again'
        A: deallocate prepare "s1"
        A: \parse s1 select 'third' ;; \run s1
        A: \parse S1 select 'upper'
        A: deallocate S1
        A: \run S1
        A: deallocate s1
        A: \parse a select 'a' ;; \parse b select 'b'
        A: deallocate all
        A: \run a
        A: \parse b select 'new b' ;; \run b
        A: \q begin; deallocate b; rollback
        A: \run b
    """,
    "deallocate of one client leaves the other's": r"""
        A: \parse s1 select 'of A'
        B: \parse s1 select 'of B'
        A: \run s1
        B: deallocate s1
        A: \run s1
        B: deallocate all
        A: \run s1
        B: discard all
        A: \run s1
        B: \run s1
        B: \parse s1 select 'of B again'
        A: \run s1
        B: \run s1
        A: discard all
        B: \run s1
        A: \run s1
        B: \close s1
        A: \parse s1 select 'last' ;; \run s1
    """,
    "DDL that changes the result": r"""
        S: create table public.shape (a int)
        S: grant all on public.shape to app
        S: insert into public.shape values (1)
        A: \parse s1 select * from public.shape
        A: \run s1
        B: \parse s1 select * from public.shape
        B: \run s1
        S: alter table public.shape add column b text default 'new'
        A: \run s1
        A: \describe s1
        A: \run s1
        A: \close s1 ;; \parse s1 select * from public.shape ;; \run s1
        A: \run s1
        B: \run s1
        B: \q begin
        B: \run s1
        B: \q rollback
        B: \q deallocate all
        B: \parse s1 select * from public.shape
        B: \run s1
        S: alter table public.shape drop column a
        A: \run s1
        A: \close s1
        A: \parse s1 select b from public.shape
        A: \run s1
        S: drop table public.shape
        A: \run s1
        S: create table public.shape (b text)
        S: grant all on public.shape to app
        A: \run s1
        clean: drop table if exists public.shape
    """,
    "a statement prepared after the change is not stale": r"""
        S: create table public.shape (a int)
        S: grant all on public.shape to app
        A: \parse s1 select * from public.shape
        A: \run s1
        S: alter table public.shape add column b text
        B: \parse s1 select * from public.shape ;; \describe s1 ;; \run s1
        B: \run s1
        clean: drop table if exists public.shape
    """,
    "search_path is part of a statement's meaning": r"""
        A: set search_path = here
        B: set search_path = there
        A: \parse s1 select * from place
        B: \parse s1 select * from place
        A: \run s1
        B: \run s1
        A: \describe s1
        B: \describe s1
        A: \parse s2 select name from place
        A: \run s2
        A: set search_path = there
        A: \run s2
        A: \run s1
        A: set search_path = here
        A: \run s1
        B: \parse s2 select name from place ;; \run s2
        B: set search_path = nowhere
        B: \run s2
        B: \parse s3 select name from place
        B: set search_path = here
        B: \run s3
        B: \parse s3 select name from place ;; \run s3
    """,
    "DateStyle and others are part of a statement's meaning": r"""
        A: set datestyle = 'SQL, DMY'
        B: set datestyle = 'SQL, MDY'
        A: \parse s1 select '03/02/2020'::date - '2020-01-01'::date as days
        B: \parse s1 select '03/02/2020'::date - '2020-01-01'::date as days
        A: \run s1
        B: \run s1
        A: set standard_conforming_strings = off
        A: \parse s2 select length('a\\b')
        B: \parse s2 select length('a\\b')
        A: \run s2
        B: \run s2
        A: set timezone = 'UTC'
        B: set timezone = 'Asia/Tokyo'
        A: \parse s3 select extract(epoch from '2020-01-01 12:00'::timestamptz)
        B: \parse s3 select extract(epoch from '2020-01-01 12:00'::timestamptz)
        A: \run s3
        B: \run s3
        A: set transform_null_equals = on
        A: \parse s4 select null::int = null as same
        B: \parse s4 select null::int = null as same
        A: \run s4
        B: \run s4
    """,
    "the role decides about row security": r"""
        A: set role state_a
        B: set role state_b
        A: \parse s1 select body from public.role_rows
        B: \parse s1 select body from public.role_rows
        A: \run s1
        B: \run s1
        A: reset role
        A: \run s1
        B: \run s1
        B: set row_security = off
        B: \run s1
        A: \run s1
        B: \parse s2 select body from public.tenants
        B: \run s2
    """,
    "types of parameters are part of a statement": r"""
        A: \parse s1[23] select pg_typeof($1)::text, $1::text
        B: \parse s1[25] select pg_typeof($1)::text, $1::text
        A: \run s1 <- 1
        B: \run s1 <- x
        A: \parse s2[20] select pg_typeof($1)::text, $1 + 1
        B: \parse s2[1043] select pg_typeof($1)::text, $1 || 'x'
        A: \run s2 <- 1
        B: \run s2 <- 1
    """,
    "sync between parse and bind, flush, errors": r"""
        A: \parse s1 select 1/$1::int ;; \sync ;; \run s1 <- 1 ;; \sync ;; \run s1 <- 0 ;; \run s1 <- 1
        ... ;; \sync ;; \run s1 <- 2
        A: \parse s2 select 's2' ;; \run s1 <- 0 ;; \parse s3 select 's3'
        A: \run s2
        A: \run s3
        A: \close s2 ;; \run s1 <- 0 ;; \close s1
        A: \run s2
        A: \run s1 <- 1
        A: \close no_such ;; \describe no_such ;; \close s1
        A: \run s1 <- 1
    """,
    "more statements than a server keeps": r"""
        A: \parse a select 'a' ;; \parse b select 'b' ;; \parse c select 'c' 
        ... ;; \parse d select 'd' ;; \parse e select 'e'
        B: \parse a select 'B a' ;; \parse b select 'B b' ;; \parse c select 'B c' ;; \parse d select 'B d'
        A: \run a ;; \run b ;; \run c ;; \run d ;; \run e
        B: \run d ;; \run c ;; \run b ;; \run a
        A: \close a ;; \run e ;; \parse a select 'new a' ;; \run a
        B: \run a
    """,
    "statements in a transaction of both": r"""
        A: \q begin
        A: \parse s1 select 'of A ' || $1
        A: \run s1 <- 1
        A: \q commit
        B: \q begin
        B: \parse s1 select 'of B ' || $1
        B: \q commit
        A: \q begin
        A: \run s1 <- 2
        A: \q commit
        B: \run s1 <- 3
    """,
}

# As PostgreSQL has it, a client that asks sees its own statements and nobody else's.
SEEN = {
    "pg_prepared_statements": r"""
        A: select name, statement, from_sql from pg_prepared_statements order by 1
        A: \parse s1 select 'one'
        A: \parse s2 select $1::int
        B: \parse s1 select 'one'
        B: \parse x select 'x'
        A: select name, statement, parameter_types, from_sql from pg_prepared_statements order by 1
        B: select name, statement, from_sql from pg_prepared_statements order by 1
        A: \close s1
        A: select count(*) from pg_prepared_statements
        A: deallocate all
        A: select count(*) from pg_prepared_statements
        B: select name from pg_catalog.pg_prepared_statements where not from_sql order by 1
    """,
}

# A statement prepared in SQL keeps a server.
SQL = {
    "a name that a function prepares may be taken": r"""
        A: \parse s1 select 'by protocol' ;; \run s1
        B: \parse s1 select 'of B' ;; \run s1
        A: select prepare_dynamic('s1')
        A: \x select prepare_dynamic('s2') ;; \x execute s2
        A: \run s1
        A: execute s2
        A: \parse s2 select 'taken'
        B: execute s2
        B: \run s1
    """,
    "PREPARE, EXECUTE, DEALLOCATE": r"""
        A: prepare s1 (int) as select $1 * 2 as twice
        A: execute s1 (21)
        B: prepare s1 (text) as select 'of B ' || $1
        B: execute s1 ('x')
        A: execute s1 (4)
        A: explain (costs off) execute s1 (1)
        A: execute s1 ('x')
        A: prepare s1 as select 1
        A: deallocate s1
        A: execute s1 (1)
        B: execute s1 ('y')
        B: deallocate all
        B: execute s1 ('z')
    """,
    "both kinds by one name": r"""
        A: prepare s1 (int) as select $1 * 2
        A: \run s1 <- 4
        A: \describe s1
        A: \parse s2 select $1::int + 1
        A: execute s2 (1)
        A: \parse s1 select 'again'
        A: prepare s2 as select 'again'
        A: \close s1
        A: execute s1 (1)
        A: deallocate s2
        A: \run s2 <- 1
        A: \parse s3 prepare s4 as select 'four'
        A: \run s3
        A: \run s4
        A: execute s4
        A: select name, from_sql from pg_prepared_statements order by 1
        A: deallocate all
        A: \run s3
        A: \run s4
    """,
    "PREPARE is not undone with a transaction": r"""
        A: begin
        A: prepare s1 as select 'one'
        A: rollback
        A: execute s1
        A: begin
        A: deallocate s1
        A: rollback
        A: execute s1
        A: prepare s1 as select no_such_column
        A: execute s1
        A: \q prepare s2 as select 2; select 1/0
        A: execute s2
        A: \q begin; prepare s3 as select 3; select 1/0
        A: rollback
        A: execute s3
    """,
    "EXECUTE of a protocol-level statement": r"""
        A: \parse s1 select 'by protocol ' || $1
        A: execute s1 ('and SQL')
        A: create temp table made as execute s1 ('in a table')
        A: table made
        A: explain (costs off) execute s1 ('x')
        A: drop table made
        A: \close s1
        A: execute s1 ('gone')
    """,
    "PREPARE and settings": r"""
        A: set search_path = here
        A: prepare s1 as select name from place
        A: execute s1
        A: set search_path = there
        A: execute s1
        A: discard plans
        A: execute s1
        A: discard all
        A: execute s1
    """,
}

# With one server, a client that kept it must have let it go.
UNPINNED = {
    "DEALLOCATE frees the server": r"""
        A: prepare s1 as select 'one'
        A: execute s1
        A: deallocate s1
        B: select 'free again'
        A: prepare s1 as select 'one'
        A: prepare s2 as select 'two'
        A: \q deallocate s1; deallocate s2
        B: select 'free again'
        A: prepare s1 as select 'one'
        A: deallocate all
        B: select 'free again'
        A: prepare s1 as select 'one'
        A: discard all
        B: select 'free again'
        A: prepare s1 as select 'one'
        A: \close s1
        B: select 'free again'
        A: prepare s1 as selec
        B: select 'free again'
        A: prepare s1 as select 'one'
        A: \leave
        B: \q begin; select 'free again'; commit
        B: execute s1
    """,
}


@pytest.mark.parametrize("script, size, protocol", runs(PROTOCOL | SEEN | UNPINNED, SHARED) + runs(SQL, KEPT))
def test_statements_are_those_of_a_connection_of_ones_own(stage, script, size, protocol):
    stage(size).compare(script, protocol)
