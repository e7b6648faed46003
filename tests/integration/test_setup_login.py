# SPDX-License-Identifier: PostgreSQL
"""test_setup_login - from `pgsluice setup` to a login, with what it prints and nothing else; and how soon changes of
a role count."""

import re
import threading
import time

import psycopg
import pytest

import messages as m
import programs
from certs import Certificates
from cluster import PASSWORDS, Cluster
from gate import command
from load import Neighbours
from rawpg import Refused, rows_of
from secure import connect, tls_options

SUBJECTS = """
create role good login password 'good-secret';
create role turner login password 'turner-0';
create role sleeper nologin password 'sleeper-secret';
create role expired login password 'expired-secret' valid until '2001-01-01';
create role fading login password 'fading-secret' valid until '2999-01-01';
create role chief login superuser password 'chief-secret';
grant select on items to turner
"""
REFUSED = 'password authentication failed for user "{}"'


@pytest.fixture(scope="module")
def pg():
    cluster = Cluster("setup-login")
    try:
        cluster.start().prepare().sql(SUBJECTS, dbname="app")
        yield cluster
    finally:
        cluster.destroy()


@pytest.fixture(scope="module")
def certificates():
    made = Certificates()
    yield made
    made.destroy()


@pytest.fixture(scope="module")
def printed(pg):
    """The line for passfile, as setup printed it."""
    done = command("setup", "--yes", f"host=127.0.0.1 port={pg.port} user=postgres", check=True)
    return re.search(r"^\*:\*:\*:pgsluice:\S+$", done.stdout, re.M)[0] + "\n"


@pytest.fixture(scope="module")
def gates(gateway_of_module, pg, printed, certificates):
    """gates(ttl): a gateway that looks secrets up, each started when it is first asked for."""
    started = {}

    def front(ttl="0s"):
        if ttl not in started:
            auth = {"auth_type": "scram-sha-256", "auth_user": "pgsluice", "passfile": "pgsluice.pass",
                    "auth_cache_ttl": ttl}
            started[ttl] = gateway_of_module(upstream=pg.port, pool=3, auth=auth, tls=tls_options(certificates),
                                             files={"pgsluice.pass": printed})
        return started[ttl]

    return front


def entry(gate, user, secret):
    """The empty text for a session as that user, or what the error says; one try, for libpq makes two over TLS."""
    try:
        with connect(gate.pooled, user, password=secret, sslmode="disable") as connection:
            assert connection.execute("select session_user").fetchone() == (user,)
            return ""
    except psycopg.OperationalError as trouble:
        return str(trouble)


@pytest.mark.parametrize("options", ["sslmode=disable", "sslmode=require channel_binding=require"])
def test_psql_logs_in_with_what_setup_printed(gates, options):
    done = programs.run("psql", "-XAtw", "-c", "select session_user", "-d",
                        f"host=127.0.0.1 port={gates().pooled} user=good dbname=app {options}",
                        PGPASSWORD="good-secret")
    assert done.stdout == "good\n"


@pytest.mark.parametrize("user", ["expired", "sleeper", "chief", "nobody"])
def test_who_may_not_log_in_hears_what_a_wrong_password_hears(gates, user):
    assert REFUSED.format("good") in entry(gates(), "good", "wrong")
    assert REFUSED.format(user) in entry(gates(), user, f"{user}-secret")


@pytest.fixture
def good(pg):
    yield
    pg.sql("alter role good login password 'good-secret' valid until 'infinity'")


def test_changes_of_a_role_count_at_once(gates, pg, good):
    for change, secret, wanted in (("password 'another'", "another", ""), ("nologin", "another", REFUSED),
                                   ("login", "another", ""), ("valid until '2001-01-01'", "another", REFUSED),
                                   ("valid until 'infinity' password 'good-secret'", "good-secret", "")):
        pg.sql(f"alter role good {change}")
        found = entry(gates(), "good", secret)
        assert not found if wanted == "" else REFUSED.format("good") in found, f"{change}: {found}"
    assert REFUSED.format("good") in entry(gates(), "good", "another")


def test_with_a_cache_a_changed_password_is_refused_once(gates, pg, good):
    gate = gates("60s")
    assert entry(gate, "good", "good-secret") == ""
    pg.sql("alter role good password 'another'")
    assert REFUSED.format("good") in entry(gate, "good", "another")
    assert entry(gate, "good", "another") == ""
    assert REFUSED.format("good") in entry(gate, "good", "good-secret")
    assert entry(gate, "good", "another") == ""


