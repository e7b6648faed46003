# SPDX-License-Identifier: PostgreSQL
"""test_transparent - a script has the same transcript on PostgreSQL itself and through the pooled port."""

import random

import pytest

import messages as m
import programs
from load import Neighbours
from rawpg import Raw

Q = m.query

# Name: parts to send; each is sent on its own and answered up to as many ReadyForQuery as it asks for.
SCRIPTS = {
    "simple queries": [Q("select 1"), Q("select 1 as a, null as b, 'x' as c"), Q(""), Q("-- nothing"), Q(";"),
                       Q("select 1; select 2; select 3"), Q("select 1; select 1/0; select 2"), Q("selec 1"),
                       Q("show server_version"), Q("select repeat('x', 100000)"), Q("values (1), (2), (3)")],
    "transactions": [Q("begin"), Q("select 1"), Q("savepoint s"), Q("select 1/0"), Q("select 1"),
                     Q("rollback to s"), Q("select 2"), Q("commit"), Q("begin"), Q("boom"), Q("commit"),
                     Q("select 3"),
                     Q("commit"), Q("begin; select 1; commit; select 2"), Q("begin; begin; rollback"),
                     Q("begin isolation level serializable read only"), Q("show transaction_isolation"), Q("end")],
    "notices": [Q("select grumble('a'), grumble('b')"), Q("do $$ begin raise warning 'careful'; end $$"),
                m.once("select grumble($1)", ["c"]) + m.sync(), Q("drop table if exists never_there")],
    "extended": [m.once("select $1::int + 1, $2::text", [41, "it's"]) + m.sync(),
                 m.parse("", "select $1::int8", [20]) + m.describe("S") + m.sync(),
                 m.bind("", "", [b"\0\0\0\0\0\0\1\0"], [1], [1]) + m.describe("P") + m.execute() + m.sync(),
                 m.once("") + m.sync(), m.once("create table t_ext (a int)") + m.sync(),
                 m.once("insert into t_ext values (1), (2)") + m.sync(), m.once("drop table t_ext") + m.sync(),
                 m.once("select 1/0") + m.once("select 2") + m.sync(), m.sync(), m.sync() + m.sync()],
    "named statements": [m.parse("s1", "select $1::int") + m.describe("S", "s1") + m.sync(),
                         m.parse("s2", "select 'two'") + m.sync(),
                         m.bind("", "s1", [7]) + m.execute() + m.bind("", "s2") + m.execute() + m.sync(),
                         m.parse("s1", "select 2") + m.sync(), m.bind("", "s1", [8]) + m.execute() + m.sync(),
                         m.close("S", "s1") + m.bind("", "s1", [9]) + m.execute() + m.sync(),
                         m.close("S", "no such thing") + m.sync(), m.parse("s1", "select 3") + m.sync(),
                         m.bind("", "s1") + m.execute() + m.sync(), m.describe("S", "missing") + m.sync(),
                         m.bind("", "missing") + m.sync(), m.parse("s9", "selec") + m.sync(),
                         m.parse("s9", "select 9") + m.bind("", "s9") + m.execute() + m.sync()],
    "portals": [Q("begin"), m.parse("", "select generate_series(1, 10)") + m.bind("p1") + m.sync(),
                m.execute("p1", 3) + m.sync(), m.execute("p1", 3) + m.describe("P", "p1") + m.sync(),
                m.execute("p1") + m.close("P", "p1") + m.sync(), m.execute("p1") + m.sync(), Q("rollback"),
                m.once("select 1", name="") + m.execute() + m.sync()],
    "cursors": [Q("begin"), Q("declare c cursor for select id from items order by id"), Q("fetch 2 from c"),
                Q("move 5 in c"), Q("fetch 1 from c"), Q("close c"), Q("commit"), Q("fetch 1 from c")],
    "copy": [Q("copy (select id, name from items where id <= 20 order by id) to stdout"),
             Q("create table t_copy (a int, b text)"),
             Q("copy t_copy from stdin") + m.copy_data(b"1\tone\n2\ttwo\n")
             + m.copy_data(b"3\tthree\n") + m.copy_done(),
             Q("copy t_copy from stdin") + m.copy_data(b"x\tbad\n") + m.copy_done(),
             Q("copy t_copy from stdin") + m.copy_data(b"4\tfour\n") + m.copy_fail("no more"),
             Q("select * from t_copy order by a"), Q("copy t_copy to stdout with (format csv)"),
             Q("drop table t_copy")],
    "function call": [m.function_call(1574, [b"tickets"]), Q("select 1"), m.function_call(0, []),
                      m.function_call(177, [b"\0\0\0\2", b"\0\0\0\3"]), Q("begin"),
                      m.function_call(177, [b"\0\0\0\2", b"\0\0\0\5"]), Q("commit")],
    "settings": [Q("set search_path = pg_catalog"), Q("show search_path"), Q("reset search_path"),
                 Q("show search_path"), Q("set timezone = 'Europe/Berlin'"), Q("show timezone"),
                 Q("set datestyle = 'sql, dmy'"), Q("select '2020-02-01'::date"), Q("set application_name = 'x y'"),
                 Q("show application_name"), Q("set work_mem = 'rubbish'"), Q("set no_such_setting = 1"),
                 Q("begin"), Q("set local timezone = 'UTC'"), Q("show timezone"), Q("commit"), Q("show timezone"),
                 Q("begin"), Q("set timezone = 'UTC'"), Q("rollback"), Q("show timezone"),
                 Q("select set_config('my.thing', 'v', false)"), Q("show my.thing"), Q("reset all"),
                 Q("show timezone"), Q("set client_encoding = 'latin1'"), Q("select 1"), Q("set names 'utf8'"),
                 m.once("set statement_timeout = '7s'") + m.sync(), Q("show statement_timeout"), Q("discard all"),
                 Q("show statement_timeout")],
    "sql prepare": [Q("prepare p (int) as select $1 * 2"), Q("execute p(21)"), Q("execute p(4)"), Q("deallocate p"),
                    Q("execute p(1)"), Q("prepare p as select 1"), Q("deallocate all"), Q("execute p")],
    "temporary objects": [Q("create temp table t (a int)"), Q("insert into t values (1), (2)"), Q("select * from t"),
                          Q("select relpersistence from pg_class where oid = 't'::regclass"), Q("drop table t"),
                          Q("select * from t"), Q("select 1 as a into temp u"), Q("table u"), Q("discard temp"),
                          Q("table u")],
    "holdable cursors": [Q("begin"), Q("declare h cursor with hold for select generate_series(1, 5)"), Q("commit"),
                         Q("fetch 2 from h"), Q("fetch 2 from h"), Q("close h"), Q("fetch 1 from h")],
    "advisory locks": [Q("select pg_advisory_lock(77)"), Q("select pg_advisory_unlock(77)"),
                       Q("select pg_advisory_unlock(77)"), Q("select pg_try_advisory_lock(78)"),
                       Q("select pg_advisory_unlock_all()")],
    "sequences": [Q("create sequence q_here"), Q("select nextval('q_here')"),
                  Q("begin"), Q("select nextval('q_here')"), Q("select currval('q_here')"), Q("select lastval()"),
                  Q("commit"), Q("drop sequence q_here")],
    "two-phase": [Q("begin"), Q("insert into marks values (-1, 1, 'two-phase')"), Q("prepare transaction 'tp'"),
                  Q("rollback prepared 'tp'"), Q("rollback prepared 'tp'")],
    "roles": [Q("set role none"), Q("select current_user"), Q("set session authorization default"),
              Q("set role bob"), Q("reset role")],
    "large values": [m.once("select length($1::text), $1::text", ["y" * 300000]) + m.sync(),
                     Q("select length('" + "z" * 200000 + "')"), Q("select repeat('w', 3000000)")],
    "awkward text": [Q("select 'set x', $$begin; $$, \"a\" from (select 1 as \"a\") s -- commit"),
                     Q("/* begin */ select 1"),
                     Q("select e'\\' ; begin --'"), Q("select U&'\\0041'"), Q("begin /* ; */; rollback -- ;")],
}


