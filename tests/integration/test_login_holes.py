# SPDX-License-Identifier: PostgreSQL
"""test_login_holes - known holes of logins elsewhere: downgrades, replays, odd names, clocks and look-ups.
Where PostgreSQL or libpq has the same duty, the same test asks PostgreSQL or libpq too."""

import statistics
import struct
import time
from hashlib import md5

import psycopg
import pytest

import messages as m
import scram
from fakepg import FakePg
from rawpg import Closed, Raw, Refused, kinds
from secure import SECRETS, connect, passfile, tls_options, users_file
from tlsraw import BINDING, Exchange, Tls, binding_of, expect, log_in, mechanisms

pytest_plugins = ("secure_fixtures",)

PLUS, PLAIN = "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"
LISTENERS = ["pooled", "direct"]


@pytest.fixture(scope="module")
def fronts(gateway_of_module, secure, certificates):
    """fronts(auth_type): one gateway for each, with all users' passwords in its file."""
    started = {}

    def front(auth_type):
        if auth_type not in started:
            auth = {"auth_type": auth_type, "auth_file": "users.txt", "passfile": "passfile"}
            users = users_file(SECRETS | {"app": "app-secret", "blank": ""})
            started[auth_type] = gateway_of_module(upstream=secure.port, auth=auth, tls=tls_options(certificates),
                                                   files={"users.txt": users, "passfile": passfile()})
        return started[auth_type]

    return front


@pytest.fixture(params=["postgresql", "pooled"])
def scram_port(request, secure):
    """Where alice logs in by SCRAM, with and without TLS."""
    if request.param == "postgresql":
        return secure.port
    return request.getfixturevalue("fronts")("scram-sha-256").ports[request.param]


def refusal(client, act):
    """The fields of the error that act(client) ends in; {} for a connection that was just closed."""
    try:
        act(client)
    except Refused as refused:
        return refused.fields
    except (Closed, OSError):
        return {}
    raise AssertionError("it was let in")


# SCRAM and the channel.

def bound(client, secret=SECRETS["alice"]):
    return Exchange(secret, f"p={BINDING}", binding_of(client.certificate))


def test_plus_is_offered_over_tls_only(scram_port):
    with Tls(scram_port) as client:
        assert mechanisms(client, "alice") == [PLUS, PLAIN]
    with Raw(scram_port) as client:
        assert mechanisms(client, "alice") == [PLAIN]


def test_a_login_bound_to_the_channel_and_one_that_is_not_both_work(scram_port):
    with Tls(scram_port) as client:
        assert PLUS in mechanisms(client, "alice")
        assert log_in(client, PLUS, bound(client)).value("select current_user") == "alice"
        client.leave()
    with Tls(scram_port) as client:
        mechanisms(client, "alice")
        assert log_in(client, PLAIN, Exchange(SECRETS["alice"], "n")).value("select current_user") == "alice"
        client.leave()
    with Raw(scram_port) as client:
        mechanisms(client, "alice")
        assert log_in(client, PLAIN, Exchange(SECRETS["alice"], "y")).value("select current_user") == "alice"
        client.leave()


def test_a_client_that_was_told_there_is_no_plus_is_refused_where_there_is(scram_port):
    """The `y` that a client sends when somebody struck PLUS from the list (RFC 5802, 6)."""
    with Tls(scram_port) as client:
        mechanisms(client, "alice")
        assert refusal(client, lambda it: log_in(it, PLAIN, Exchange(SECRETS["alice"], "y")))["C"][:2] in ("28", "08")


WRONG_BINDINGS = {
    "of another certificate": (PLUS, f"p={BINDING}", lambda data: binding_of(b"another")),
    "that is empty": (PLUS, f"p={BINDING}", lambda data: b""),
    "that is cut short": (PLUS, f"p={BINDING}", lambda data: data[:-1]),
    "with a byte more": (PLUS, f"p={BINDING}", lambda data: data + b"\0"),
    "of another kind": (PLUS, "p=tls-unique", lambda data: data),
    "of no kind": (PLUS, "p=", lambda data: data),
    "without the header's flag": (PLUS, "n", lambda data: b""),
    "with the flag y": (PLUS, "y", lambda data: b""),
    "under the name of plain SCRAM": (PLAIN, f"p={BINDING}", lambda data: data),
}


