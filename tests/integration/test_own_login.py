# SPDX-License-Identifier: PostgreSQL
"""test_own_login - a pool logs in to PostgreSQL by whatever it asks for, with what auth_file has."""

import pytest

import programs
from cluster import Cluster
from rawpg import Refused

HBA = """
local all all trust
host all postgres 127.0.0.1/32 trust
host all plain 127.0.0.1/32 password
host all hashed 127.0.0.1/32 md5
host all verified 127.0.0.1/32 scram-sha-256
"""

ROLES = """
set password_encryption = 'scram-sha-256';
create role verified login password 'verified-secret';
create role plain login password 'plain-secret';
set password_encryption = 'md5';
create role hashed login password 'hashed-secret';
"""


@pytest.fixture(scope="module")
def asking():
    """A PostgreSQL that asks each role in another way."""
    cluster = Cluster("asking")
    programs.write(cluster.data / "pg_hba.conf", HBA)
    try:
        cluster.start().sql(ROLES, dbname="postgres")
        yield cluster
    finally:
        cluster.destroy()


def stored(cluster, role):
    return cluster.value(f"select rolpassword from pg_authid where rolname = '{role}'", dbname="postgres")


def current_user(gateway, role):
    """What PostgreSQL says, or the refusal that the client hears."""
    with gateway.raw() as client:
        try:
            return client.login(role, "postgres").value("select current_user")
        except Refused as refused:
            return refused.fields


def trusting(gateway, cluster, secrets):
    """A gateway that asks its clients for nothing, so that all depends on the secrets of its users file."""
    users = "".join(f'"{role}" "{secret}"\n' for role, secret in secrets.items())
    return gateway(upstream=cluster.port, pool=2, auth={"auth_type": "trust", "auth_file": "users.txt"},
                   files={"users.txt": users}, defaults={"query_wait_timeout": "2s"})


@pytest.mark.parametrize("role", ["plain", "hashed", "verified"])
def test_a_password_answers_every_question(gateway, asking, role):
    pool = trusting(gateway, asking, {role: f"{role}-secret"})
    assert current_user(pool, role) == role


def test_an_md5_hash_of_pg_authid_answers_an_md5_question(gateway, asking):
    hashed = stored(asking, "hashed")
    assert hashed.startswith("md5")
    assert current_user(trusting(gateway, asking, {"hashed": hashed}), "hashed") == "hashed"


def test_a_wrong_password_or_hash_opens_nothing(gateway, asking):
    pool = trusting(gateway, asking, {"hashed": "md5" + "0" * 32, "plain": "wrong", "verified": "wrong"})
    for role in ("hashed", "plain", "verified"):
        assert current_user(pool, role)["C"] == "28P01"


def test_what_cannot_be_answered_is_said(gateway, asking):
    pool = trusting(gateway, asking, {"plain": stored(asking, "hashed"), "verified": stored(asking, "hashed")})
    for role, question in (("plain", "password"), ("verified", "SCRAM")):
        heard = current_user(pool, role)
        assert heard["C"] == "28000"
        assert heard["M"] == (f'PostgreSQL asks for {question} authentication of user "{role}", and pgsluice has '
                              "only an MD5 hash to answer with")
