# SPDX-License-Identifier: PostgreSQL
"""test_forced_user - who the pool is to PostgreSQL: a route's own user whoever the client is, and passwords of passfile
for clients that showed none."""

import psycopg
import pytest

from gate import command, configuration
from rawpg import Refused
from secure import SECRETS, connect, passfile, shown, tls_options, users_file

pytest_plugins = ("secure_fixtures",)

ROUTE = {"name": "shared", "match": {"database": "app"}, "mode": "transaction", "user": "alice"}
CLIENTS = {"bob": "bob-secret", "dumper": "dumper-secret"}


def forced_gate(gateway, secure, auth_type, sources, **more):
    """A gateway where everybody is alice in the database app; `sources` are files with her password, or not."""
    files = {"users.txt": users_file(CLIENTS | sources.get("users", {})),
             "passfile": passfile({"nobody": "x"} | sources.get("pass", {}))}
    auth = {"auth_type": auth_type, "auth_file": "users.txt", "passfile": "passfile"} | more.pop("auth", {})
    return gateway(upstream=secure.port, pool=1, routes=[ROUTE], auth=auth, files=files | more.pop("files", {}), **more)


def session(port, user, secret, **keywords):
    with connect(port, user, password=secret, **keywords) as connection:
        return connection.execute("select session_user, current_user, pg_backend_pid()").fetchone()


HERS = {"alice": SECRETS["alice"]}
SOURCES = {"auth_file": {"users": HERS}, "passfile": {"pass": HERS},
           "passfile before auth_file": {"pass": HERS, "users": {"alice": "wrong"}}}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("auth_type", ["trust", "plain", "md5", "scram-sha-256"])
def test_every_client_is_the_routes_user_and_all_share_its_pool(gateway, secure, auth_type, source):
    gate = forced_gate(gateway, secure, auth_type, SOURCES[source])
    found = [session(gate.pooled, user, secret) for user, secret in (CLIENTS | CLIENTS).items()]
    assert {row[:2] for row in found} == {("alice", "alice")}
    assert len({row[2] for row in found}) == 1, "clients of two users were expected to share one server"
    assert session(gate.pooled, "bob", "bob-secret", dbname="postgres")[:2] == ("bob", "bob")
    if auth_type != "trust":
        for secret in ("wrong", SECRETS["alice"]):
            with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "bob"'):
                session(gate.pooled, "bob", secret)


def test_a_certificates_user_is_the_routes_user_too(gateway, secure, certificates):
    gate = forced_gate(gateway, secure, "cert", {"pass": HERS}, tls=tls_options(certificates))
    found = session(gate.pooled, "carol", None, sslmode="require", **shown(certificates["carol"]))
    assert found[:2] == ("alice", "alice")


@pytest.mark.parametrize("auth_type", ["trust", "plain", "md5", "scram-sha-256"])
def test_a_clients_own_password_never_opens_a_server_of_the_routes_user(gateway, secure, auth_type):
    """bob's password here is what PostgreSQL knows as alice's."""
    gate = forced_gate(gateway, secure, auth_type, {}, files={"users.txt": users_file({"bob": SECRETS["alice"]})})
    since = secure.log_since()
    with pytest.raises(psycopg.OperationalError, match='user "alice", and pgsluice has nothing to answer with'):
        session(gate.pooled, "bob", SECRETS["alice"])
    assert "connection authorized: user=alice" not in since()


def test_a_routes_user_cannot_be_had_where_there_is_no_login_of_our_own():
    def problems(auth, mode):
        config = configuration(5432, auth=auth, routes=[ROUTE | {"mode": mode}])
        done = command("check", "-c", "pgsluice.conf", files={"pgsluice.conf": config, "users.txt": ""})
        assert done.returncode == 2
        return done.stderr

    said = problems({"auth_type": "relay"}, "transaction")
    assert '"relay" cannot log in as another user, which the route "shared" wants' in said and "pgsluice.conf:" in said
    for mode in ("direct", "reject"):
        said = problems({"auth_type": "trust"}, mode)
        assert f'in a session of mode "{mode}" clients log in to' in said and "pgsluice.conf:" in said


# Passwords towards PostgreSQL for clients that are trusted.

PASSFILE = """
# The first line that fits counts.
*:*:postgres:alice:wrong
127.0.0.1:{port}:app:mia:mia-secret
127.0.0.1:*:*:paul:paul-secret
127.0.0.1:1:*:alice:another-port
elsewhere:*:*:alice:another-host
*:{port}:*:alice:alice-secret
*:*:*:old:wrong
*:*:*:carol:pa ss'w"ord\\\\ €
*:*:*:*:keeper-secret
"""


@pytest.fixture(scope="module")
def trusting(gateway_of_module, secure):
    return gateway_of_module(upstream=secure.port, pool=2, auth={"auth_type": "trust", "passfile": "passfile"},
                             files={"passfile": PASSFILE.format(port=secure.port)})


@pytest.mark.parametrize("user", ["alice", "mia", "paul", "carol", "keeper"])
def test_a_line_of_passfile_answers_whatever_postgresql_asks(trusting, user):
    assert session(trusting.pooled, user, None)[0] == user


@pytest.mark.parametrize("user, dbname", [("alice", "postgres"), ("old", "app"), ("mia", "postgres")])
def test_a_wrong_password_of_passfile_brings_postgresqls_own_error(trusting, secure, user, dbname):
    with pytest.raises(psycopg.OperationalError) as direct:
        session(secure.port, user, "wrong", dbname=dbname)
    with trusting.raw() as client, pytest.raises(Refused) as refused:
        client.login(user, dbname)
    assert refused.value.sqlstate == "28P01" and refused.value.fields["M"] in str(direct.value)


def test_direct_sessions_get_nothing_of_passfile(trusting):
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        session(trusting.direct, "alice", None)