@pytest.mark.parametrize("name", WRONG_BINDINGS)
def test_a_wrong_binding_is_refused_whatever_the_password(scram_port, name):
    mechanism, flag, data = WRONG_BINDINGS[name]
    with Tls(scram_port) as client:
        mechanisms(client, "alice")
        exchange = Exchange(SECRETS["alice"], flag, data(binding_of(client.certificate)))
        fields = refusal(client, lambda it: log_in(it, mechanism, exchange))
        assert not fields or fields["C"][:2] in ("28", "08")


def test_plus_without_tls_is_refused(scram_port):
    with Raw(scram_port) as client:
        mechanisms(client, "alice")
        exchange = Exchange(SECRETS["alice"], f"p={BINDING}", binding_of(b"any"))
        refusal(client, lambda it: log_in(it, PLUS, exchange))


class Twisted(Exchange):
    """A right login whose messages are changed on their way; the proof is over what is sent."""

    def __init__(self, first=None, final=None):
        super().__init__(SECRETS["alice"], "n")
        self.twist_first, self.twist_final = first, final
        if first:
            self.first_bare = first(self.first_bare)

    def final(self, server_first):
        text = super().final(server_first).decode()
        return (self.twist_final(text) if self.twist_final else text).encode()


def parts(text):
    return text.split(",")


TWISTS = {
    "a name twice": {"first": lambda text: "n=," + text},
    "a nonce twice": {"first": lambda text: text + "," + parts(text)[1]},
    "the nonce first": {"first": lambda text: ",".join(reversed(parts(text)))},
    "no name": {"first": lambda text: parts(text)[1]},
    "no nonce": {"first": lambda text: parts(text)[0]},
    "an overlong name and nonce": {"first": lambda text: f"n={'n' * 30000},r={'r' * 30000}"},
    "an attribute without a letter": {"first": lambda text: text.replace("n=", "=", 1)},
    "a mandatory extension": {"first": lambda text: "m=ext," + text},
    "the binding twice": {"final": lambda text: "c=biws," + text},
    "the nonce twice at the end": {"final": lambda text: text.replace(",p=", "," + parts(text)[1] + ",p=")},
    "the proof twice": {"final": lambda text: text + "," + text.rsplit(",", 1)[1]},
    "the proof first": {"final": lambda text: text.rsplit(",", 1)[1] + "," + text.rsplit(",", 1)[0]},
    "the nonce before the binding": {"final": lambda text: ",".join([parts(text)[1], parts(text)[0], parts(text)[2]])},
    "no binding": {"final": lambda text: text.split(",", 1)[1]},
    "no nonce at the end": {"final": lambda text: parts(text)[0] + "," + parts(text)[2]},
    "no proof": {"final": lambda text: text.rsplit(",", 1)[0]},
    "a proof with a blank": {"final": lambda text: text.replace(",p=", ",p= ")},
    "an overlong proof": {"final": lambda text: text + "A" * 60000},
    "an overlong binding": {"final": lambda text: text.replace("c=biws", "c=" + "biws" * 15000)},
    "a nonce cut short": {"final": lambda text: text.replace(",p=", "", 1)[:20] + text[text.index(",p="):]},
    "a NUL at the end": {"final": lambda text: text + "\0"},
    "a trailing comma": {"final": lambda text: text + ","},
}


# PostgreSQL reads these as harmless extensions; whoever refuses them is right as well.
HARMLESS = {"a nonce twice", "a trailing comma"}


@pytest.mark.parametrize("name", TWISTS)
def test_a_right_proof_in_a_wrong_message_is_refused(scram_port, name):
    for secretly in (False, True):
        with (Tls if secretly else Raw)(scram_port) as client:
            mechanisms(client, "alice")
            try:
                log_in(client, PLAIN, Twisted(**TWISTS[name]))
                assert name in HARMLESS, "it was let in"
            except (Refused, Closed, OSError):
                pass
    with Raw(scram_port) as client:
        client.login("alice", "app", SECRETS["alice"]).leave()


# SCRAM towards the server.

