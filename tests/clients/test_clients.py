# SPDX-License-Identifier: PostgreSQL
"""test_clients - JDBC, pgx and node-postgres log in by every method, with TLS and without, and work as always.
`make check-clients` installs the drivers and runs this; each cell that PostgreSQL knows is asked of it too."""

import collections
import json
import os
import subprocess

import pytest

import programs
from certs import openssl
from secure import SECRETS, passfile, tls_options, users_file

pytest_plugins = ("secure_fixtures",)

BUILT = programs.ROOT / "build/clients"
COMMANDS = {
    "jdbc": ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-cp", f"{BUILT}/jdbc:{BUILT}/jdbc/*",
             "Session"],
    "pgx": [f"{BUILT}/pgx/session"],
    "node": ["node", f"{BUILT}/node/session.js"],
}
LANGUAGES = list(COMMANDS)

# These say which drivers know what: pgx 5.5, the last for Go 1.19, binds no channels.
BINDS = ("jdbc", "node")

SUM = sum(turn + 1 for turn in range(20))

RULES = """
hostssl   all alice 127.0.0.1/32 scram-sha-256
hostnossl all alice 127.0.0.1/32 md5
"""

Try = collections.namedtuple("Try", "user secret sslmode certificate binding negotiation",
                             defaults=(None, None, "", "", ""))


@pytest.fixture(scope="session")
def keys(certificates):
    """JDBC takes keys as PKCS #8 in DER only."""
    for name in ("app", "cora"):
        openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in", certificates[name].key, "-out",
                certificates.path(name + ".pk8"))
        certificates.path(name + ".pk8").chmod(0o600)
    return certificates


def run(language, port, attempt, keys):
    """What the program printed, as a dict."""
    given = {"HOST": "localhost", "PORT": port, "DATABASE": "app", "USER": attempt.user, "PASSWORD": attempt.secret,
             "SSLMODE": attempt.sslmode, "BINDING": attempt.binding, "NEGOTIATION": attempt.negotiation}
    if attempt.sslmode.startswith("verify"):
        given["CA"] = keys.ca
    if attempt.certificate:
        given |= {"CERT": keys[attempt.certificate].cert, "KEY": keys[attempt.certificate].key,
                  "KEY_DER": keys.path(attempt.certificate + ".pk8")}
    env = {"CLIENT_" + name: str(value) for name, value in given.items() if value}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    done = subprocess.run(COMMANDS[language], env=kept | env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stdout, f"{language} ended with {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def let_in(found, attempt, server_tls):
    assert found == {"user": attempt.user, "sum": SUM, "rolled_back": True, "server_tls": server_tls}, found


def kept_out(found, words="password authentication failed", sqlstates=("28P01",)):
    assert "sum" not in found and words in found["error"].lower() and found["sqlstate"] in sqlstates, found


@pytest.fixture(scope="module")
def gates(gateway_of_module, secure, keys):
    """gates(auth_type, server mode), each started when it is first asked for."""
    started = {}

    def gate(auth_type, server="verify-full"):
        if (auth_type, server) not in started:
            auth = {"auth_type": auth_type, "passfile": "passfile"}
            files = {"passfile": passfile(SECRETS), "users.txt": users_file(), "hba.conf": RULES}
            if auth_type in ("plain", "md5", "scram-sha-256", "hba"):
                auth["auth_file"] = "users.txt"
            if auth_type == "hba":
                auth["auth_hba_file"] = "hba.conf"
            started[auth_type, server] = gateway_of_module(hosts=[f"localhost:{secure.port}"], auth=auth, files=files,
                                                           tls=tls_options(keys, server=server))
        return started[auth_type, server]

    return gate


DIRECT = [("app", "", True), ("paul", "", True), ("mia", "", True), ("alice", "", True), ("cora", "cora", True),
          ("alice", "", False), ("mia", "", False), ("paul", "", False)]


@pytest.mark.parametrize("user, certificate, encrypted", DIRECT)
@pytest.mark.parametrize("language", LANGUAGES)
def test_postgresql_itself_lets_them_in(secure, keys, language, user, certificate, encrypted):
    attempt = Try(user, SECRETS.get(user), "verify-full" if encrypted else "disable", certificate)
    let_in(run(language, secure.port, attempt, keys), attempt, encrypted)


@pytest.mark.parametrize("language", LANGUAGES)
def test_postgresql_itself_keeps_wrong_passwords_out(secure, keys, language):
    kept_out(run(language, secure.port, Try("alice", "wrong", "require"), keys))


@pytest.mark.parametrize("language", BINDS)
def test_postgresql_itself_binds_their_channels(secure, keys, language):
    attempt = Try("alice", SECRETS["alice"], "require", "", "require")
    let_in(run(language, secure.port, attempt, keys), attempt, True)


AUTH_TYPES = ["trust", "plain", "md5", "scram-sha-256", "hba", "relay", "cert"]


@pytest.mark.parametrize("sslmode", ["disable", "require", "verify-full"])
@pytest.mark.parametrize("auth_type", AUTH_TYPES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_they_are_let_in_by_every_method(gates, keys, language, auth_type, sslmode):
    if auth_type == "cert" and sslmode == "disable":
        pytest.skip("a certificate needs TLS")
    user, certificate = ("app", "app") if auth_type == "cert" else ("alice", "")
    # Relayed SCRAM cannot be bound to a channel of two legs, so the server's leg is in clear there.
    server = "disable" if auth_type == "relay" else "verify-full"
    attempt = Try(user, SECRETS.get(user), sslmode, certificate)
    for listener in ("pooled", "direct") if auth_type == "relay" else ("pooled",):
        found = run(language, gates(auth_type, server).ports[listener], attempt, keys)
        let_in(found, attempt, server != "disable")


@pytest.mark.parametrize("sslmode", ["disable", "require"])
@pytest.mark.parametrize("auth_type", ["plain", "md5", "scram-sha-256", "hba", "relay"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_wrong_passwords_are_kept_out(gates, keys, language, auth_type, sslmode):
    server = "disable" if auth_type == "relay" else "verify-full"
    kept_out(run(language, gates(auth_type, server).pooled, Try("alice", "wrong", sslmode), keys))


@pytest.mark.parametrize("language", BINDS)
def test_a_required_channel_binding_works(gates, keys, language):
    attempt = Try("alice", SECRETS["alice"], "require", "", "require")
    let_in(run(language, gates("scram-sha-256").pooled, attempt, keys), attempt, True)


def test_jdbc_refuses_where_a_required_channel_binding_cannot_be(gates, keys):
    attempt = Try("alice", SECRETS["alice"], "require", "", "require")
    found = run("jdbc", gates("relay", "verify-full").pooled, attempt, keys)
    kept_out(found, "channel binding", ("28000", "08001", "08004", "08006"))


def test_jdbc_begins_tls_at_once(gates, keys):
    """sslNegotiation=direct: no SSLRequest, and the protocol's name by ALPN."""
    attempt = Try("alice", SECRETS["alice"], "verify-full", "", "", "direct")
    let_in(run("jdbc", gates("scram-sha-256").pooled, attempt, keys), attempt, True)
