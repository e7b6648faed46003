# SPDX-License-Identifier: PostgreSQL
"""test_identity - auth_type = "hba" through the gateway: which line decides by socket, certificate, role, encryption
and database, for pooled and direct sessions, and what a reload or `pgsluice check` makes of the files."""

import os
import pwd
import re

import psycopg
import pytest

import programs
from gate import command, configuration
from secure import SECRETS, connect, passfile, shown, tls_options

pytest_plugins = ("secure_fixtures",)

ME = pwd.getpwuid(os.geteuid()).pw_name
PASSWORDS = passfile(SECRETS | {"lookup": "lookup-secret", ME: "my-secret"})


def hba_options(**more):
    return {"auth_type": "hba", "auth_hba_file": "hba.conf", "passfile": "passfile"} | more


def hba_files(rules, maps=None):
    return {"hba.conf": rules, "passfile": PASSWORDS} | ({"ident.conf": maps} if maps else {})


def outcome(port, user="app", **keywords):
    """The empty text for a session as that user, or what the error says."""
    try:
        with connect(port, user, **keywords) as connection:
            assert connection.execute("select session_user").fetchone() == (user,)
            return ""
    except psycopg.OperationalError as trouble:
        return str(trouble)


# Unix sockets: the operating system says who calls.

SOCKET_RULES = """
local all app,bob   peer map=mine
local all dumper    peer map=theirs
local all stats     peer map=patterns
local all all       peer
host  all alice     127.0.0.1/32 trust
"""
SOCKET_MAPS = f"""
mine     {ME}      app
mine     {ME}      /^b
theirs   somebody  dumper
patterns /^(.*)x$  stats
"""


@pytest.fixture
def me(secure):
    """A role with the name of who runs the tests."""
    quoted = '"' + ME.replace('"', '""') + '"'
    if not secure.value(f"select count(*) from pg_roles where rolname = '{ME}'", dbname="postgres"):
        secure.sql(f"create role {quoted} login password 'my-secret'", dbname="postgres")
        yield ME
        secure.sql(f"drop role {quoted}", dbname="postgres")
    else:
        yield ME


@pytest.fixture
def socket_directory():
    directory = programs.private_directory("socket")
    directory.chmod(0o755)
    yield directory
    programs.remove(directory)


def test_peer_lets_in_whom_the_operating_system_names(gateway, secure, socket_directory, me):
    path = socket_directory / ".s.PGSQL.5432"
    listeners = [{"name": "pooled", "listen": ["127.0.0.1:0", str(path)], "mode": "transaction"}]
    gateway(upstream=secure.port, pool=2, listeners=listeners, auth=hba_options(auth_ident_file="ident.conf"),
            files=hba_files(SOCKET_RULES, SOCKET_MAPS))
    # The gateway's own umask may keep others out.
    path.chmod(0o777)
    here = {"host": str(socket_directory), "port": 5432}
    assert outcome(user=me, **here) == ""
    assert outcome(user="app", **here) == ""
    assert outcome(user="bob", **here) == ""
    for user in ("alice", "dumper", "stats"):
        assert f'peer authentication failed for user "{user}"' in outcome(user=user, **here)


# Certificates and encryption.

TLS_RULES = r"""
hostssl   all app     127.0.0.1/32 cert map=mail
hostssl   all bob     127.0.0.1/32 cert clientname=DN map=subject
hostssl   all dumper  127.0.0.1/32 trust clientcert=verify-ca
hostssl   all stats   127.0.0.1/32 trust clientcert=verify-full
hostssl   all alice   127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostnossl all nobody_special 127.0.0.1/32 trust
hostssl   all nobody_special 127.0.0.1/32 reject
hostssl   all postgres 127.0.0.1/32 cert
"""
TLS_MAPS = r"""
mail    /^(.*)@example\.net$  \1
subject CN=robert             bob
"""
TLS_USERS = '"alice" "alice-secret"\n'


@pytest.fixture(scope="module")
def tls_gate(gateway_of_module, secure, certificates):
    for name, common_name in (("app-mail", "app@example.net"), ("bob-mail", "bob@example.net"), ("stats", "stats"),
                              ("robert", "robert"), ("app-elsewhere", "app@example.net.evil"), ("bob", "bob")):
        certificates.make(name, common_name)
    files = hba_files(TLS_RULES, TLS_MAPS) | {"users.txt": TLS_USERS}
    return gateway_of_module(upstream=secure.port, pool=2, tls=tls_options(certificates), files=files,
                             auth=hba_options(auth_ident_file="ident.conf", auth_file="users.txt"))


NEEDED = "certificate is needed|requires a valid client certificate"
FAILED = "certificate authentication failed"