def scram_liar(first=None, final=None, after=m.authentication(0) + m.backend_key(1) + m.ready()):
    """A SCRAM server whose messages are changed; `seen` says how far the other side went."""
    def script(peer):
        if peer.read_startup() is None:
            return
        peer.send(m.authentication(10, m.text(PLAIN) + b"\0"))
        body = peer.until("p").body
        exchange = scram.Server(SECRETS["alice"])
        said = exchange.first(body[body.index(b"\0") + 5:]).decode()
        if first:
            exchange.text = said = first(said)
        peer.send(m.authentication(11, said.encode()))
        closing = exchange.final(peer.until("p").body).decode()
        peer.send(*([] if final == "" else [m.authentication(12, (final(closing) if final else closing).encode())]),
                  after)
        peer.serve()
    return script


def count(text):
    return lambda said: said.rsplit(",i=", 1)[0] + ",i=" + text


SERVER_TWISTS = {
    "a count that wraps in 32 bits": {"first": count("4294971392")},
    "a count that wraps in 64 bits": {"first": count("18446744073709555712")},
    "a count below zero": {"first": count("-4096")}, "a count of zero": {"first": count("0")},
    "a count with letters behind": {"first": count("4096x")}, "no count": {"first": count("")},
    "a count of 2147483647": {"first": count("2147483647")},
    "the salt before the nonce": {"first": lambda said: ",".join([parts(said)[1], parts(said)[0], parts(said)[2]])},
    "the nonce twice": {"first": lambda said: parts(said)[0] + "," + said},
    "a nonce that is only ours": {"first": lambda said: "r=" + said[2:26] + "," + said.split(",", 1)[1]},
    "a mandatory extension": {"first": lambda said: "m=x," + said},
    "an error in place of the signature": {"final": lambda said: "e=invalid-proof"},
    "a wrong signature": {"final": lambda said: "v=" + scram.b64(b"v" * 32)},
    "an empty signature": {"final": lambda said: "v="}, "half a signature": {"final": lambda said: said[:20]},
    "an overlong signature": {"final": lambda said: said + "A" * 60000},
    "no signature at all": {"final": ""},
}


# libpq 15 computes the first one for minutes and believes the others; the gateway must not.
LIBPQ_FALLS_FOR = {"a count of 2147483647", "a count that wraps in 32 bits", "a nonce that is only ours",
                   "no signature at all"}


@pytest.mark.parametrize("name", SERVER_TWISTS)
@pytest.mark.parametrize("kind", ["libpq", "pooled"])
def test_a_server_that_does_not_prove_that_it_knows_the_password_is_not_believed(gateway, kind, name):
    if kind == "libpq" and name in LIBPQ_FALLS_FOR:
        pytest.skip("libpq 15 is no model here")
    with FakePg(scram_liar(**SERVER_TWISTS[name])) as fake:
        if kind == "libpq":
            with pytest.raises(psycopg.OperationalError):
                connect(fake.port, "alice", password=SECRETS["alice"], sslmode="disable")
            return
        pool = gateway(hosts=[f"127.0.0.1:{fake.port}"], workers=1, tls={"server_tls_sslmode": "disable"},
                       auth={"auth_type": "scram-sha-256", "auth_file": "users.txt"}, files={"users.txt": users_file()},
                       defaults={"server_connect_timeout": "2s", "query_wait_timeout": "2s",
                                 "server_login_retry": "100ms"})
        with pool.raw(kind) as client:
            refusal(client, lambda it: it.login("alice", "app", SECRETS["alice"]).rows("select 1"))


# MD5.

def md5_response(user, secret, salt):
    inner = md5((secret + user).encode()).hexdigest()
    return "md5" + md5(inner.encode() + salt).hexdigest()


@pytest.fixture(params=["postgresql", *LISTENERS])
def md5_port(request, secure):
    """Where mia logs in by MD5."""
    if request.param == "postgresql":
        return secure.port
    return request.getfixturevalue("fronts")("md5").ports[request.param]


def challenge(client, user="mia"):
    client.send(m.startup(user, "app"))
    return expect(client.read(), 5)


