# SPDX-License-Identifier: PostgreSQL
"""test_setup - `pgsluice setup` makes what auth_query needs, once, and gives nobody else a secret."""

import re

import psycopg
import pytest

from cluster import Cluster
from gate import command

PASSWORD_FILE = {"password": "lookup-secret\n"}
CALL = "select name, secret from pgsluice.user_secret(%s)"
SUBJECTS = """
create role good login password 'good-secret';
create role sleeper nologin password 'x';
create role expired login password 'x' valid until '2001-01-01';
create role forever login password 'x' valid until 'infinity';
create role bare login;
create role "o'hara ""x"" " login password 'x';
create role chief login superuser password 'x';
create role copier login replication password 'x';
"""


@pytest.fixture(scope="module")
def pg():
    cluster = Cluster("setup")
    try:
        cluster.start().prepare().sql(SUBJECTS, dbname="postgres")
        yield cluster
    finally:
        cluster.destroy()


@pytest.fixture
def fresh(pg):
    """A database without anything of setup's."""
    pg.sql('drop schema if exists pgsluice cascade', dbname="postgres")
    pg.sql('drop role if exists pgsluice', dbname="postgres")
    return pg


def set_up(pg, *arguments, user="postgres", files=None, check=True):
    """`pgsluice setup` as `user`; with check it must succeed."""
    done = command("setup", *arguments, f"host=127.0.0.1 port={pg.port} user={user}", files=PASSWORD_FILE | (files or {}))
    if check:
        assert done.returncode == 0, done.stderr + done.stdout
    return done


def made(pg, *arguments):
    set_up(pg, "--yes", "--password-file", "password", *arguments)
    return pg


def asked(pg, name, user="pgsluice", dbname="postgres", **keywords):
    with pg.connect(user=user, dbname=dbname, password="lookup-secret", **keywords) as connection:
        return connection.execute(CALL, [name]).fetchall()


def state(pg, dbname="postgres"):
    """Everything that setup makes, as the catalogs have it."""
    return pg.sql("select n.xmin::text, n.nspacl::text, p.xmin::text, p.proacl::text, p.prosrc from pg_namespace n"
                  " left join pg_proc p on p.pronamespace = n.oid where nspname = 'pgsluice'", dbname=dbname), \
        pg.sql("select xmin::text, rolpassword from pg_authid where rolname = 'pgsluice'", dbname="postgres")


def test_the_role_gets_secrets_and_can_do_nothing_else(fresh):
    made(fresh)
    stored = fresh.value("select rolpassword from pg_authid where rolname = 'good'")
    assert asked(fresh, "good") == [("good", stored)]
    rights = fresh.sql("select rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,"
                       " rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'pgsluice'")
    assert rights == [(True, False, False, False, False, False, True)]
    with fresh.connect(user="pgsluice", dbname="postgres", password="lookup-secret") as connection:
        for attempt in ["select * from pg_authid", "create table pgsluice.t ()", "drop function pgsluice.user_secret"]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(attempt)


@pytest.mark.parametrize("name", ["sleeper", "expired", "bare", "chief", "nobody", "", "GOOD", "good' or true --",
                                  "o'hara \"x\"", "x" * 200])
def test_who_may_not_log_in_has_no_row(pg, name):
    made(pg)
    assert asked(pg, name) == []


@pytest.mark.parametrize("name", ["good", "forever", "copier", "o'hara \"x\" ", "pgsluice"])
def test_who_may_log_in_has_one_row(pg, name):
    made(pg)
    assert [row[0] for row in asked(pg, name)] == [name]


def test_superusers_are_known_only_when_asked_for(fresh):
    made(fresh, "--include-superusers")
    assert [row[0] for row in asked(fresh, "chief")] == ["chief"]
    assert asked(fresh, "sleeper") == []
    made(fresh)
    assert asked(fresh, "chief") == []


def test_a_second_run_changes_nothing_and_says_so(fresh):
    made(fresh)
    before = state(fresh)
    for arguments in [("--yes",), (), ("--yes", "--password-file", "password")]:
        done = set_up(fresh, *arguments)
        assert "already so" in done.stdout and "Nothing to do." in done.stdout and ";" not in done.stdout
        assert state(fresh) == before


def test_print_shows_sql_that_works_and_changes_nothing(fresh):
    done = set_up(fresh, "--print", "--password-file", "password")
    assert fresh.value("select count(*) from pg_roles where rolname = 'pgsluice'") == 0
    assert fresh.value("select count(*) from pg_namespace where nspname = 'pgsluice'", dbname="postgres") == 0
    assert "lookup-secret" not in done.stdout
    with fresh.connect(dbname="postgres") as connection:
        connection.execute(done.stdout)
    assert "already so" in set_up(fresh, "--print").stdout
    assert [row[0] for row in asked(fresh, "good")] == ["good"]


