# SPDX-License-Identifier: PostgreSQL
"""scripts - what every driver is told to do, statement by statement, and what it must find.
A line is (connection, SQL, expected) or (connection, SQL, expected, arguments); nothing is expected of ANY. `startup`
is given when connecting, in the manner of the driver; (connection, CLOSE) closes, and a plain word is a thing that the
driver does in its own way."""

ANY, CLOSE = object(), object()
NULL = "\\N"

STARTUP = {"search_path": "tenant,public", "my.tenant": "42", "timezone": "Asia/Tokyo"}
NOON = "select '2024-01-01 00:00+00'::timestamptz::text"


def repeated(lines, times=5):
    return list(lines) * times


def startup_of(language):
    return STARTUP | {"application_name": f"clients {language}"}


def startup(language):
    name = "select application_name from pg_stat_activity where pid = pg_backend_pid()"
    return repeated([("a", "show search_path", "tenant,public"), ("a", "show my.tenant", "42"),
                     ("a", NOON, "2024-01-01 09:00:00+09"), ("a", name, f"clients {language}")]) + [
        ("a", "set search_path to elsewhere", ANY), ("a", "show search_path", "elsewhere"),
        ("a", "reset search_path", ANY), ("a", "show search_path", "tenant,public"),
        ("a", "set my.tenant to 43", ANY), ("a", "reset all", ANY), ("a", "show my.tenant", "42")]


SETTINGS = [
    ("a", "set my.mine = 'a'", ANY), *repeated([("a", "show my.mine", "a")]),
    ("a", "begin", ANY), ("a", "set my.mine = 'b'", ANY), ("a", "show my.mine", "b"), ("a", "rollback", ANY),
    ("a", "show my.mine", "a"),
    ("a", "begin", ANY), ("a", "savepoint s", ANY), ("a", "set my.mine = 'c'", ANY), ("a", "rollback to s", ANY),
    ("a", "commit", ANY), ("a", "show my.mine", "a"),
    ("a", "begin", ANY), ("a", "set local my.mine = 'd'", ANY), ("a", "show my.mine", "d"), ("a", "commit", ANY),
    ("a", "show my.mine", "a"),
    ("a", "select set_config('my.mine', cast($1 as text), false)", "e", ["e"]), ("a", "show my.mine", "e"),
    ("a", "do $$ begin perform set_config('my.mine', 'f', false); end $$", ANY), ("a", "show my.mine", "f"),
    ("a", "set time zone 'Asia/Kolkata'", ANY), ("a", NOON, "2024-01-01 05:30:00+05:30"),
    ("a", "set statement_timeout = '41s'", ANY), ("b", "show statement_timeout", "0"),
    ("a", "set nonsense = 1", "!42704"), ("a", "show statement_timeout", "41s"),
    ("a", "reset all", ANY), ("a", "show statement_timeout", "0"),
]

TEMPORARY = [
    ("a", "create temp table mine (n int)", ANY),
    *repeated([("a", "insert into mine values (cast(cast($1 as text) as int))", ANY, ["2"])], 3),
    ("a", "select sum(n)::text from mine", "6"), ("b", "select to_regclass('mine')::text", NULL),
    ("a", "select count(*)::text as c into temp theirs from mine", ANY), ("a", "select c from theirs", "3"),
    ("a", "drop table mine", ANY), ("a", "select to_regclass('mine')::text", NULL),
    ("a", "select c from theirs", "3"), ("a", "discard temp", ANY), ("a", "select to_regclass('theirs')::text", NULL),
]

SEQUENCES = [
    ("a", "create sequence if not exists of_clients", ANY), ("a", "select setval('of_clients', 10)::text", "10"),
    ("a", "select nextval('of_clients')::text", "11"), ("b", "select nextval('of_clients')::text", "12"),
    ("a", "select currval('of_clients')::text", "11"), ("b", "select lastval()::text", "12"),
    ("a", "select lastval()::text", "11"), ("c", "select currval('of_clients')", "!55000"),
]

LOCKS = [
    ("a", "select pg_advisory_lock(8001)::text", ANY), ("b", "select pg_try_advisory_lock(8001)::text", "false"),
    ("a", "select pg_advisory_unlock(8001)::text", "true"), ("b", "select pg_try_advisory_lock(8001)::text", "true"),
    ("b", CLOSE), ("a", "select pg_advisory_lock(8001)::text", ANY), ("a", CLOSE),
    ("c", "select pg_advisory_lock(8001)::text", ANY), ("c", "select pg_advisory_unlock(8001)::text", "true"),
    ("c", "select pg_advisory_unlock_all()::text", ANY),
]

