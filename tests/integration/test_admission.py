# SPDX-License-Identifier: PostgreSQL
"""test_admission - each limit of connections refuses exactly those above it, names itself, and counts; who is refused
can read it, whatever it asked for first."""

import contextlib

import pytest

import messages as m
import programs
from gate import SANITIZED
from rawpg import Closed, Refused, errors_of
from secure import tls_options

pytest_plugins = ("secure_fixtures",)

OWN_MEMORY = pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is not the gateway's")


def counter(gate, name):
    return next(int(row["value"]) for row in gate.console("SHOW COUNTERS") if row["name"] == name)


def refusal(gate, listener="pooled", database="app", **parameters):
    with gate.raw(listener) as client:
        try:
            client.login("app", database, **parameters).leave()
            return None
        except Refused as refused:
            return refused.fields


LIMITS = {
    "max_user_client_connections": ("user_limit_reached", {"limits": {"max_user_client_connections": 3}}, "(3 for app)"),
    "max_db_client_connections": ("database_limit_reached", {"limits": {"max_db_client_connections": 3}}, "(3 for app)"),
    "max_route_client_connections": ("route_limit_reached", {"routes": [
        {"name": "web", "match": {"application_name": "web"}, "mode": "transaction",
         "max_route_client_connections": 3}]}, "(3 for web)"),
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_one_connection_more_is_refused_and_room_is_found_again(gateway, name, listener):
    count, groups, value = LIMITS[name]
    gate = gateway(pool=2, workers=2, **groups)
    clients = [gate.login(listener, application_name="web") for _ in range(3)]
    fields = refusal(gate, listener, application_name="web")
    assert fields["C"] == "53300" and fields["M"].startswith(name) and fields["M"].endswith(value) and "H" in fields
    assert counter(gate, count) == 1
    clients.pop().leave()
    programs.eventually(lambda: refusal(gate, listener, application_name="web") is None, 10)
    for client in clients:
        client.leave()


def test_other_users_databases_and_routes_are_not_concerned(gateway):
    gate = gateway(pool=2, limits={"max_user_client_connections": 2, "max_db_client_connections": 2}, routes=[
        {"name": "web", "match": {"application_name": "web"}, "mode": "transaction", "max_route_client_connections": 1}])
    with gate.login(application_name="web") as one, gate.login() as two:
        assert refusal(gate, database="postgres")["M"].startswith("max_user")
        with gate.login(user="postgres", database="postgres") as other:
            other.leave()
        assert gate.console("SHOW VERSION"), "the console is not limited"
        one.leave()
        two.leave()


def test_connections_of_one_address_are_limited_logged_in_or_not(gateway):
    gate = gateway(pool=2, limits={"max_client_conn_per_address": 4, "client_login_timeout": "60s"})
    silent = [gate.raw() for _ in range(3)]
    with gate.login() as client:
        fields = refusal(gate)
        assert fields["C"] == "53300" and fields["M"].startswith("max_client_conn_per_address") and "(4)" in fields["M"]
        silent.pop().close()
        programs.eventually(lambda: refusal(gate) is None, 10)
        assert client.value("select 1") == "1"
        client.leave()
    for one in silent:
        one.close()
    programs.eventually(lambda: refusal(gate) is None, 10)
    assert counter(gate, "address_limit_reached") >= 1


@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
def test_psql_reads_why_it_was_refused_also_after_asking_for_encryption(gateway, sslmode):
    gate = gateway(pool=2, workers=1, limits={"max_login_conn": 3, "client_login_timeout": "60s"})
    idle = [gate.raw() for _ in range(3)]
    with pytest.raises(AssertionError):
        programs.eventually(lambda: refusal(gate) is None, 1)
    done = programs.run("psql", "-XAtw", "-h", "127.0.0.1", "-p", gate.pooled, "-U", "app", "-d", "app", "-c",
                        "select 1", check=False, PGSSLMODE=sslmode)
    assert done.returncode == 2 and "max_login_conn" in done.stderr, done.stderr
    assert "SSL exchange" not in done.stderr
    for client in idle:
        client.close()


def test_cancel_requests_pass_the_limit_of_logins(gateway):
    gate = gateway(pool=2, workers=1, limits={"max_login_conn": 3, "client_login_timeout": "60s"})
    with gate.login() as client:
        idle = [gate.raw() for _ in range(3)]
        programs.eventually(lambda: refusal(gate) is not None, 10)
        client.send(m.query("select pg_sleep(30)"))
        assert client.silent(0.5)
        client.cancel()
        assert [error["C"] for error in errors_of(client.until("Z"))] == ["57014"]
        client.leave()
        for one in idle:
            one.close()


def test_those_to_be_refused_are_bounded_too(gateway):
    gate = gateway(pool=2, workers=1, limits={"max_login_conn": 5, "client_login_timeout": "60s"})
    idle = [gate.raw() for _ in range(40)]
    told = 0
    for client in idle:
        if not client.silent(0.1):
            assert m.fields(client.read().body)["C"] == "53300" and client.closed()
            told += 1
    assert told == 30, "five may log in, as many wait to be told, and all others were told at once"
    for client in idle:
        client.close()
    programs.eventually(lambda: refusal(gate) is None, 10)


@OWN_MEMORY
@pytest.mark.slow
def test_memory_is_bounded_and_the_greediest_goes_first(gateway):
    gate = gateway(pool=2, workers=2, limits={"memory_limit": "100MB", "max_message_hold": "16MB"})
    with gate.login() as modest:
        greedy = [gate.login() for _ in range(12)]
        text = b"Q" + (15 << 20).to_bytes(4, "big") + b"select 1 --" + b"x" * (14 << 20)
        ended = 0
        for client in greedy:
            try:
                client.send(text)
            except OSError:
                pass
        programs.eventually(lambda: counter(gate, "sessions_shed") > 0, 30, what="the greediest being ended")
        for client in greedy:
            try:
                found = [] if client.silent(0) else client.rest()
            except (Closed, OSError):
                found = []
            errors = errors_of(found)
            if errors:
                ended += 1
                assert errors[-1]["C"] == "53200" and errors[-1]["M"].startswith("memory_limit") and "H" in errors[-1]
        assert 0 < ended < len(greedy)
        assert modest.value("select 'served'") == "served"
        for client in greedy:
            client.close()
        programs.eventually(lambda: refusal(gate) is None, 20, what="a login when memory is free again")
        modest.leave()


@OWN_MEMORY
@pytest.mark.slow
def test_nobody_new_comes_in_while_memory_is_scarce(gateway):
    gate = gateway(pool=2, workers=1, limits={"memory_limit": "16MB"})
    greedy = [gate.login() for _ in range(60)]
    for client in greedy:
        client.send(b"Q" + (300 << 10).to_bytes(4, "big") + b"select 1 --" + b"x" * (200 << 10))
    programs.eventually(lambda: refusal(gate) is not None, 20, what="a refusal")
    fields = refusal(gate)
    if fields is not None:
        assert fields["C"] == "53200" and fields["M"].startswith("memory_limit") and "H" in fields
    assert gate.console("SHOW VERSION"), "the console is let in at any time"
    for client in greedy:
        client.close()
    programs.eventually(lambda: refusal(gate) is None, 20, what="a login when memory is free again")
    assert counter(gate, "memory_limit_reached") >= 1


@pytest.mark.parametrize("sslmode", ["disable", "require"])
def test_psql_reads_why_it_was_refused_also_within_tls(gateway, certificates, sslmode):
    gate = gateway(pool=2, workers=1, limits={"max_login_conn": 3, "client_login_timeout": "60s"},
                   tls=tls_options(certificates, "prefer", "disable"))
    idle = [gate.raw() for _ in range(3)]
    programs.eventually(lambda: refusal(gate) is not None, 10)
    done = programs.run("psql", "-XAtw", "-h", "127.0.0.1", "-p", gate.pooled, "-U", "app", "-d", "app", "-c",
                        "select 1", check=False, PGSSLMODE=sslmode)
    assert done.returncode == 2 and "max_login_conn" in done.stderr, done.stderr
    for client in idle:
        client.close()


@OWN_MEMORY
@pytest.mark.slow
def test_who_hoards_prepared_statements_is_the_greediest(gateway):
    gate = gateway(pool=2, workers=1, limits={"memory_limit": "60MB"}, defaults={"max_prepared_statements": 2})
    with gate.login() as modest, gate.login() as hoarder:
        with contextlib.suppress(OSError):
            for number in range(300):
                hoarder.send(m.parse(f"s{number}", f"select {number} --" + "x" * 500_000), m.sync())
        errors = errors_of(hoarder.rest())  # may be lost with what was still on its way there
        assert hoarder.closed() and (not errors or errors[-1]["C"] == "53200")
        assert counter(gate, "sessions_shed") == 1
        assert modest.value("select 'served'") == "served"
        programs.eventually(lambda: refusal(gate) is None, 20, what="a login when memory is free again")
        modest.leave()
