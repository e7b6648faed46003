# SPDX-License-Identifier: PostgreSQL
"""test_auth - who gets in: relayed, trusted and by SCRAM; and what those hear who do not."""

import base64
import re

import psycopg
import psycopg2
import pytest

import messages as m
import programs
import scram
from cluster import PASSWORDS
from rawpg import Closed, Raw, Refused, kinds

PORTS = ["pooled", "direct"]
USERS = f'''
; comment
"alice" "{PASSWORDS["alice"]}"
"bob" "{scram.verifier("bob-secret")}"
'''


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


@pytest.fixture(scope="module")
def relay(gateway_of_module):
    return gateway_of_module(pool=3, auth_type="relay")


@pytest.fixture(scope="module")
def checked(gateway_of_module, postgres):
    """Passwords are checked by the gateway: plain in the file, a verifier, and PostgreSQL's own verifier."""
    own = postgres.value("select rolpassword from pg_authid where rolname = 'keeper'", dbname="postgres")
    users = USERS + f'"keeper" "{own}"\n' + f'"carol" {quoted(PASSWORDS["carol"])}\n'
    return gateway_of_module(pool=3, auth={"auth_type": "scram-sha-256", "auth_file": "users.txt"},
                             files={"users.txt": users})


def refusal(gateway, user, password, listener="pooled", database="app"):
    with gateway.raw(listener) as client, pytest.raises(Refused) as refused:
        client.login(user, database, password)
    return refused.value


@pytest.mark.parametrize("listener", PORTS)
@pytest.mark.parametrize("user", ["alice", "carol", "app"])
def test_relay_lets_postgresql_decide(relay, listener, user):
    for _ in range(5):
        with relay.login(listener, user) as client:
            assert client.value("select current_user") == user
            client.leave()
    with relay.connect(listener, user) as connection:
        assert connection.execute("select session_user").fetchone() == (user,)


@pytest.mark.parametrize("listener", PORTS)
def test_relay_refuses_in_postgresqls_own_words(relay, postgres, listener):
    for user, password in (("alice", "wrong"), ("no_such_user", "wrong"), ("alice", "")):
        with Raw(postgres.port) as client, pytest.raises(Refused) as direct:
            client.login(user, "app", password)
        refused = refusal(relay, user, password, listener)
        assert (refused.sqlstate, refused.fields["M"]) == (direct.value.sqlstate, direct.value.fields["M"])
        assert refused.sqlstate == "28P01"


def test_relay_refuses_a_wrong_password_on_a_warm_pool(relay):
    for _ in range(3):
        with relay.login(user="alice") as client:
            client.value("select 1")
            assert refusal(relay, "alice", "wrong").sqlstate == "28P01"
            assert client.value("select 'unharmed'") == "unharmed"
            client.leave()


def test_relay_serves_more_clients_than_servers(relay):
    clients = [relay.login(user="alice") for _ in range(20)]
    for n, client in enumerate(clients):
        assert client.value(f"select {n}") == str(n)
    for client in clients:
        client.leave()


def test_no_auth_group_means_relay(gateway):
    pool = gateway(pool=2, auth=None)
    with pool.login(user="alice") as client:
        assert client.value("select current_user") == "alice"
        client.leave()
    assert refusal(pool, "alice", "wrong").sqlstate == "28P01"


def test_trust_asks_for_nothing(gateway):
    pool = gateway(pool=2, auth_type="trust")
    with pool.login(user="bob") as client:
        assert kinds(client.welcome).startswith("R") and client.value("select current_user") == "bob"
        client.leave()


@pytest.mark.parametrize("listener", PORTS)
@pytest.mark.parametrize("user, password", [("alice", PASSWORDS["alice"]), ("bob", "bob-secret"),
                                            ("carol", PASSWORDS["carol"]), ("keeper", PASSWORDS["keeper"])])
def test_users_of_the_file_log_in_by_scram(checked, listener, user, password):
    for _ in range(2):
        with checked.raw(listener) as client:
            client.login(user, "app", password)
            assert client.value("select current_user") == user
            client.leave()
    with checked.connect(listener, user, password=password) as connection:
        assert connection.execute("select current_user").fetchone() == (user,)


@pytest.mark.parametrize("listener", PORTS)
def test_wrong_passwords_and_unknown_users_hear_the_same(checked, listener):
    known = refusal(checked, "alice", "wrong", listener)
    unknown = refusal(checked, "mallory", "wrong", listener)
    empty = refusal(checked, "alice", "", listener)
    assert known.sqlstate == unknown.sqlstate == empty.sqlstate == "28P01"
    assert known.fields["M"] == 'password authentication failed for user "alice"'
    assert unknown.fields["M"] == 'password authentication failed for user "mallory"'
    assert known.fields["S"] == unknown.fields["S"] == "FATAL"