def test_a_look_up_without_postgresql_is_refused_quickly_and_works_again_afterwards(gates, pg):
    gate = gates()
    assert entry(gate, "good", "good-secret") == ""
    began = time.monotonic()
    pg.stop()
    try:
        for _ in range(3):
            with gate.raw() as client, pytest.raises(Refused) as refused:
                client.login("good", "app", "good-secret")
            assert refused.value.sqlstate == "08006" and "could not look up the user" in refused.value.fields["M"]
        assert time.monotonic() - began < 9, "client_login_timeout was expected to be none of it"
    finally:
        pg.start()
    programs.eventually(lambda: entry(gate, "good", "good-secret") == "", 15, what="a login after the restart")


def test_what_is_looked_up_is_never_told(gates, printed):
    log = gates().log()
    assert printed.strip().rsplit(":", 1)[1] not in log and "SCRAM-SHA-256$" not in log and "good-secret" not in log


# Passwords that change under load.

class Rotation:
    """The password of turner now: even versions are known, during odd ones it is being changed."""

    def __init__(self, pg):
        self.pg, self.version, self.logins, self.troubles = pg, 0, 0, []
        self.end = threading.Event()

    @property
    def secret(self):
        return f"turner-{self.version // 2}"

    def change(self):
        following = f"turner-{self.version // 2 + 1}"
        self.version += 1
        self.pg.sql(f"alter role turner password '{following}'")
        self.version += 1

    def log_in(self, gate):
        """Again and again; only a refusal while the password stayed what it was is one too many."""
        while not self.end.is_set():
            before, secret = self.version, self.secret
            found = entry(gate, "turner", secret)
            if found and before == self.version and before % 2 == 0:
                self.troubles.append(f"version {before}: {found}")
            self.logins += 1


@pytest.fixture
def rotation(pg):
    yield Rotation(pg)
    pg.sql("alter role turner password 'turner-0'")


def test_nobody_is_lost_or_refused_while_a_password_changes(gates, pg, rotation, monkeypatch):
    gate = gates()
    monkeypatch.setitem(PASSWORDS, "turner", "turner-0")
    threads = [threading.Thread(target=rotation.log_in, args=(gate,), daemon=True) for _ in range(4)]
    with Neighbours(gate, 8, user="turner") as neighbours:
        for thread in threads:
            thread.start()
        for _ in range(6):
            old, done, logins = rotation.secret, neighbours.done, rotation.logins
            rotation.change()
            assert entry(gate, "turner", rotation.secret) == ""
            assert REFUSED.format("turner") in entry(gate, "turner", old)
            programs.eventually(lambda: neighbours.done > done + 40 and rotation.logins > logins + 12, 30,
                                what="work and logins with the new password")
        rotation.end.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "a login hangs"
    neighbours.check()
    assert not rotation.troubles, rotation.troubles[:5]


# A question whose snapshot is taken at once and whose answer waits for a lock.
SLOW_QUERY = """with found as materialized (select rolname, rolpassword from pg_catalog.pg_authid where rolname = $1),
  gate as materialized (select pg_advisory_xact_lock_shared(77) from found)
select rolname, rolpassword from found where (select count(*) from gate) > 0"""


def knock(gate):
    return gate.raw().send(m.startup("good", "app"))


def test_a_login_never_gets_the_answer_to_a_question_older_than_itself(gateway, pg, good):
    auth = {"auth_type": "scram-sha-256", "auth_user": "keeper", "passfile": "passfile", "auth_query": SLOW_QUERY,
            "auth_dbname": "app"}
    gate = gateway(upstream=pg.port, auth=auth, files={"passfile": "*:*:*:keeper:keeper-secret\n"})
    asked = "usename = 'keeper' and wait_event_type = 'Lock'"
    with pg.connect() as holder:
        holder.execute("select pg_advisory_lock(77)")
        early = knock(gate)
        programs.eventually(lambda: len(pg.backends(asked)) == 1, 10, what="the first question")
        pg.sql("alter role good password 'another'")
        late = [knock(gate) for _ in range(4)]
        programs.eventually(lambda: len(pg.backends(asked)) == 2, 10, what="a second question")
    early.close()
    for client in late:
        assert client.finish_login("another").status == "I"
        client.leave()


def test_a_session_outlives_a_password_that_its_pool_does_not_know_yet(gates, pg, rotation):
    gate = gates()
    with gate.raw() as busy, gate.raw() as other:
        busy.login("turner", "app", "turner-0").query("begin")
        other.login("turner", "app", "turner-0")
        others = f"usename = 'turner' and pid <> {busy.value('select pg_backend_pid() + 0')}"
        other.value("select 1")
        rotation.change()
        pg.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where {others}")
        pg.quiet(others)
        before = gate.log().count("could not open a server connection: 28P01")
        other.send(m.query("select 'still here'"))
        programs.eventually(lambda: gate.log().count("could not open a server connection: 28P01") > before, 10,
                            what="PostgreSQL's refusal of the old password")
        assert entry(gate, "turner", "turner-1") == ""
        assert rows_of(other.until("Z")) == [["still here"]]
        busy.query("commit")
        busy.leave()
        other.leave()
