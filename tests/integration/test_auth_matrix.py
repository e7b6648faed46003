# SPDX-License-Identifier: PostgreSQL
"""test_auth_matrix - every auth_type, TLS mode of clients and TLS mode to PostgreSQL: who is let in, and how.
One gateway for each auth_type; its listeners are the modes, and a route for each leads to an upstream with its own."""

import collections

import psycopg
import pytest

import programs
from rawpg import Refused
from secure import SECRETS, connect, passfile, shown, tls_options, users_file
from tlsraw import BINDING, Exchange, Tls, binding_of, log_in, mechanisms

pytest_plugins = ("secure_fixtures",)

AUTH_TYPES = ["trust", "plain", "md5", "scram-sha-256", "cert", "hba", "relay"]
CLIENT_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
SERVER_MODES = ["disable", "require", "verify-full"]

# In clear alice gives an MD5 answer, over TLS a SCRAM proof, and app a certificate; paul may not come in at all.
RULES = """
# what the gateway itself decides
host      all  paul   127.0.0.1/32  reject
hostnossl all  alice  127.0.0.1/32  md5
hostssl   all  alice  127.0.0.1/32  scram-sha-256
hostssl   all  app    127.0.0.1/32  cert
"""


def place(client_mode, server_mode):
    return f"{client_mode}_{server_mode}".replace("-", "_")


def start(factory, secure, certificates, auth_type):
    """A gateway with a listener for every pair of modes, and an upstream for every server mode."""
    upstreams = [{"name": mode, "hosts": [f"localhost:{secure.port}"], "server_tls_sslmode": mode}
                 for mode in SERVER_MODES]
    cells = [(client, server) for client in CLIENT_MODES for server in SERVER_MODES]
    listeners = [{"name": place(*cell), "listen": ["127.0.0.1:0"], "mode": "transaction",
                  "client_tls_sslmode": cell[0]} for cell in cells]
    routes = [{"name": place(*cell), "match": {"listener": place(*cell)}, "mode": "transaction", "upstream": cell[1]}
              for cell in cells]
    auth = {"auth_type": auth_type, "passfile": "passfile"}
    files = {"passfile": passfile(SECRETS), "users.txt": users_file(), "hba.conf": RULES}
    if auth_type in ("plain", "md5", "scram-sha-256", "hba"):
        auth["auth_file"] = "users.txt"
    if auth_type == "hba":
        auth["auth_hba_file"] = "hba.conf"
    return factory(upstream=secure.port, pool=2, listeners=listeners, upstreams=upstreams, routes=routes, auth=auth,
                   tls=tls_options(certificates), files=files)


@pytest.fixture(scope="module")
def gates(gateway_of_module, secure, certificates):
    """gates(auth_type), each started when it is first asked for."""
    started = {}

    def gate(auth_type):
        if auth_type not in started:
            started[auth_type] = start(gateway_of_module, secure, certificates, auth_type)
        return started[auth_type]

    return gate


# What is expected. A Try is how a client comes; expect() says how it ends: "" for a row, or a part of the error.

Try = collections.namedtuple("Try", "user secret sslmode binding certificate", defaults=("prefer", None))

NO_TLS = "does not support SSL"
BAD_PASSWORD = "password authentication failed"
VERIFIED = ("verify-ca", "verify-full")


def user_of(auth_type):
    """Who logs in: whom PostgreSQL trusts where the gateway learns no secret, and has a certificate."""
    return "app" if auth_type == "cert" else "alice"


def tries(auth_type, client_mode):
    """Good and bad credentials, in clear and over TLS, with the certificate where one may be looked at."""
    user = user_of(auth_type)
    pair = user if client_mode in VERIFIED or auth_type == "cert" else None
    # Over two legs of TLS only what is not bound to the channel can be relayed.
    binding = "disable" if auth_type == "relay" else "prefer"
    for sslmode in ("disable", "require"):
        yield Try(user, SECRETS.get(user), sslmode, binding, pair)
        yield Try(user, "wrong", sslmode, binding, pair)