# User, certificate or none, sslmode, and the empty text or what the error says.
TLS_CASES = [
    ("app", "app-mail", "require", ""), ("app", "bob-mail", "require", FAILED), ("app", "app", "require", FAILED),
    ("app", "app-elsewhere", "require", FAILED), ("app", None, "require", NEEDED),
    ("app", "app-mail", "disable", "no line of the gateway's auth_hba_file lets"),
    ("bob", "robert", "require", ""), ("bob", "bob", "require", FAILED), ("bob", None, "require", NEEDED),
    ("dumper", "mallory", "require", ""), ("dumper", None, "require", NEEDED),
    ("stats", "stats", "require", ""), ("stats", "mallory", "require", FAILED), ("stats", None, "require", NEEDED),
    ("alice", "alice", "require", ""), ("alice", "mallory", "require", FAILED), ("alice", None, "require", NEEDED),
    ("nobody_special", None, "disable", ""), ("nobody_special", None, "require", "auth_hba_file rejects"),
    ("nobody_special", None, "prefer", ""),
    ("paul", None, "require", "no line of the gateway's auth_hba_file lets"),
]


def keywords_of(case, certificates):
    user, pair, sslmode, _ = case
    return {"user": user, "sslmode": sslmode, "password": SECRETS.get(user, "x"), "channel_binding": "disable",
            **(shown(certificates[pair]) if pair else {})}


@pytest.mark.parametrize("case", TLS_CASES, ids=lambda case: "-".join(map(str, case[:3])))
def test_certificates_and_encryption_choose_the_line(tls_gate, certificates, case):
    found, wanted = outcome(tls_gate.pooled, **keywords_of(case, certificates)), case[3]
    assert not found if wanted == "" else any(part in found for part in wanted.split("|")), found


def test_the_password_counts_beside_the_certificate(tls_gate, certificates):
    given = {"user": "alice", "sslmode": "require", "password": "wrong"} | shown(certificates["alice"])
    assert "password authentication failed" in outcome(tls_gate.pooled, **given)


def test_direct_sessions_need_the_certificate_of_their_line(tls_gate, certificates):
    for case in (("dumper", "mallory", "require", ""), ("dumper", None, "require", NEEDED),
                 ("stats", "mallory", "require", FAILED), ("stats", "stats", "require", "")):
        found, wanted = outcome(tls_gate.direct, **keywords_of(case, certificates)), case[3]
        assert not found if wanted == "" else any(part in found for part in wanted.split("|")), (case, found)


# Roles.

ROLE_RULES = """
host all       nobody_special 127.0.0.1/32 trust
host samerole  dumper,stats   127.0.0.1/32 trust
host all       "+staff"       127.0.0.1/32 reject
host all       +staff         127.0.0.1/32 trust
"""


@pytest.fixture
def staff(secure):
    """bob is staff through another role; dumper has the role app."""
    secure.sql("create role staff;\ncreate role clerks in role staff;\ngrant clerks to bob;\ngrant app to dumper",
               dbname="postgres")
    yield secure
    secure.sql("revoke app from dumper;\nrevoke clerks from bob;\ndrop role clerks;\ndrop role staff",
               dbname="postgres")


@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_memberships_are_looked_up_in_postgresql(gateway, staff, listener):
    gate = gateway(upstream=staff.port, pool=2, auth=hba_options(auth_user="lookup"), files=hba_files(ROLE_RULES))
    port = gate.ports[listener]
    assert outcome(port, "bob") == "" and outcome(port, "dumper") == "" and outcome(port, "nobody_special") == ""
    for user, dbname in (("app", "app"), ("stats", "app"), ("dumper", "postgres")):
        assert "no line of the gateway's auth_hba_file" in outcome(port, user, dbname=dbname)
    staff.sql("revoke clerks from bob", dbname="postgres")
    assert "no line of the gateway's auth_hba_file" in outcome(port, "bob")


def test_without_a_look_up_nobody_is_a_member_except_to_be_rejected(gateway, staff):
    rules = "host all +staff 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n"
    gate = gateway(upstream=staff.port, auth=hba_options(), files=hba_files(rules))
    assert "auth_hba_file rejects" in outcome(gate.pooled, "app")
    gate = gateway(upstream=staff.port, auth=hba_options(),
                   files=hba_files("host all +staff 127.0.0.1/32 trust\n"))
    assert "no line of the gateway's auth_hba_file" in outcome(gate.pooled, "bob")


# Replication and direct sessions.

DIRECT_RULES = """
host replication app    127.0.0.1/32 trust
host all         app    127.0.0.1/32 reject
host all         bob    127.0.0.1/32 trust
host app         dumper 127.0.0.1/32 reject
host all         alice  127.0.0.1/32 trust
host postgres    carol  127.0.0.1/32 reject
host all         carol  127.0.0.1/32 trust
"""


@pytest.fixture(scope="module")
def direct_gate(gateway_of_module, secure):
    return gateway_of_module(upstream=secure.port, pool=2, auth=hba_options(), files=hba_files(DIRECT_RULES))