def test_md5_challenges_differ_and_an_answer_to_one_is_no_answer_to_another(md5_port):
    with Raw(md5_port) as client:
        salt = challenge(client)
        recorded = md5_response("mia", SECRETS["mia"], salt)
        client.send(m.password(recorded))
        assert client.finish_login().value("select current_user") == "mia"
        client.leave()
    salts = {salt}
    for _ in range(20):
        with Raw(md5_port) as client:
            salts.add(challenge(client))
            client.send(m.password(recorded))
            assert refusal(client, lambda it: it.finish_login())["C"] == "28P01"
    assert len(salts) == 21, "a challenge came twice"


def test_the_stored_md5_hash_is_no_password(md5_port):
    stored = "md5" + md5((SECRETS["mia"] + "mia").encode()).hexdigest()
    for answer in (stored, SECRETS["mia"], "md5", "", "md5" + "0" * 32, stored.upper()):
        with Raw(md5_port) as client:
            challenge(client)
            client.send(m.password(answer))
            assert refusal(client, lambda it: it.finish_login())["C"] == "28P01"


def test_md5_asks_for_scram_where_the_secret_is_a_verifier(gateway, secure):
    with connect(secure.port, "postgres", "postgres") as connection:
        stored = connection.execute("select rolpassword from pg_authid where rolname = 'alice'").fetchone()[0]
    users = f'"alice" "{stored}"\n'
    pool = gateway(upstream=secure.port, auth={"auth_type": "md5", "auth_file": "users.txt"},
                   files={"users.txt": users})
    with pool.raw() as client:
        assert PLAIN in mechanisms(client, "alice")
        log_in(client, PLAIN, Exchange(SECRETS["alice"], "n")).leave()


# Empty passwords and unknown users.

PASSWORD_TYPES = ["plain", "md5", "scram-sha-256"]


@pytest.mark.parametrize("auth_type", PASSWORD_TYPES)
@pytest.mark.parametrize("user", ["alice", "mia", "paul", "blank", "nobody_at_all"])
def test_an_empty_password_opens_nothing(fronts, auth_type, user):
    """Not even for a user whose entry in the file is empty."""
    for listener in LISTENERS:
        with fronts(auth_type).raw(listener) as client:
            assert refusal(client, lambda it: answer_login(it, user, ""))["C"] == "28P01"


@pytest.mark.parametrize("user", ["alice", "mia", "paul"])
def test_an_empty_password_opens_nothing_at_postgresql(secure, user):
    with Raw(secure.port) as client:
        assert refusal(client, lambda it: answer_login(it, user, ""))["C"] == "28P01"


def answer_login(client, user, secret):
    """A login by whatever the other side asks for, with MD5 too; passwords are sent without TLS."""
    client.send(m.startup(user, "app"))
    item = client.read()
    code = struct.unpack_from("!I", item.body)[0] if item.type == "R" else None
    if code == 3:
        client.send(m.password(secret))
    elif code == 5:
        client.send(m.password(md5_response(user, secret, item.body[4:])))
    elif code == 10:
        return log_in(client, PLAIN, Exchange(secret, "n"))
    elif item.type == "E":
        raise Refused(m.fields(item.body))
    return client.finish_login()


TRIES = 15


@pytest.mark.flaky(reruns=2)
@pytest.mark.parametrize("auth_type", PASSWORD_TYPES)
def test_an_unknown_user_and_a_wrong_password_cannot_be_told_apart(fronts, auth_type):
    """Neither by words nor by time; tries alternate so that a slow moment of the machine hits both."""
    front, took, said = fronts(auth_type), {"alice": [], "nobody_at_all": []}, {}
    for user in list(took) * (TRIES + 1):
        with front.raw() as client:
            start = time.monotonic()
            fields = refusal(client, lambda it: answer_login(it, user, "wrong"))
            took[user].append(time.monotonic() - start)
            said.setdefault(fields["M"].replace(user, "USER"), set()).add((user, fields["C"], fields["S"]))
    assert said == {'password authentication failed for user "USER"': {(user, "28P01", "FATAL") for user in took}}
    known, unknown = (statistics.median(times[1:]) for times in took.values())
    assert abs(known - unknown) < 0.020, f"{known * 1000:.1f} ms for a known user, {unknown * 1000:.1f} for an unknown"