def expected(auth_type, client_mode, attempt):
    """The empty text, or what the error says."""
    encrypted = attempt.sslmode == "require"
    if encrypted and client_mode == "disable":
        return NO_TLS
    if not encrypted and client_mode in ("require", *VERIFIED):
        return "TLS|SSL"
    if auth_type == "cert":
        return "" if encrypted else "certificate|TLS|SSL"
    if attempt.secret == "wrong" and auth_type != "trust":
        return BAD_PASSWORD
    return ""


def keywords(attempt, certificates):
    given = {"user": attempt.user, "sslmode": attempt.sslmode, "channel_binding": attempt.binding}
    if attempt.secret:
        given["password"] = attempt.secret
    return given | (shown(certificates[attempt.certificate]) if attempt.certificate else {})


def outcome(port, certificates, attempt, server_mode):
    """The empty text when the login worked and both legs are what they should be, or the error."""
    try:
        with connect(port, **keywords(attempt, certificates)) as connection:
            assert connection.pgconn.ssl_in_use == (attempt.sslmode == "require")
            row = connection.execute("select session_user, ssl from pg_stat_ssl where pid = pg_backend_pid()")
            row = row.fetchone()
            assert row == (attempt.user, server_mode != "disable"), f"PostgreSQL sees {row}"
            return ""
    except psycopg.OperationalError as trouble:
        return str(trouble)


def agrees(found, wanted):
    return not found if wanted == "" else any(part in found for part in wanted.split("|"))


@pytest.mark.parametrize("server_mode", SERVER_MODES)
@pytest.mark.parametrize("client_mode", CLIENT_MODES)
@pytest.mark.parametrize("auth_type", AUTH_TYPES)
def test_who_is_let_in(gates, certificates, auth_type, client_mode, server_mode):
    port = gates(auth_type).ports[place(client_mode, server_mode)]
    wrong = []
    for attempt in tries(auth_type, client_mode):
        wanted, found = expected(auth_type, client_mode, attempt), outcome(port, certificates, attempt, server_mode)
        if not agrees(found, wanted):
            wrong.append(f"{attempt}: {wanted or 'a login'} was expected, found {found or 'a login'}")
    assert not wrong, "\n".join(wrong)


# The same through psql, whose libpq takes everything from its environment; a few cells for each auth_type.

def psql(port, attempt, certificates):
    """psql as somebody types it; returns its finished process."""
    env = {"PGPASSWORD": attempt.secret or "", "PGSSLMODE": attempt.sslmode, "PGCHANNELBINDING": attempt.binding,
           "PGSSLROOTCERT": "/nonexistent", "PGGSSENCMODE": "disable", "PGCONNECT_TIMEOUT": 20}
    if attempt.certificate:
        env |= {"PGSSLCERT": certificates[attempt.certificate].cert, "PGSSLKEY": certificates[attempt.certificate].key}
    return programs.run("psql", "-XAtqw", "-c", "select session_user", "-h", "127.0.0.1", "-p", port, "-U",
                        attempt.user, "-d", "app", check=False, **env)


@pytest.mark.parametrize("client_mode", ["prefer", "require", "verify-full"])
@pytest.mark.parametrize("auth_type", AUTH_TYPES)
def test_psql_is_let_in_and_kept_out_alike(gates, certificates, auth_type, client_mode):
    port = gates(auth_type).ports[place(client_mode, "require")]
    for attempt in tries(auth_type, client_mode):
        wanted, done = expected(auth_type, client_mode, attempt), psql(port, attempt, certificates)
        assert agrees("" if done.returncode == 0 else done.stderr, wanted), f"{attempt}: {done.stderr or done.stdout}"
        assert wanted or done.stdout == attempt.user + "\n"


# What libpq's own sslmode makes of each mode of the listener.