def test_the_exchange_of_an_unknown_user_looks_like_that_of_a_known_one(checked):
    firsts = []
    for user in ("bob", "mallory", "mallory"):
        with checked.raw() as client:
            exchange = scram.Client("x")
            client.send(m.startup(user, "app"))
            assert client.read().body[:4] == b"\0\0\0\x0a"
            client.send(m.sasl_initial("SCRAM-SHA-256", exchange.first()))
            firsts.append(scram.attributes(client.read().body[4:].decode()))
    assert [len(base64.b64decode(first["s"])) for first in firsts] == [16, 16, 16]
    assert {first["i"] for first in firsts} == {"4096"}
    assert firsts[1]["s"] == firsts[2]["s"], "a salt that changes tells that the user is unknown"


def test_a_database_that_does_not_exist_is_told_only_behind_the_password(checked):
    assert refusal(checked, "alice", "wrong", database="no_such_db").sqlstate == "28P01"
    assert refusal(checked, "mallory", "wrong", database="no_such_db").sqlstate == "28P01"
    with checked.raw() as client, pytest.raises(Refused) as refused:
        client.login("alice", "no_such_db", PASSWORDS["alice"]).query("select 1")
    assert refused.value.sqlstate == "3D000"


def nonce():
    return scram.b64(b"n" * 18)


def final(client_final):
    """Goes on to the second message and sends this one instead of the right one; %s is the server's nonce."""
    def play(client):
        client.send(m.sasl_initial("SCRAM-SHA-256", b"n,,n=,r=" + nonce().encode()))
        first = scram.attributes(client.read().body[4:].decode())
        text = client_final.replace("%s", first["r"])
        client.send(m.sasl_response(text.encode()))
    return play


def initial(data, mechanism="SCRAM-SHA-256"):
    return lambda client: client.send(m.sasl_initial(mechanism, data))


def raw(body):
    return lambda client: client.send(m.message("p", body))