def test_without_a_yes_nothing_happens(fresh):
    done = set_up(fresh, check=False)
    assert done.returncode == 1 and "nothing was changed" in done.stderr and "CREATE ROLE" in done.stdout
    assert fresh.value("select count(*) from pg_roles where rolname = 'pgsluice'") == 0


@pytest.mark.parametrize("how", ["--yes", "--print"])
def test_a_random_password_is_shown_once_ready_for_both_files(fresh, how):
    done = set_up(fresh, how)
    if how == "--print":
        with fresh.connect(dbname="postgres") as connection:
            connection.execute(done.stdout)
    password = re.search(r'^(?:-- )?"pgsluice" "([^"]+)"$', done.stdout, re.M)[1]
    assert len(password) == 32
    assert re.search(rf"^(?:-- )?\*:\*:\*:pgsluice:{re.escape(password)}$", done.stdout, re.M)
    with fresh.connect(user="pgsluice", dbname="postgres", password=password) as connection:
        assert connection.execute(CALL, ["good"]).fetchone()[0] == "good"
    assert password not in fresh.log() and password not in set_up(fresh, how).stdout


def test_a_given_password_replaces_another(fresh):
    made(fresh)
    assert "keeps its password" in set_up(fresh).stdout
    done = set_up(fresh, "--yes", "--password-file", "password", files={"password": "another\n"})
    assert "ALTER ROLE" in done.stdout
    with fresh.connect(user="pgsluice", dbname="postgres", password="another") as connection:
        connection.execute("select 1")
    assert "another" not in fresh.log()


@pytest.mark.parametrize("role", ['Mixed Case', 'quote"d', "o'hara; drop role good --", "näme", "r" * 63, "back\\slash"])
def test_any_name_of_a_role_is_quoted(pg, role):
    set_up(pg, "--yes", "--role", role, "--password-file", "password")
    assert "already so" in set_up(pg, "--yes", "--role", role, "--password-file", "password").stdout
    try:
        assert [row[0] for row in asked(pg, "good", user=role)] == ["good"]
    finally:
        pg.sql('drop schema pgsluice cascade', dbname="postgres")
        with pg.connect(dbname="postgres") as connection:
            connection.execute(psycopg.sql.SQL("drop role {}").format(psycopg.sql.Identifier(role)))
    assert pg.value("select count(*) from pg_roles where rolname = 'good'") == 1


def test_several_databases_with_odd_names(fresh):
    odd = 'we"ird = name'
    with fresh.connect(dbname="postgres") as connection:
        connection.execute('create database "we""ird = name"')
        connection.execute('revoke connect on database "we""ird = name" from public')
    try:
        done = set_up(fresh, "--yes", "--password-file", "password", "--database", "app", "--database", odd)
        assert done.stdout.count("CREATE ROLE") == 1 and done.stdout.count("CREATE SCHEMA") == 2
        for name in ["app", odd]:
            assert [row[0] for row in asked(fresh, "good", dbname=name)] == ["good"]
        again = set_up(fresh, "--database", "app", "--database", odd)
        assert again.stdout.count("already so") == 2
    finally:
        fresh.sql("drop schema pgsluice cascade", dbname="app")
        with fresh.connect(dbname="postgres") as connection:
            connection.execute('drop database "we""ird = name" with (force)')


def test_nobody_else_may_call_it_whatever_was_granted_before(fresh):
    fresh.sql("alter default privileges grant execute on functions to bob", dbname="postgres")
    try:
        made(fresh)
        for user in ["bob", "app"]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                asked(fresh, "good", user=user)
    finally:
        fresh.sql("alter default privileges revoke execute on functions from bob", dbname="postgres")
    fresh.sql("grant usage, create on schema pgsluice to public, bob;\n"
              "grant execute on function pgsluice.user_secret to public, app", dbname="postgres")
    assert "REVOKE" in set_up(fresh, "--yes").stdout
    for user in ["bob", "app"]:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            asked(fresh, "good", user=user)
    assert not fresh.value("select has_schema_privilege('bob', 'pgsluice', 'CREATE')", dbname="postgres")
    assert "already so" in set_up(fresh, "--print").stdout
    assert [row[0] for row in asked(fresh, "good")] == ["good"]


OLDER = {
    "another body": "create function pgsluice.user_secret(text) returns table (name text, secret text) language sql as"
                    " $$ select 'good', 'old' $$",
    "another result": "create function pgsluice.user_secret(text) returns text language sql as $$ select 'old' $$",
    "a named parameter": "create function pgsluice.user_secret(who text) returns table (name text, secret text)"
                         " language sql as $$ select 'good', 'old' $$",
}


@pytest.mark.parametrize("name", OLDER)
def test_an_older_function_is_replaced(fresh, name):
    fresh.sql("create schema pgsluice;\n" + OLDER[name], dbname="postgres")
    made(fresh)
    assert asked(fresh, "good")[0][1].startswith("SCRAM-SHA-256$")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        asked(fresh, "good", user="bob")
    assert "already so" in set_up(fresh, "--print").stdout