LIBPQ_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


def libpq_meets(client_mode, sslmode):
    """Whether the session is encrypted, or None when there is none."""
    wants, must = sslmode not in ("disable", "allow"), sslmode in ("require", *VERIFIED)
    if client_mode == "disable":
        return None if must else False
    if client_mode in ("require", *VERIFIED):
        return None if sslmode == "disable" else True
    return wants


@pytest.mark.parametrize("client_mode", CLIENT_MODES)
@pytest.mark.parametrize("sslmode", LIBPQ_MODES)
def test_libpqs_modes_meet_the_listeners(gates, certificates, client_mode, sslmode):
    port = gates("trust").ports[place(client_mode, "disable")]
    wanted = libpq_meets(client_mode, sslmode)
    given = {"sslmode": sslmode, "host": "localhost", "hostaddr": "127.0.0.1"} | shown(certificates["app"])
    if sslmode in VERIFIED:
        given["sslrootcert"] = str(certificates.ca)
    try:
        with connect(port, **given) as connection:
            found = connection.pgconn.ssl_in_use
    except psycopg.OperationalError:
        found = None
    assert found is wanted


# Channel binding.

Bound = collections.namedtuple("Bound", "auth_type sslmode client_mode server_mode wanted")

# With channel_binding=require libpq accepts nothing but SCRAM-SHA-256-PLUS.
REQUIRED = [
    Bound("scram-sha-256", "require", "prefer", "disable", ""),
    Bound("scram-sha-256", "require", "require", "require", ""),
    Bound("scram-sha-256", "require", "require", "verify-full", ""),
    Bound("hba", "require", "require", "require", ""),
    Bound("md5", "require", "require", "require", "channel binding"),
    Bound("plain", "require", "require", "require", "channel binding"),
    Bound("trust", "require", "require", "require", "channel binding"),
    Bound("scram-sha-256", "disable", "prefer", "require", "channel binding"),
    Bound("relay", "require", "require", "disable", "channel binding"),
    Bound("relay", "require", "require", "require", "channel binding"),
    Bound("relay", "require", "require", "verify-full", "channel binding"),
]


@pytest.mark.parametrize("cell", REQUIRED, ids=lambda cell: "-".join(cell[:4]))
def test_a_required_channel_binding_works_or_is_refused(gates, certificates, cell):
    attempt = Try("alice", SECRETS["alice"], cell.sslmode, "require")
    found = outcome(gates(cell.auth_type).ports[place(cell.client_mode, cell.server_mode)], certificates, attempt,
                    cell.server_mode)
    assert agrees(found, cell.wanted), found
    done = psql(gates(cell.auth_type).ports[place(cell.client_mode, cell.server_mode)], attempt, certificates)
    assert agrees("" if done.returncode == 0 else done.stderr, cell.wanted), done.stderr


@pytest.mark.parametrize("flag", ["y", "p"])
def test_what_cannot_be_relayed_between_two_legs_of_tls_is_refused_with_a_hint(gates, flag):
    """PostgreSQL sees another certificate than the client, and takes the `y` of a client without PLUS for an attack."""
    with Tls(gates("relay").ports[place("require", "require")]) as client:
        with pytest.raises(Refused) as refused:
            offered = mechanisms(client, "alice")
            if flag == "p":
                exchange = Exchange(SECRETS["alice"], f"p={BINDING}", binding_of(client.certificate))
                log_in(client, "SCRAM-SHA-256-PLUS" if len(offered) > 1 else "SCRAM-SHA-256", exchange)
            else:
                log_in(client, "SCRAM-SHA-256", Exchange(SECRETS["alice"], "y"))
        if flag == "y" or len(offered) > 1:
            assert refused.value.fields.get("H"), refused.value.fields