def transcript(client, script):
    """Everything the server says to the script, as values."""
    said = []
    for part in script:
        said += client.ask(part, count=readies(part))
    return m.digest(said)


def readies(data):
    """How many ReadyForQuery the messages in data ask for: one a Query, FunctionCall or Sync."""
    count, at = 0, 0
    while at < len(data):
        count += data[at:at + 1] in b"QFS"
        at += 1 + int.from_bytes(data[at + 1:at + 5], "big")
    return count


def directly(postgres, script):
    with Raw(postgres.port) as client:
        return transcript(client.login("app", "app"), script)


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    return gateway_of_module(pool=2)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_the_same_transcript_through_the_pool(postgres, pool, name):
    with pool.login() as client:
        pooled = transcript(client, SCRIPTS[name])
        client.leave()
    assert pooled == directly(postgres, SCRIPTS[name])


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_the_same_transcript_among_neighbours(postgres, gateway_of_module, request, name):
    pool = request.getfixturevalue("busy")
    with pool.login() as client:
        pooled = transcript(client, SCRIPTS[name])
        client.leave()
    assert pooled == directly(postgres, SCRIPTS[name])


@pytest.fixture(scope="module")
def busy(gateway_of_module):
    """A gateway with a pool of three and four clients that keep taking servers from it."""
    gateway = gateway_of_module(pool=3, workers=2)
    with Neighbours(gateway, 4) as neighbours:
        yield gateway
    neighbours.check()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_stream_cut_at_random_places_is_the_same_stream(postgres, pool, name):
    dice = random.Random(name)
    whole = b"".join(SCRIPTS[name])
    expected = directly(postgres, SCRIPTS[name])
    with pool.login() as client:
        client.send_at(whole, dice.sample(range(1, len(whole)), min(12, len(whole) - 1)), pause=0.001)
        pooled = m.digest(client.until("Z", readies(whole)))
        client.leave()
    assert pooled == expected