@pytest.mark.parametrize("auth_type", PASSWORD_TYPES)
def test_what_is_asked_of_unknown_users_is_what_is_asked_of_known_ones(fronts, auth_type):
    asked = {}
    for user in ("alice", "mia", "nobody_at_all", "nobody_either"):
        with fronts(auth_type).raw() as client:
            client.send(m.startup(user, "app"))
            item = client.read()
            asked[user] = (item.type, item.body[:4], len(item.body))
    assert len(set(asked.values())) == 1, asked


@pytest.mark.parametrize("auth_type", PASSWORD_TYPES)
def test_the_true_reason_is_in_the_log(fronts, auth_type):
    front = fronts(auth_type)
    before = len(front.log())
    with front.raw() as client:
        refusal(client, lambda it: answer_login(it, "nobody_at_all", "wrong"))
    with front.raw() as client:
        refusal(client, lambda it: answer_login(it, "alice", "wrong-word"))
    log = front.log()[before:]
    assert "nobody_at_all" in log and "alice" in log and "wrong-word" not in log


# Names.

LONGEST = "n" * 63
NAMES = [LONGEST, 'quo"ted', "apos'trophe", "with blank", "UPPER", "ümläut", "back\\slash", "semi;colon -- x", "a,b=c"]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture(scope="module")
def odd(secure):
    """A role and a database for each odd name; its password is its name."""
    for name in NAMES:
        with secure.connect(dbname="postgres") as connection:
            connection.autocommit = True
            connection.execute(psycopg.sql.SQL("create role {} login password {}").format(
                psycopg.sql.Identifier(name), psycopg.sql.Literal(name)))
            connection.execute(psycopg.sql.SQL("create database {}").format(psycopg.sql.Identifier(name)))
    return NAMES


@pytest.fixture(scope="module")
def odd_fronts(gateway_of_module, secure, odd):
    users = "".join(f"{quoted(name)} {quoted(name)}\n" for name in odd)
    return {"relay": gateway_of_module(upstream=secure.port, auth_type="relay"),
            "scram-sha-256": gateway_of_module(upstream=secure.port, files={"users.txt": users},
                                               auth={"auth_type": "scram-sha-256", "auth_file": "users.txt"})}


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("auth_type", ["relay", "scram-sha-256"])
@pytest.mark.parametrize("name", NAMES)
def test_odd_names_of_users_and_databases_log_in(odd_fronts, listener, auth_type, name):
    with odd_fronts[auth_type].raw(listener) as client:
        client.login(name, name, name)
        assert client.rows("select current_user, current_database()") == [[name, name]]
        client.leave()


@pytest.mark.parametrize("auth_type", ["relay", "scram-sha-256"])
@pytest.mark.parametrize("size", [64, 65, 128, 1000, 9900])
def test_overlong_names_are_not_cut_to_those_of_others(odd_fronts, auth_type, size):
    """PostgreSQL cuts names at 63 bytes; a gateway that compares whole ones must not let the two be confused."""
    for user, database in ((LONGEST + "x" * (size - 63), "app"), ("no_such_user" + "x" * size, LONGEST)):
        with odd_fronts[auth_type].raw() as client:
            refusal(client, lambda it: it.login(user, database, LONGEST + "x").rows("select 1"))


# The console.

# Verbs of this console and of its cousins elsewhere, in all sorts of spelling.
VERBS = ["RELOAD", "SHUTDOWN", "PAUSE", "RESUME", "KILL app", "KILL_CLIENT 1", "SUSPEND", "RECONNECT", "DISABLE app",
         "ENABLE app", "SET log_level = 'debug'", "WAIT_CLOSE", "reload", "  ReLoAd ;", "RELOAD; SHOW POOLS",
         "SHOW POOLS; RELOAD", "/* SHOW */ RELOAD"]


@pytest.mark.parametrize("command", VERBS)
def test_a_user_who_may_only_look_gives_no_commands(fronts, command):
    pool = fronts("trust")
    before = len(pool.log())
    for send in (m.query(command), m.parse("", command) + m.bind() + m.execute() + m.sync()):
        with pool.raw() as client:
            client.login("stats", "pgsluice").send(send)
            found = client.until("Z")
            assert "E" in kinds(found), f"{command} was obeyed: {found}"
    assert "configuration" not in pool.log()[before:], "it was reloaded"
    with pool.raw() as client:
        assert client.login("stats", "pgsluice").rows("SHOW VERSION")
        client.leave()


