# SPDX-License-Identifier: PostgreSQL
"""test_helped_login - logins that an LDAP directory or PAM decides, through the gateway: who is let in, what those
hear who are not, and that nobody else waits for a directory that does not answer."""

import socket
import time

import pytest

import messages as m
import programs
from rawpg import Refused
from secure import SECRETS, passfile
from slapd import SUFFIX, Directory, person, unit

pytest_plugins = ("secure_fixtures",)

# carol's password in the directory is not the one that PostgreSQL knows.
PEOPLE = [unit("ou=people"), person("cn=alice,ou=people", "alice-secret", uid="alice"),
          person("cn=bob,ou=people", "bob-secret", uid="bob"),
          person("cn=carol,ou=people", "carol-of-the-directory", uid="carol")]

LDAP_RULES = """
host all app,postgres 127.0.0.1/32 trust
host all bob,alice    127.0.0.1/32 ldap ldapserver=127.0.0.1 ldapport={port} \\
  ldapprefix="cn=" ldapsuffix=",ou=people,{suffix}"
host all all          127.0.0.1/32 ldap ldapserver=127.0.0.1 ldapport={port} \\
  ldapbasedn="{suffix}" ldapsearchattribute=uid
"""
SHARED = {"name": "shared", "match": {"user": "bob", "database": "postgres"}, "mode": "transaction", "user": "alice"}


@pytest.fixture
def directory():
    running = Directory(*PEOPLE)
    try:
        yield running
    finally:
        running.destroy()


def hba_gate(gateway, secure, rules, environment=None, **groups):
    auth = {"auth_type": "hba", "auth_hba_file": "hba.conf", "passfile": "passfile"} | groups.pop("auth", {})
    secrets = {user: SECRETS[user] for user in groups.pop("known", ("carol",))}
    return gateway(upstream=secure.port, pool=2, auth=auth, environment=environment,
                   files={"hba.conf": rules, "passfile": passfile(secrets)}, **groups)


def asked(gate, user, password, database="app"):
    """Who PostgreSQL says it is, or the fields of the refusal."""
    with gate.raw() as client:
        try:
            found = client.login(user, database, password).value("select session_user")
            client.leave()
            return found
        except Refused as refused:
            return refused.fields


def refusal_of(method, user):
    return "28000", f'{method} authentication failed for user "{user}"'


def said(fields):
    assert isinstance(fields, dict), f"{fields} was let in"
    return fields["C"], fields["M"]


def test_the_directory_decides_and_all_who_fail_hear_the_same(gateway, secure, directory):
    gate = hba_gate(gateway, secure, LDAP_RULES.format(port=directory.port, suffix=SUFFIX))
    assert asked(gate, "bob", "bob-secret") == "bob"
    assert asked(gate, "alice", "alice-secret") == "alice"
    for user in ("bob", "alice", "carol", "dumper"):
        for password in ("wrong", ""):
            assert said(asked(gate, user, password)) == refusal_of("LDAP", user)
    assert "knows no entry for this user" in gate.log()
    directory.destroy()
    assert said(asked(gate, "bob", "bob-secret")) == refusal_of("LDAP", "bob")
    assert asked(gate, "app", None) == "app"
    assert "Can't contact LDAP server" in gate.log()
    for secret in ("bob-secret", "alice-secret"):
        assert secret not in gate.log()


def test_a_password_of_passfile_goes_before_that_of_the_directory(gateway, secure, directory):
    gate = hba_gate(gateway, secure, LDAP_RULES.format(port=directory.port, suffix=SUFFIX))
    assert asked(gate, "carol", "carol-of-the-directory") == "carol"
    assert said(asked(gate, "carol", SECRETS["carol"])) == refusal_of("LDAP", "carol")


def test_a_refused_password_is_never_tried_at_postgresql(gateway, secure, directory):
    gate = hba_gate(gateway, secure, LDAP_RULES.format(port=directory.port, suffix=SUFFIX))
    with gate.raw() as client:
        client.login("alice", "app", "alice-secret")
        assert client.value("select 1") == "1"
        assert said(asked(gate, "alice", "wrong")) == refusal_of("LDAP", "alice")
        secure.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'alice'")
        secure.quiet("usename = 'alice'")
        assert client.value("select session_user") == "alice"
        client.leave()


def test_a_route_of_another_user_takes_what_passfile_says(gateway, secure, directory):
    gate = hba_gate(gateway, secure, LDAP_RULES.format(port=directory.port, suffix=SUFFIX), routes=[SHARED],
                    known=("alice",))
    assert asked(gate, "bob", "bob-secret", "postgres") == "alice"
    assert said(asked(gate, "bob", "wrong", "postgres")) == refusal_of("LDAP", "bob")


# PAM.