SHORT = [Q("begin"), m.parse("n", "select $1::int") + m.bind("", "n", [5]) + m.execute() + m.sync(), Q("commit"),
         m.once("select 2") + m.flush() + m.close("S", "n") + m.sync(), Q("boom"),
         Q("copy (select 3) to stdout")]


@pytest.mark.slow
def test_a_stream_may_be_cut_at_every_byte(postgres, pool):
    expected = directly(postgres, SHORT)
    whole = b"".join(SHORT)
    for position in range(1, len(whole)):
        with pool.login() as client:
            client.send_at(whole, [position], pause=0.001)
            assert m.digest(client.until("Z", readies(whole))) == expected, f"cut after byte {position}"
            client.leave()


def test_a_stream_may_come_byte_by_byte(postgres, pool):
    whole = b"".join(SHORT)
    with pool.login() as client:
        client.send_at(whole, range(1, len(whole)), pause=0.0005)
        assert m.digest(client.until("Z", readies(whole))) == directly(postgres, SHORT)
        client.leave()


def test_the_startup_packet_may_be_cut_at_every_byte(pool):
    packet = m.startup("app", "app", application_name="cut")
    for position in range(1, len(packet)):
        with pool.raw() as client:
            client.send_at(packet, [position], pause=0.001)
            assert client.finish_login().value("show application_name") == "cut"
            client.leave()


PSQL = r"""
\set VERBOSITY verbose
\set SHOW_CONTEXT always
\echo start
select id, name from items where id < 4 order by id;
\d items
\dt
\d+ secrets
\df grumble
\dn
\l app
begin;
create table psql_t (a int primary key, b text);
\copy psql_t from pstdin csv
1,one
2,two
\.
select * from psql_t \gdesc
insert into psql_t values (1, 'again');
rollback;
select grumble('loud');
\set ON_ERROR_ROLLBACK on
begin;
select 1/0;
select 'still here' as x;
commit;
\copy (select id, name from items where id <= 3 order by id) to pstdout
select 'row ' || n as line from generate_series(1, 3) n \gx
set search_path = pg_catalog;
select count(*) > 0 from pg_class;
reset search_path;
\set FETCH_COUNT 10
select id from items where id <= 35 order by id;
\unset FETCH_COUNT
select 'select ' || n from generate_series(1, 3) n \gexec
show statement_timeout;
explain (costs off) select * from items where id = 1;
create temp table tt (a int);
insert into tt select generate_series(1, 5);
select sum(a) from tt;
drop table tt;
select current_user, session_user, current_database();
\encoding
\echo end
"""


def psql(port, **env):
    return programs.run("psql", "-X", "-e", "-h", "127.0.0.1", "-p", port, "-U", "app", "-d", "app", "-f", "-",
                        stdin=PSQL, check=False, PGCONNECT_TIMEOUT=10, **env)


@pytest.mark.parametrize("options", ["", "-c statement_timeout=5s -c search_path=public,pg_temp"])
def test_a_psql_script_prints_the_same_through_the_pool(postgres, busy, options):
    direct = psql(postgres.port, PGOPTIONS=options)
    pooled = psql(busy.pooled, PGOPTIONS=options)
    assert "end" in direct.stdout
    assert (pooled.returncode, pooled.stdout, pooled.stderr) == (direct.returncode, direct.stdout, direct.stderr)


def test_parameters_at_login_are_those_of_postgresql(postgres, pool):
    given = {"application_name": "me", "TimeZone": "Asia/Tokyo", "DateStyle": "German", "client_encoding": "latin1",
             "options": "-c intervalstyle=iso_8601 --extra_float_digits=2"}
    with Raw(postgres.port) as one, pool.raw() as other:
        direct = one.login("app", "app", **given).parameters
        pooled = other.login("app", "app", **given).parameters
        assert pooled == direct
        for name in ("intervalstyle", "extra_float_digits", "timezone", "client_encoding"):
            assert other.value(f"show {name}") == one.value(f"show {name}")
        other.leave()