# An error without SQLSTATE.

FACELESS = {"without SQLSTATE": b"SFATAL\0Mfaceless\0\0", "with nothing": b"\0", "empty": b"", "without end": b"SFATAL"}


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("auth_type", ["relay", "trust"])
@pytest.mark.parametrize("name", FACELESS)
def test_an_error_without_a_code_at_login_is_still_an_error(gateway, listener, auth_type, name):
    def script(peer):
        if peer.read_startup() is not None:
            peer.send(m.message("E", FACELESS[name]))
            peer.until("X")

    with FakePg(script) as fake:
        pool = gateway(hosts=[f"127.0.0.1:{fake.port}"], auth_type=auth_type, workers=1,
                       defaults={"query_wait_timeout": "1s", "server_connect_timeout": "1s",
                                 "server_login_retry": "100ms"})
        with pool.raw(listener) as client:
            fields = refusal(client, lambda it: it.login("app", "app").rows("select 1"))
            # A direct session hears PostgreSQL's own bytes.
            assert not fields or listener == "direct" or len(fields.get("C", "")) == 5, f"{fields} has no SQLSTATE"


# The look-up of secrets in PostgreSQL.

# What an operator may write by hand in place of `pgsluice setup`.
LOOKUP = """
create schema pgsluice;
create function pgsluice.user_secret(wanted text, out name text, out secret text)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select rolname::text, rolpassword from pg_catalog.pg_authid
     where rolname = wanted and rolcanlogin and (rolvaliduntil is null or rolvaliduntil > pg_catalog.now()) $$;
revoke all on function pgsluice.user_secret(text) from public;
grant usage on schema pgsluice to lookup;
grant execute on function pgsluice.user_secret(text) to lookup;
"""

# Everything that a look-up could stumble over when a client's search_path or options reached it.
TRAPS = """
create table public.pwned (who text, how text);
grant all on public.pwned to public;
create schema trap;
grant usage on schema trap to public;
create function trap.spring(how text) returns void language sql as
  $$ insert into public.pwned values (session_user, how) $$;
create function trap.equal(text, text) returns bool language sql as
  $$ select trap.spring('operator ='); select true $$;
create operator trap.= (leftarg = text, rightarg = text, function = trap.equal);
create function trap.equal(name, text) returns bool language sql as
  $$ select trap.spring('operator =, name'); select true $$;
create operator trap.= (leftarg = name, rightarg = text, function = trap.equal);
create function trap.now() returns timestamptz language sql as
  $$ select trap.spring('now'); select '-infinity'::timestamptz $$;
create view trap.pg_authid as
  select 'alice'::name as rolname, 'trap-secret'::text as rolpassword, true as rolcanlogin,
         null::timestamptz as rolvaliduntil;
create view trap.pg_shadow as
  select 'alice'::name as usename, 'trap-secret'::text as passwd, null::timestamptz as valuntil;
grant select on trap.pg_authid, trap.pg_shadow to public;
"""
LOOKUPS = {
    "by the default query": None,
    "by a query without names of schemas": "select rolname, rolpassword from pg_authid where rolname = $1::text",
}
HOSTILE = [{"search_path": "trap, public, pg_catalog"}, {"options": "-c search_path=trap,public,pg_catalog"},
           {"options": "-csearch_path=trap,pg_catalog -c session_preload_libraries=nothing"},
           {"options": "--search_path=trap,pg_catalog"}, {"role": "postgres"}, {"session_authorization": "postgres"}]


@pytest.fixture(scope="module")
def lookup_database(secure):
    secure.sql(LOOKUP, dbname="postgres")
    secure.sql(TRAPS, dbname="postgres")
    return secure


@pytest.fixture(scope="module")
def looked_up(gateway_of_module, lookup_database):
    """looked_up(query): a gateway that asks PostgreSQL for secrets, by the default query or another one."""
    started = {}

    def front(name="by the default query"):
        if name not in started:
            query = LOOKUPS[name]
            # The second query needs a superuser, which makes what reaches its connection all the worse.
            user = "lookup" if query is None else "keeper"
            auth = {"auth_type": "scram-sha-256", "auth_user": user, "passfile": "passfile",
                    **({"auth_query": query} if query else {})}
            started[name] = gateway_of_module(upstream=lookup_database.port, auth=auth,
                                              files={"passfile": passfile(SECRETS | {"lookup": "lookup-secret"})})
        return started[name]

    return front


