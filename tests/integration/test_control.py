# SPDX-License-Identifier: PostgreSQL
"""test_control - the connection by which a gateway asks each PostgreSQL server about itself."""

import pytest

from programs import eventually


def announced(postgres):
    return [row["application_name"] for row in postgres.backends("application_name like 'pgsluice control %'")]


@pytest.fixture
def asked(gateway, postgres):
    """A gateway that asks ten times a second."""
    return gateway(auth={"auth_type": "trust", "auth_user": "stats"}, budget={"control_interval": "100ms"})


def test_a_control_connection_announces_the_gateway_and_what_it_uses(asked, postgres):
    eventually(lambda: len(announced(postgres)) == 1, 10, what="one control connection")
    assert " want=" in announced(postgres)[0]
    assert "could not be asked" not in asked.log()


def test_a_lost_control_connection_is_made_again(asked, postgres):
    eventually(lambda: announced(postgres), 10, what="a control connection")
    pid = postgres.backends("application_name like 'pgsluice control %'")[0]["pid"]
    postgres.sql(f"select pg_terminate_backend({pid})")
    eventually(lambda: "tells about itself again" in asked.log(), 10, what="a new control connection")


def test_two_upstreams_at_one_address_share_a_control_connection(gateway, postgres):
    host = f"127.0.0.1:{postgres.port}"
    gateway(auth={"auth_type": "trust", "auth_user": "stats"},
            upstreams=[{"name": "one", "hosts": [host]}, {"name": "two", "hosts": [host]}])
    eventually(lambda: announced(postgres), 10, what="a control connection")
    assert len(announced(postgres)) == 1


def test_a_role_that_may_not_log_in_is_told_in_the_log_and_clients_are_served(gateway, postgres):
    one = gateway(auth={"auth_type": "trust", "auth_user": "missing"}, budget={"control_interval": "100ms"})
    eventually(lambda: "could not be asked about itself" in one.log(), 10, what="a line in the log")
    with one.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)
