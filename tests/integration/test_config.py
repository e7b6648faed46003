# SPDX-License-Identifier: PostgreSQL
"""test_config - the commands that read a configuration: everything that is wrong is said, with file and line."""

import os
import re
import socket

import pytest

import programs
from gate import command, configuration

GOOD = """
listeners = (
  { name = "pooled"; listen = [ "127.0.0.1:6432" ]; mode = "transaction"; },
  { name = "direct"; listen = [ "127.0.0.1:6433" ]; mode = "direct"; }
);
upstreams = ( { name = "main"; hosts = [ "127.0.0.1:5432" ]; } );
routes = (
  { name = "reports"; match = { user = "bi"; database = "app"; }; mode = "session"; default_pool_size = 5; },
  { name = "nightly"; match = { user = [ "backup_*" ]; }; mode = "direct"; },
  { name = "web"; match = { database = "~^app[0-9]*$"; }; mode = "transaction";
    settings = { statement_timeout = "30s"; }; }
);
defaults = { default_pool_size = 20; query_wait_timeout = "120s"; };
auth = { auth_type = "scram-sha-256"; auth_file = "users.txt"; };
limits = { max_client_conn = 2000; client_login_timeout = "10s"; };
admin = { admin_users = [ "postgres" ]; stats_users = [ "monitor" ]; };
"""
ONE_LISTENER = 'listeners = ( { name = "a"; listen = [ "127.0.0.1:1" ]; mode = "direct"; } );'
USERS = '"alice" "alice-secret"\n'


def check(text, **more):
    return command("check", "-c", "pgsluice.conf", files={"pgsluice.conf": text} | more)


def problems(done):
    """The lines of standard error by file and line."""
    return [(found[1], int(found[2]), found[3]) for found in re.finditer(r"^([^:\n]+):(\d+): (.*)$", done.stderr,
                                                                         re.M)]


def test_a_good_file_is_said_to_be_valid():
    done = check(GOOD, **{"users.txt": USERS})
    assert done.returncode == 0, done.stderr
    assert "pgsluice.conf: configuration is valid" in done.stdout and not done.stderr