@pytest.mark.parametrize("server_mode", SERVER_MODES)
@pytest.mark.parametrize("client_mode, sslmode", [("disable", "disable"), ("prefer", "disable"), ("prefer", "require")])
def test_relay_with_what_libpq_does_by_default(gates, certificates, client_mode, sslmode, server_mode):
    """A client in clear is never offered PLUS, although PostgreSQL offers it on its leg; libpq would stop at that."""
    port = gates("relay").ports[place(client_mode, server_mode)]
    found = outcome(port, certificates, Try("alice", SECRETS["alice"], sslmode, "prefer"), server_mode)
    if sslmode == "require" and server_mode != "disable":
        assert "HINT" in found, found
    else:
        assert found == ""


@pytest.mark.parametrize("client_mode", ["prefer", "require"])
@pytest.mark.parametrize("user", ["paul", "mia", "alice", "carol"])
def test_relay_brings_every_method_of_postgresql_to_the_client(gates, certificates, user, client_mode):
    """What PostgreSQL asks for - a clear password, MD5, SCRAM - is asked of the client."""
    for server_mode in SERVER_MODES:
        port = gates("relay").ports[place(client_mode, server_mode)]
        for secret, wanted in ((SECRETS[user], ""), ("wrong", BAD_PASSWORD)):
            found = outcome(port, certificates, Try(user, secret, "require", "disable"), server_mode)
            assert agrees(found, wanted), f"{user} {server_mode}: {found}"


@pytest.mark.parametrize("server_mode", SERVER_MODES)
def test_hba_decides_by_user_and_by_tls(gates, certificates, server_mode):
    port = gates("hba").ports[place("prefer", server_mode)]
    for attempt, wanted in ((Try("paul", SECRETS["paul"], "require"), "reject"),
                            (Try("carol", SECRETS["carol"], "require"), "no line of|no pg_hba.conf entry"),
                            (Try("app", None, "disable"), "no line of|no pg_hba.conf entry"),
                            (Try("app", None, "require"), "certificate"),
                            (Try("app", None, "require", "prefer", "alice"), "certificate"),
                            (Try("app", None, "require", "prefer", "app"), "")):
        found = outcome(port, certificates, attempt, server_mode)
        assert agrees(found, wanted), f"{attempt}: {found or 'a login'}"


# The cells that are PostgreSQL's own, asked of PostgreSQL itself.

DIRECT = [
    (Try("app", None, "disable"), ""), (Try("app", None, "require"), ""),
    (Try("paul", SECRETS["paul"], "disable"), ""), (Try("paul", "wrong", "require"), BAD_PASSWORD),
    (Try("mia", SECRETS["mia"], "require"), ""), (Try("mia", "wrong", "disable"), BAD_PASSWORD),
    (Try("alice", SECRETS["alice"], "disable"), ""), (Try("alice", "wrong", "require"), BAD_PASSWORD),
    (Try("alice", SECRETS["alice"], "require", "require"), ""),
    (Try("alice", SECRETS["alice"], "disable", "require"), "channel binding"),
    (Try("mia", SECRETS["mia"], "require", "require"), "channel binding"),
    (Try("paul", SECRETS["paul"], "require", "require"), "channel binding"),
    (Try("app", None, "require", "require"), "channel binding"),
    (Try("cora", None, "require", "prefer", "cora"), ""), (Try("cora", None, "require"), "certificate"),
    (Try("cora", None, "require", "prefer", "app"), "certificate"),
]


@pytest.mark.parametrize("attempt, wanted", DIRECT, ids=lambda value: "-".join(map(str, value[2:])) or "ok"
                         if isinstance(value, tuple) else value or "in")
def test_postgresql_itself_lets_in(secure, certificates, attempt, wanted):
    found = outcome(secure.port, certificates, attempt, "disable" if attempt.sslmode == "disable" else "require")
    assert agrees(found, wanted), found
    done = psql(secure.port, attempt, certificates)
    assert agrees("" if done.returncode == 0 else done.stderr, wanted), done.stderr