PROOF = "p=" + scram.b64(b"p" * 32)
MALFORMED = {
    "an empty message": raw(b""), "no terminator": raw(b"SCRAM-SHA-256"), "no length": raw(b"SCRAM-SHA-256\0"),
    "length -1": raw(b"SCRAM-SHA-256\0\xff\xff\xff\xff"), "length -2": raw(b"SCRAM-SHA-256\0\xff\xff\xff\xfe"),
    "length 2 GB": raw(b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=x"),
    "length too short": raw(b"SCRAM-SHA-256\0\0\0\0\1n,,n=,r=x"),
    "length too long": raw(b"SCRAM-SHA-256\0\0\0\1\0n,,n=,r=x"), "length 0": raw(b"SCRAM-SHA-256\0\0\0\0\0"),
    "a password": lambda client: client.send(m.password("secret")),
    "a huge password": lambda client: client.send(m.password("x" * 60000)),
    "unknown mechanism": initial(b"n,,n=,r=abc", "SCRAM-SHA-1"), "no mechanism": initial(b"n,,n=,r=abc", ""),
    "channel binding that was not offered": initial(b"p=tls-server-end-point,,n=,r=abcabcabc", "SCRAM-SHA-256"),
    "PLUS that was not offered": initial(b"p=tls-unique,,n=,r=abcabcabc", "SCRAM-SHA-256-PLUS"),
    "nothing": initial(b""), "only a header": initial(b"n,,"), "no nonce": initial(b"n,,n="),
    "an empty nonce": initial(b"n,,n=,r="), "nonce before name": initial(b"n,,r=abc,n="),
    "a mandatory extension": initial(b"n,,m=x,n=,r=abcabcabc"),
    "an authorisation name": initial(b"n,a=root,n=,r=abcabcabc"),
    "a nonce of 60 kB": initial(b"n,,n=,r=" + b"r" * 60000), "NUL inside": initial(b"n,,n=,r=ab\0cd"),
    "bytes above 127": initial(b"n,,n=,r=\xff\xfe\x80"), "only commas": initial(b"," * 200),
    "no commas": initial(b"n" * 200),
    "final without nonce": final(f"c=biws,{PROOF}"), "final without proof": final("c=biws,r=%s"),
    "final without binding": final(f"r=%s,{PROOF}"), "an empty final": final(""),
    "final of another nonce": final(f"c=biws,r=xyz,{PROOF}"),
    "final with a wrong proof": final(f"c=biws,r=%s,{PROOF}"), "final with half a proof": final("c=biws,r=%s,p=AAAA"),
    "final with no base64": final("c=biws,r=%s,p=!!!!"),
    "final with a long proof": final("c=biws,r=%s,p=" + "A" * 4000),
    "final with an empty proof": final("c=biws,r=%s,p="), "final with another binding": final(f"c=eSws,r=%s,{PROOF}"),
    "final reordered": final(f"r=%s,c=biws,{PROOF}"), "final with more behind": final(f"c=biws,r=%s,{PROOF},x=y"),
    "a query": lambda client: client.send(m.query("select 1")),
    "Terminate": lambda client: client.send(m.terminate()),
    "a second startup packet": lambda client: client.send(m.startup("bob", "no_such_db")),
    "an SSLRequest": lambda client: client.send(m.SSL_REQUEST),
    "an announced 1 GB": lambda client: client.send(b"p\x40\0\0\0"),
    "length 3": lambda client: client.send(b"p\0\0\0\3"),
    "length 0 of the message": lambda client: client.send(b"p\0\0\0\0"),
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("user", ["alice", "mallory"])
def test_malformed_authentication_ends_without_a_login(checked, user, name):
    with checked.raw() as client:
        client.send(m.startup(user, "app"))
        assert client.read().type == "R"
        try:
            MALFORMED[name](client)
            client.socket.shutdown(1)
            found = client.rest()
        except (Closed, OSError):
            found = []
        assert not [item for item in found if item.type == "R" and item.body[:4] == b"\0\0\0\0"], "it was let in"
        assert "Z" not in kinds(found)
    with checked.raw() as client:
        assert client.login("alice", "app", PASSWORDS["alice"]).value("select 1") == "1"
        client.leave()


def test_a_second_startup_packet_for_a_missing_database_logs_nobody_in(checked):
    with checked.raw() as client:
        client.send(m.startup("bob", "app"))
        client.read()
        client.send(m.startup("keeper", "no_such_db"), m.query("select current_user"))
        assert "Z" not in kinds(client.rest())


@pytest.mark.parametrize("kind", ["relay", "checked"])
def test_no_secret_is_ever_logged(request, kind):
    gateway = request.getfixturevalue(kind)
    with gateway.login(user="alice") as client:
        client.query("select 1")
        client.leave()
    refusal(gateway, "alice", "alice-secret-but-wrong")
    log = gateway.log()
    for secret in list(PASSWORDS.values()) + ["bob-secret", "alice-secret-but-wrong"]:
        assert secret not in log
    assert "SCRAM-SHA-256$" not in log
    for row in gateway.console("SHOW CONFIG", user="postgres") if kind == "relay" else []:
        assert not [secret for secret in PASSWORDS.values() if secret in str(list(row.values()))]


def test_the_operator_reads_the_true_reason(checked):
    refusal(checked, "mallory", "wrong")
    refusal(checked, "alice", "wrong")
    programs.eventually(lambda: "mallory" in checked.log(), 3)
    lines = [line for line in checked.log().splitlines() if "mallory" in line]
    assert any(re.search("unknown user", line) for line in lines), lines


def test_log_lines_cannot_be_forged_by_names(gateway):
    pool = gateway(pool=1, auth_type="trust")
    with pool.raw() as client:
        client.send(m.startup("evil\n2026-01-01 ERROR main forged=1", "app", application_name="a\r\nb\x1b[31m"))
        client.rest()
    assert not re.search(r"^2026-01-01 ERROR main forged", pool.log(), re.M)
    assert "\x1b" not in pool.log()


@pytest.mark.parametrize("listener", PORTS)
def test_psql_and_psycopg2_log_in(checked, relay, listener):
    for gateway in (checked, relay):
        done = programs.run("psql", "-XAtqc", "select current_user", "-h", "127.0.0.1", "-p", gateway.ports[listener],
                            "-U", "alice", "-d", "app", PGPASSWORD=PASSWORDS["alice"])
        assert done.stdout == "alice\n"
        other = psycopg2.connect(host="127.0.0.1", port=gateway.ports[listener], user="alice", dbname="app",
                                 password=PASSWORDS["alice"])
        with other.cursor() as cursor:
            cursor.execute("select current_user")
            assert cursor.fetchone() == ("alice",)
        other.close()


def test_a_required_channel_binding_is_refused_not_ignored(checked):
    with pytest.raises(psycopg.OperationalError, match="channel binding"):
        checked.connect(user="alice", channel_binding="require")