def test_the_traps_are_sprung_where_a_search_path_does_reach_a_look_up(lookup_database):
    """Otherwise the tests below would show nothing."""
    with lookup_database.connect(dbname="postgres", user="keeper", password=SECRETS["keeper"]) as connection:
        connection.execute("set search_path = trap, public, pg_catalog")
        row = connection.execute(LOOKUPS["by a query without names of schemas"].replace("$1", "'nobody'")).fetchone()
        assert row == ("alice", "trap-secret")
        connection.execute("reset search_path")
        assert connection.execute("delete from public.pwned where who = 'keeper'").rowcount > 0


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("user", ["alice", "carol", "keeper"])
def test_users_are_looked_up_and_logged_in_with_what_they_prove(looked_up, listener, user):
    for _ in range(2):
        with looked_up().raw(listener) as client:
            client.login(user, "app", SECRETS[user])
            assert client.value("select session_user") == user
            client.leave()
    with looked_up().raw(listener) as client:
        assert refusal(client, lambda it: it.login(user, "app", "wrong"))["C"] == "28P01"


@pytest.mark.parametrize("user, secret", [("old", "old-secret"), ("gone", "gone-secret"), ("app", ""),
                                          ("nobody_at_all", "x"), ("lookup' or true --", "x"), ('quo"ted', "x")])
def test_expired_locked_and_unknown_users_are_not_let_in(looked_up, user, secret):
    """CVE-2025-2291; all hear the same."""
    with looked_up().raw() as client:
        fields = refusal(client, lambda it: it.login(user, "app", secret))
        assert (fields["C"], fields["M"]) == ("28P01", f'password authentication failed for user "{user}"')


@pytest.mark.parametrize("name", LOOKUPS)
@pytest.mark.parametrize("parameters", HOSTILE, ids=lambda given: "-".join(given))
def test_what_a_client_sets_never_reaches_the_look_up(looked_up, lookup_database, name, parameters):
    """CVE-2025-12819: it would run a stranger's code with the rights of auth_user."""
    front = looked_up(name)
    for listener in LISTENERS:
        for secret in ("trap-secret", "wrong"):
            with front.raw(listener) as client:
                refusal(client, lambda it: it.login("alice", "postgres", secret, **parameters))
        with front.raw(listener) as client:
            try:
                client.login("alice", "postgres", SECRETS["alice"], **parameters).rows("select 1")
            except (Refused, Closed):
                pass
    with lookup_database.connect(dbname="postgres") as connection:
        assert connection.execute("select who, how from public.pwned where who <> 'alice'").fetchall() == []


def test_a_changed_password_counts_at_once(looked_up, lookup_database):
    """A login that fails with what is remembered asks anew."""
    with looked_up().raw() as client:
        client.login("carol", "app", SECRETS["carol"]).leave()
    lookup_database.sql("alter role carol password 'changed'", dbname="postgres")
    try:
        with looked_up().raw() as client:
            assert client.login("carol", "app", "changed").value("select session_user") == "carol"
            client.leave()
        with looked_up().raw() as client:
            assert refusal(client, lambda it: it.login("carol", "app", SECRETS["carol"]))["C"] == "28P01"
    finally:
        lookup_database.sql(psycopg.sql.SQL("alter role carol password {}").format(
            psycopg.sql.Literal(SECRETS["carol"])).as_string(None), dbname="postgres")


def test_the_look_up_runs_as_auth_user_on_a_connection_of_its_own(looked_up, lookup_database):
    with looked_up().raw() as client:
        client.login("alice", "app", SECRETS["alice"])
        seen = client.rows("select usename from pg_stat_activity where usename = 'lookup' and pid = pg_backend_pid()")
        assert seen == []
        assert lookup_database.backends("usename = 'alice' and datname = 'app'")
        client.leave()


def test_no_verifier_reaches_the_log_or_the_console(looked_up):
    with looked_up().raw() as client:
        client.login("alice", "app", SECRETS["alice"]).leave()
    assert "SCRAM-SHA-256$" not in looked_up().log()
    assert "lookup-secret" not in looked_up().log()