def test_a_schema_or_function_of_somebody_else_is_refused(fresh):
    fresh.sql("create schema pgsluice authorization bob", dbname="postgres")
    done = set_up(fresh, "--yes", check=False)
    assert done.returncode == 1 and 'owned by "bob"' in done.stderr
    fresh.sql("drop schema pgsluice;\ncreate schema pgsluice;\n" + OLDER["another body"] +
              ";\nalter function pgsluice.user_secret owner to bob", dbname="postgres")
    done = set_up(fresh, "--yes", check=False)
    assert done.returncode == 1 and 'owned by "bob"' in done.stderr
    assert fresh.value("select count(*) from pg_roles where rolname = 'pgsluice'") == 0


HOSTILE = """
create schema trap;
create function trap.now() returns timestamptz language sql as $$ select '2000-01-01'::timestamptz $$;
create function trap.mine(name, text) returns boolean language sql as $$ select true $$;
create function trap.mine(timestamptz, timestamptz) returns boolean language sql as $$ select true $$;
create operator trap.= (leftarg = name, rightarg = text, function = trap.mine);
create operator trap.> (leftarg = timestamptz, rightarg = timestamptz, function = trap.mine);
create view trap.pg_authid as select 'expired'::name rolname, 'trapped'::text rolpassword, true rolcanlogin,
  null::timestamptz rolvaliduntil, false rolsuper;
grant usage on schema trap to public;
grant select on trap.pg_authid to public
"""


def test_a_hostile_search_path_changes_nothing(fresh):
    fresh.sql(HOSTILE, dbname="postgres")
    fresh.sql("alter role postgres set search_path = trap, pg_catalog", dbname="postgres")
    fresh.sql("alter database postgres set search_path = trap, pg_catalog", dbname="postgres")
    try:
        made(fresh)
        assert "already so" in set_up(fresh, "--print").stdout
        path = {"options": "-c search_path=trap,pg_catalog"}
        assert asked(fresh, "expired", **path) == [] and asked(fresh, "nobody", **path) == []
        assert [row[0] for row in asked(fresh, "good", **path)] == ["good"]
        with fresh.connect(user="pgsluice", dbname="postgres", password="lookup-secret") as connection:
            connection.execute("create temp view pg_authid as select * from trap.pg_authid")
            assert connection.execute(CALL, ["expired"]).fetchall() == []
    finally:
        fresh.sql("alter role postgres reset search_path", dbname="postgres")
        fresh.sql("alter database postgres reset search_path", dbname="postgres")
        fresh.sql("drop schema trap cascade", dbname="postgres")


def test_what_cannot_be_done_is_said(fresh):
    wrong = command("setup", "--yes", f"host=127.0.0.1 port={fresh.port} user=alice password=wrong")
    assert wrong.returncode == 1 and "password" in wrong.stderr and not wrong.stdout
    poor = set_up(fresh, "--yes", user="bob", check=False)
    assert poor.returncode == 1 and "Connect as a superuser" in poor.stderr
    boss = set_up(fresh, "--yes", "--role", "chief", check=False)
    assert boss.returncode == 1 and "superuser" in boss.stderr
    gone = set_up(fresh, "--yes", "--database", "not there", check=False)
    assert gone.returncode == 1 and "not there" in gone.stderr
    empty = set_up(fresh, "--yes", "--password-file", "password", files={"password": "\n"}, check=False)
    assert empty.returncode == 1 and "found none" in empty.stderr
    assert fresh.value("select count(*) from pg_roles where rolname = 'pgsluice'") == 0


@pytest.mark.parametrize("arguments", [["--role"], ["--wrong"], ["a=b", "c=d"], ["--role", ""], ["--role", "x" * 64],
                                       ["--role", "a\nb"], ["mydb"], ["--database", "a", "--database", "a"]])
def test_a_wrong_call_is_answered_with_usage(arguments):
    done = command("setup", *arguments)
    assert done.returncode == 2 and "usage: pgsluice setup" in done.stderr and not done.stdout


def test_role_and_database_come_from_the_configuration(fresh):
    config = """listeners = ( { name = "a"; listen = [ "127.0.0.1:1" ]; mode = "transaction"; } );
upstreams = ( { name = "main"; hosts = [ "127.0.0.1:5432" ]; } );
auth = { auth_type = "scram-sha-256"; auth_user = "looker"; auth_dbname = "app"; };
"""
    done = set_up(fresh, "--print", "-c", "pgsluice.conf", files={"pgsluice.conf": config})
    assert 'CREATE ROLE "looker"' in done.stdout and 'in the database "app"' in done.stdout
    assert command("setup", "-c", "absent.conf").returncode == 2
    assert "--include-superusers" in command("setup", "--help").stdout