SAVEPOINTS = [
    ("a", "drop table if exists saved", ANY), ("a", "create table saved (n int primary key)", ANY),
    ("a", "begin", ANY), ("a", "insert into saved values (1)", ANY), ("a", "savepoint one", ANY),
    ("a", "insert into saved values (1)", "!23505"), ("a", "select 1", "!25P02"), ("a", "rollback to one", ANY),
    ("a", "insert into saved values (2)", ANY), ("a", "commit", ANY),
    ("a", "select count(*)::text from saved", "2"), ("b", "select count(*)::text from saved", "2"),
    ("a", "drop table saved", ANY),
]

CURSORS = [
    ("a", "begin", ANY),
    ("a", "declare held scroll cursor with hold for select n::text from generate_series(1, 9) n", ANY),
    ("a", "commit", ANY), ("a", "fetch 1 from held", "1"), ("a", "fetch 1 from held", "2"),
    ("a", "fetch absolute 9 from held", "9"), ("b", "fetch 1 from held", "!34000"), ("a", "close held", ANY),
    ("a", "fetch 1 from held", "!34000"),
]

STATEMENTS = [
    ("a", "prepare ours as select 'ours'::text", ANY), *repeated([("a", "execute ours", "ours")], 3),
    ("b", "execute ours", "!26000"), ("a", "deallocate ours", ANY), ("a", "execute ours", "!26000"),
    ("a", "prepare again as select 'again'::text", ANY), ("a", "execute again", "again"),
    ("a", "discard all", ANY), ("a", "execute again", "!26000"),
]

ROLES = [
    ("a", "set role visitor", ANY), *repeated([("a", "select current_user::text", "visitor")], 3),
    ("b", "select current_user::text", "app"), ("a", "reset role", ANY), ("a", "select current_user::text", "app"),
    ("a", "begin", ANY), ("a", "set local role visitor", ANY), ("a", "select current_user::text", "visitor"),
    ("a", "commit", ANY), ("a", "select current_user::text", "app"),
]

# Rows of one tenant only: the setting decides what is seen, on every server.
TENANTS = [line for tenant in ("1", "2", "1", "") for line in
           [("a", f"set app.tenant = '{tenant}'", ANY),
            *repeated([("a", "select string_agg(name, ',') from tenants", f"tenant {tenant}" if tenant else NULL)], 3)]]

# The plan of a prepared statement depends on search_path; PostgreSQL plans again when it changed.
PATHS = [line for path in ("one", "two", "one") for line in
         [("a", f"set search_path = path_{path}", ANY), ("a", "select name from placed", path),
          ("a", "select name from placed where cast($1 as text) is not null", path, ["x"])]]

# npgsql writes this before the first statement of whoever takes a connection from its pool.
RESETS = [
    ("a", "create temp table mine ()", ANY), ("a", "set my.mine = 'a'", ANY), ("a", "listen mine", ANY),
    ("a", "select pg_advisory_lock(8002)::text", ANY), ("a", "prepare ours as select 1", ANY),
    ("a", "discard all", ANY), ("a", "select to_regclass('mine')::text", NULL),
    ("a", "show search_path", "tenant,public"),
    ("a", "select count(*)::text from pg_listening_channels()", "0"),
    ("a", "select count(*)::text from pg_prepared_statements where from_sql", "0"),
    ("a", "select count(*)::text from pg_locks where locktype = 'advisory' and objid = 8002", "0"),
    ("a", "select current_setting('my.tenant')", "42"),
    ("a", "select coalesce(current_setting('my.mine', true), '')", ""),
]

COMMON = {"settings": SETTINGS, "temporary tables": TEMPORARY, "sequences": SEQUENCES, "advisory locks": LOCKS,
          "savepoints": SAVEPOINTS, "cursors with hold": CURSORS, "statements in SQL": STATEMENTS, "roles": ROLES,
          "tenants": TENANTS, "search paths": PATHS}

# asyncpg, pgx and others keep prepared statements that DISCARD ALL takes from them, on any connection.
SCHEMA = """
drop schema if exists path_one, path_two cascade;
create schema path_one;
create schema path_two;
create table path_one.placed as select 'one'::text as name;
create table path_two.placed as select 'two'::text as name;
drop table if exists tenants;
create table tenants as select n::text as id, 'tenant ' || n as name from generate_series(1, 3) n;
alter table tenants enable row level security;
alter table tenants force row level security;
create policy theirs on tenants using (id = current_setting('app.tenant', true));
"""


def wording(name, lines, given=None):
    """A script as the programs read it."""
    out = ["script\t" + name] + [f"startup\t{key}\t{value}" for key, value in (given or {}).items()]
    for line in lines:
        if isinstance(line, str):
            out.append("native\t" + line)
        elif line[1] is CLOSE:
            out.append("close\t" + line[0])
        else:
            out.append("\t".join(["ask", line[0], line[1], *(line[3] if len(line) > 3 else ())]))
    return out


def expected(lines):
    """What the lines of SQL must find, ANY included."""
    return [line[2] for line in lines if not isinstance(line, str) and line[1] is not CLOSE]