BROKEN = {
    "an unknown key": ("default_pool_size = 20; query", "default_pol_size = 20; query",
                       ["default_pol_size", "default_pool_size"]),
    "an unknown group": ("limits = {", "limmits = {", ["limmits"]),
    "a wrong type": ("default_pool_size = 20;", 'default_pool_size = "twenty";', ["default_pool_size"]),
    "a number without a unit": ('query_wait_timeout = "120s"', "query_wait_timeout = 120",
                                ["query_wait_timeout", "s"]),
    "a text without a unit": ('query_wait_timeout = "120s"', 'query_wait_timeout = "120"', ["query_wait_timeout"]),
    "a value out of range": ("default_pool_size = 20;", "default_pool_size = 0;", ["default_pool_size"]),
    "an unknown mode": ('mode = "session"', 'mode = "sessions"', ["sessions", "session"]),
    "an unknown auth_type": ('"scram-sha-256"', '"scram"', ["scram"]),
    "an unknown upstream": ('mode = "session";', 'mode = "session"; upstream = "other";', ["other"]),
    "a bad regular expression": ("~^app[0-9]*$", "~^app[0-9", ["app[0-9"]),
    "an address without a port": ("127.0.0.1:6432", "127.0.0.1", ["127.0.0.1"]),
    "a port that is none": ("127.0.0.1:6432", "127.0.0.1:99999", ["99999"]),
    "a missing name": ('name = "reports"; ', "", ["name"]),
    "a key of a later version": ("admin = {", "http = { listen = \"127.0.0.1:9632\"; };\nadmin = {", ["http"]),
    "a bad address to match": ('match = { user = "bi";', 'match = { client_addr = "300.0.0.1"; user = "bi";',
                               ["300.0.0.1"]),
    "an unknown class": ('match = { user = "bi";', 'match = { class = "dmup"; user = "bi";', ["dmup"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_told_with_file_and_line(name):
    before, after, words = BROKEN[name]
    text = GOOD.replace(before, after, 1)
    assert text != GOOD
    line = next(n for n, (old, new) in enumerate(zip(GOOD.split("\n"), text.split("\n")), 1) if old != new)
    done = check(text, **{"users.txt": USERS})
    assert done.returncode == 2 and not done.stdout
    found = problems(done)
    assert len(found) == 1, done.stderr
    assert found[0][0].endswith("pgsluice.conf") and found[0][1] == line, (line, done.stderr)
    for word in words:
        assert word in found[0][2]


def test_all_mistakes_are_told_at_once():
    text = GOOD
    for name in ("an unknown key", "a number without a unit", "an unknown mode", "an unknown auth_type",
                 "a port that is none"):
        text = text.replace(*BROKEN[name][:2], 1)
    done = check(text, **{"users.txt": USERS})
    assert done.returncode == 2
    assert len({line for _, line, _ in problems(done)}) >= 4, done.stderr


def test_a_syntax_error_is_told_with_its_line():
    done = check(GOOD.replace('hosts = [ "127.0.0.1:5432" ]', "hosts = [ 127.0.0.1:5432"))
    assert done.returncode == 2 and problems(done)[0][1] == 6


def test_names_used_twice_are_told():
    done = check(GOOD.replace('name = "direct"', 'name = "pooled"').replace('name = "nightly"', 'name = "web"'),
                 **{"users.txt": USERS})
    assert done.returncode == 2 and "pooled" in done.stderr and "web" in done.stderr


@pytest.mark.parametrize("text, word", [("", "listeners"), ("workers = 2;", "upstreams"),
                                        (ONE_LISTENER, "upstreams")])
def test_what_is_missing_is_told(text, word):
    done = check(text)
    assert done.returncode == 2 and word in done.stderr


def test_included_files_are_read_and_named_in_problems():
    main = GOOD.replace('limits = { max_client_conn = 2000; client_login_timeout = "10s"; };',
                        '@include "limits.conf"')
    done = check(main, **{"users.txt": USERS, "limits.conf": 'limits = { max_client_conn = 5; };\n'})
    assert done.returncode == 0, done.stderr
    done = check(main, **{"users.txt": USERS, "limits.conf": '\n\nlimits = { max_client_con = 5; };\n'})
    assert done.returncode == 2
    assert [(name.rsplit("/", 1)[-1], line) for name, line, _ in problems(done)] == [("limits.conf", 3)]


def test_an_include_that_cannot_be_read_is_told():
    done = check('@include "no-such-file.conf"\n' + GOOD, **{"users.txt": USERS})
    assert done.returncode == 2 and "no-such-file.conf" in done.stderr


def test_a_file_that_includes_itself_is_told_and_ends():
    assert check('@include "pgsluice.conf"\n' + GOOD).returncode == 2


def test_a_users_file_that_is_missing_or_wrong_stops_the_start():
    for files in ({}, {"users.txt": '"alice" alice-secret-not-quoted\n'}):
        config = configuration(1, auth={"auth_type": "scram-sha-256", "auth_file": "users.txt"})
        done = command("serve", "-c", "pgsluice.conf", files={"pgsluice.conf": config} | files)
        assert done.returncode == 2, done
        assert "users.txt" in done.stderr and "alice-secret" not in done.stderr


@pytest.mark.parametrize("path", ["no-such-file", "/", "/dev/zero", "/proc/self/mem"])
def test_a_file_that_is_none_is_told(path):
    done = command("check", "-c", path)
    assert done.returncode == 2 and path in done.stderr


def test_a_fifo_as_configuration_does_not_hang():
    directory = programs.private_directory("fifo")
    os.mkfifo(directory / "fifo")
    programs.give(directory / "fifo")
    assert command("check", "-c", directory / "fifo").returncode == 2
    programs.remove(directory)


def explain(*words, text=GOOD):
    done = command("explain", "-c", "pgsluice.conf", *words, files={"pgsluice.conf": text, "users.txt": USERS})
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("not route")]
    return dict(line.split(None, 1) for line in lines), done.stdout


@pytest.mark.parametrize("words, kind, route, mode", [
    (["user=bi", "database=app"], "app", "reports", "session"),
    (["user=joe", "database=app7"], "app", "web", "transaction"),
    (["user=joe", "database=other"], "app", "(transaction)", "transaction"),
    (["user=joe", "database=app", "application_name=pg_dump"], "dump", "(direct)", "direct"),
    (["user=joe", "database=app", "application_name=pg_dumpall"], "dump", "(direct)", "direct"),
    (["user=joe", "database=app", "application_name=pg_restore"], "restore", "(direct)", "direct"),
    (["user=joe", "database=replication", "replication=true"], "replication", "(direct)", "direct"),
    (["user=joe", "database=app", "replication=database", "application_name=sub1"], "replication", "(direct)",
     "direct"),
    (["user=joe", "database=app", "replication=off"], "app", "web", "transaction"),
    (["user=backup_1", "database=app"], "app", "nightly", "direct"),
    (["user=joe", "database=app", "listener=direct"], "app", "web", "direct"),
    (["user=joe", "database=app", "application_name=vacuumdb"], "maintenance", "(direct)", "direct"),
    (["user=joe", "database=app", "application_name=pg_basebackup", "replication=true"], None, "(direct)", "direct"),
])
def test_explain_says_class_route_and_mode(words, kind, route, mode):
    found, text = explain(*words)
    assert kind is None or found["class"] == kind, text
    assert found["route"].split(" ")[0] == route, text
    assert found["mode"] == mode and found["why"], text


def test_explain_says_why_earlier_routes_did_not_match():
    _, text = explain("user=joe", "database=other")
    for route in ("reports", "nightly", "web"):
        assert re.search(rf"^not route\s+{route}: .+", text, re.M), text


@pytest.mark.parametrize("arguments", [
    [], ["explain"], ["explain", "-c", "pgsluice.conf"], ["explain", "-c", "pgsluice.conf", "user"], ["check"],
    ["no-such-command"],
    ["check", "-c"], ["serve", "-c"], ["serve", "--upstream"],
    ["explain", "-c", "pgsluice.conf", "user=a", "listener=none"],
    ["serve", "--no-such-option"]])
def test_wrong_usage_is_told_and_ends_with_2(arguments):
    done = command(*arguments, files={"pgsluice.conf": GOOD, "users.txt": USERS})
    assert done.returncode == 2 and len(done.stderr) > 20


@pytest.mark.parametrize("arguments",
                         [["--help"], ["serve", "--help"], ["check", "--help"], ["explain", "--help"], ["version"],
                                       ["version", "--help"]])
def test_help_and_version_end_with_0(arguments):
    done = command(*arguments)
    assert done.returncode == 0 and "pgsluice" in done.stdout


def test_a_port_that_is_taken_is_told_at_start():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        config = configuration(1, listeners=[{"name": "pooled", "listen": [address], "mode": "transaction"}])
        done = command("serve", "-c", "pgsluice.conf", files={"pgsluice.conf": config})
    assert done.returncode in (1, 2) and address in done.stderr


def test_an_upstream_on_the_command_line_that_is_none_is_told():
    done = command("serve", "--upstream", "127.0.0.1:no-port")
    assert done.returncode == 2 and "no-port" in done.stderr
