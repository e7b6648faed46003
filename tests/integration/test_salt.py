# SPDX-License-Identifier: PostgreSQL
"""test_salt - the salt of a SCRAM exchange does not tell known users from unknown ones."""

import pytest

import messages as m
import scram

QUERY = "select rolname::text, 'plain-secret'::text from pg_roles where rolname = $1"


def salt_of(gateway, user):
    with gateway.raw() as client:
        client.send(m.startup(user, "app"))
        assert client.read().type == "R"
        client.send(m.sasl_initial("SCRAM-SHA-256", scram.Client("whatever").first()))
        answer = client.read().body[4:].decode()
        return dict(part.split("=", 1) for part in answer.split(","))["s"]


@pytest.mark.parametrize("user", ["alice", "nobody_knows_me"])
def test_each_login_sees_the_same_salt(gateway, user):
    asking = gateway(auth={"auth_type": "scram-sha-256", "auth_user": "postgres", "auth_query": QUERY})
    assert len({salt_of(asking, user) for _ in range(3)}) == 1