def psql(port, conninfo, sql="IDENTIFY_SYSTEM"):
    return programs.run("psql", "-XAtw", "-c", sql, f"host=127.0.0.1 port={port} gssencmode=disable {conninfo}",
                        check=False)


@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_replication_has_lines_of_its_own(direct_gate, listener):
    port = direct_gate.ports[listener]
    done = psql(port, "user=app dbname=app replication=true")
    assert done.returncode == 0 and re.match(r"\d+\|", done.stdout), done.stderr
    assert "auth_hba_file rejects" in psql(port, "user=app dbname=app replication=database").stderr
    assert "auth_hba_file rejects" in outcome(port, "app")
    assert "no line of the gateway's auth_hba_file" in psql(port, "user=bob dbname=app replication=true").stderr
    assert outcome(port, "bob") == ""


def dump(port, user, **environment):
    return programs.run("pg_dump", "-w", "-h", "127.0.0.1", "-p", port, "-U", user, "-d", "app", "--schema-only", "-t",
                        "marks", check=False, PGGSSENCMODE="disable", **environment)


@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_a_dump_needs_a_line_and_then_what_postgresql_asks_for(direct_gate, listener):
    port = direct_gate.ports[listener]
    for user, said in (("dumper", "auth_hba_file rejects"), ("stats", "no line of the gateway's auth_hba_file"),
                       ("alice", "no password supplied")):
        done = dump(port, user)
        assert done.returncode == 1 and said in done.stderr, f"{user}: {done.stderr}"
    assert "password authentication failed" in dump(port, "alice", PGPASSWORD="wrong").stderr
    done = dump(port, "bob")
    assert "permission denied for table marks" in done.stderr, done.stderr
    done = dump(port, "alice", PGPASSWORD=SECRETS["alice"])
    assert "permission denied for table marks" in done.stderr, done.stderr


def test_the_database_chooses_the_line(direct_gate):
    for port in (direct_gate.pooled, direct_gate.direct):
        assert outcome(port, "carol", password=SECRETS["carol"]) == ""
        assert "auth_hba_file rejects" in outcome(port, "carol", dbname="postgres", password=SECRETS["carol"])


# Reload and check.

GOOD = "host all app,postgres 127.0.0.1/32 trust\n"


def test_a_broken_file_of_rules_changes_nothing_and_a_good_one_counts_for_new_sessions(gateway, secure):
    maps = "mine root app\n"
    auth = hba_options(auth_ident_file="ident.conf")
    gate = gateway(upstream=secure.port, pool=2, auth=auth, files=hba_files(GOOD, maps))
    config = configuration(secure.port, pool=2, auth=auth)
    for name, good, broken, said in (
            ("hba.conf", GOOD, GOOD + "\nhost all bob 127.0.0.1/32 trast\n", "hba.conf:3: "),
            ("ident.conf", maps, "# comment\nmine /( app\n", "ident.conf:2: ")):
        programs.write(gate.directory / name, broken)
        assert said in gate.reload(config)
        assert outcome(gate.pooled, "app") == "" and outcome(gate.pooled, "bob") != ""
        programs.write(gate.directory / name, good)
    with connect(gate.pooled, "app") as old:
        programs.write(gate.directory / "hba.conf", "host all bob,postgres 127.0.0.1/32 trust\n")
        gate.reload(config)
        programs.eventually(lambda: outcome(gate.pooled, "bob") == "", 5, what="the new rules")
        assert "no line of the gateway's auth_hba_file" in outcome(gate.pooled, "app")
        assert old.execute("select 'still here'").fetchone() == ("still here",)


BROKEN_RULES = """# a comment
host all all 127.0.0.1/32 trast
host all all 127.0.0.300/32 trust
host all all 127.0.0.1/32 trust map=x
local all
host all all 127.0.0.1/32 gss
host all all 127.0.0.1/32 ldap
"""
BROKEN_MAPS = "mine app\n\nmine /( app\nmine /^x$ \\1\n"


def test_check_names_every_mistake_in_rules_and_maps():
    config = configuration(5432, auth={"auth_type": "hba", "auth_hba_file": "hba.conf",
                                       "auth_ident_file": "ident.conf"})
    files = {"pgsluice.conf": config, "hba.conf": BROKEN_RULES, "ident.conf": BROKEN_MAPS}
    done = command("check", "-c", "pgsluice.conf", files=files)
    assert done.returncode == 2 and not done.stdout
    found = re.findall(r"(hba|ident)\.conf:(\d+): ", done.stderr)
    assert found == [("hba", str(line)) for line in range(2, 8)] + [("ident", "1"), ("ident", "3"), ("ident", "4")], \
        done.stderr
    good = files | {"hba.conf": GOOD, "ident.conf": "mine root app\n"}
    assert command("check", "-c", "pgsluice.conf", files=good).returncode == 0