CHECK = """#!/bin/sh
[ "$PAM_USER" = bob ] && [ "$(tr -d '\\000')" = bob-secret ] && [ "$PAM_RHOST" = 127.0.0.1 ]
"""
SERVICE = """auth [success=1 default=ignore] pam_exec.so quiet expose_authtok {script}
auth requisite pam_deny.so
auth required pam_permit.so
account required {account}
"""
PAM_RULES = """
host all app    127.0.0.1/32 trust
host all dumper 127.0.0.1/32 pam pamservice=absent
host all bob    127.0.0.1/32 pam pamservice=mine
host postgres all 127.0.0.1/32 pam pamservice=mine
host all all    127.0.0.1/32 pam
"""


@pytest.fixture
def services():
    directory = programs.private_directory("pam")
    script = programs.write(directory / "check", CHECK, mode=0o700)
    programs.write(directory / "mine", SERVICE.format(script=script, account="pam_permit.so"))
    programs.write(directory / "other", "auth required pam_deny.so\naccount required pam_deny.so\n")
    try:
        yield directory
    finally:
        programs.remove(directory)


def test_pam_decides_and_all_who_fail_hear_the_same(gateway, secure, services):
    gate = hba_gate(gateway, secure, PAM_RULES, environment={"PGSLUICE_PAM_DIRECTORY": services})
    assert asked(gate, "bob", "bob-secret") == "bob"
    for user, password in (("bob", "wrong"), ("bob", ""), ("dumper", "bob-secret"), ("stats", "bob-secret")):
        assert said(asked(gate, user, password)) == refusal_of("PAM", user)
    assert said(asked(gate, "stats", "bob-secret", "postgres")) == refusal_of("PAM", "stats")
    assert asked(gate, "app", None) == "app"
    assert "bob-secret" not in gate.log()


# A directory that takes connections and never says a word.

MUTE_RULES = """
host all app,postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 ldap ldapserver=127.0.0.1 ldapport={port} ldapprefix="cn="
"""


@pytest.fixture
def mute():
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        listener.settimeout(20)
        yield listener


def mute_gate(gateway, secure, mute, **limits):
    auth = {"auth_helper_threads": 1, "auth_helper_queue": 2}
    return hba_gate(gateway, secure, MUTE_RULES.format(port=mute.getsockname()[1]), auth=auth, limits=limits,
                    log_level="debug")


def knock(gate, user="bob"):
    """A client that has sent its password."""
    client = gate.raw()
    client.send(m.startup(user, "app"))
    assert client.read().body[:4] == b"\0\0\0\3"
    return client.send(m.password("bob-secret"))


def heard(client):
    return m.fields(client.until("E")[-1].body)


def part(clients, count):
    """Waits until so many of the clients have an answer; those with and those without one."""
    programs.eventually(lambda: sum(not client.silent(0) for client in clients) >= count, 20,
                        what=f"an answer to {count} of {len(clients)} clients")
    answered = [client for client in clients if not client.silent(0)]
    return answered, [client for client in clients if client not in answered]


def fill(gate, mute):
    """One login that is being decided, two in the queue, three that were refused, and the first's connection to the
    directory."""
    first = knock(gate)
    held = mute.accept()[0]
    refused, queued = part([knock(gate) for _ in range(5)], 3)
    return first, queued, refused, held


def test_a_full_queue_refuses_and_nobody_else_waits(gateway, secure, mute):
    gate = mute_gate(gateway, secure, mute, client_login_timeout="4s")
    began = time.monotonic()
    first, queued, refused, held = fill(gate, mute)
    assert len(queued) == 2
    for client in refused:
        fields = heard(client)
        assert (fields["C"], fields["M"]) == ("53300", "too many logins wait for LDAP or PAM")
        assert "auth_helper_queue" in fields["H"]
    for _ in range(5):
        assert asked(gate, "app", None) == "app"
    assert time.monotonic() - began > 4 or all(client.silent(0) for client in (first, *queued))
    for client in (first, *queued):
        assert heard(client)["C"] == "57014"
    assert time.monotonic() - began < 9, "client_login_timeout did not end the logins; LDAP's own limit did"
    held.close()
    assert asked(gate, "app", None) == "app"


def test_those_who_leave_give_up_their_place(gateway, secure, mute):
    gate = mute_gate(gateway, secure, mute, client_login_timeout="60s")
    first, queued, refused, held = fill(gate, mute)
    assert [heard(client)["C"] for client in refused] == ["53300"] * 3
    queued[0].reset()
    queued[1].close()
    programs.eventually(lambda: gate.log().count("client_lost") == 2, 10, what="an end of both clients")
    refused, queued = part([knock(gate) for _ in range(3)], 1)
    assert len(queued) == 2 and heard(refused[0])["C"] == "53300"
    first.reset()
    held.close()
    for client in queued:
        mute.accept()[0].close()
        assert said(heard(client)) == refusal_of("LDAP", "bob")
    assert asked(gate, "app", None) == "app"


def test_a_shutdown_does_not_wait_for_the_directory(gateway, secure, mute):
    gate = mute_gate(gateway, secure, mute, client_login_timeout="60s")
    first, queued, _, held = fill(gate, mute)
    began = time.monotonic()
    gate.stop()
    assert time.monotonic() - began < 9
    held.close()
    assert all(client.closed() for client in (first, *queued))
