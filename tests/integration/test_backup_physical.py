# SPDX-License-Identifier: PostgreSQL
"""test_backup_physical - copies of the whole cluster: whole, proved, and started again somewhere else."""

import json
import re
import secrets
import shutil
import signal
import subprocess

import pytest

import programs
from backup_support import SCHEMA, backup_cluster, backup_runner, children, ended, reseal
from gate import Gateway, configuration
from programs import BIN, eventually


@pytest.fixture(scope="module")
def server():
    with backup_cluster("physical", SCHEMA, roles="create role reader login password 'x';\n"
                        "create role keeper login password 'x' replication in role pg_monitor") as cluster:
        yield cluster


@pytest.fixture
def runner(server):
    with backup_runner(server) as made:
        physical(made)
        yield made


def physical(runner, **options):
    runner.job(**({"kind": '"physical"', "databases": '"*"', "compress": '"zstd:1"', "verify": '"checksum"'} | options))


def slots(server):
    return server.value("select count(*) from pg_replication_slots", dbname="postgres")


def test_a_physical_backup_is_proved_to_the_last_index(server, runner):
    key = runner.directory / "key"
    key.write_text(secrets.token_hex(32))
    key.chmod(0o600)
    physical(runner, verify='"content"', encrypt_key_file=f'"{key}"')
    done = runner.ok("run", "nightly")
    assert "contents  the whole cluster" in done.stdout and re.search(r"verified +content", done.stdout)
    [backup] = runner.backups()
    assert re.fullmatch(r"\d{8}T\d{6}Z-nightly-F", backup["label"]) and "pg_amcheck" in backup["verified"]["text"]
    names = {path.name for path in runner.path(backup["label"]).iterdir()}
    assert names == {"base.tar.zst.enc", "manifest.json", "RESTORE.md", "verification.json"}
    assert list(runner.scratch.iterdir()) == [] and slots(server) == 0
    runner.ok("verify", backup["label"], "--level", "archive")


def start(directory, port):
    """Starts a restored cluster and asks it for the rows of a table."""
    account = ["runuser", "-u", "postgres", "--"] if programs.os.geteuid() == 0 else []
    pg_ctl = [*account, f"{BIN}/pg_ctl", "-D", str(directory), "-w", "-t", "60"]
    log = directory / "restored.log"
    subprocess.run([*pg_ctl, "-l", str(log), "-o", f"-p {port} -k '' -c listen_addresses=127.0.0.1", "start"], check=True,
                   capture_output=True, cwd="/")
    try:
        return subprocess.run([f"{BIN}/psql", "-XAtqc", "select count(*) from plain", "-h", "127.0.0.1", "-p", str(port),
                               "-U", "postgres", "app"], check=True, capture_output=True, text=True).stdout.strip()
    finally:
        subprocess.run([*pg_ctl, "-m", "immediate", "stop"], check=True, capture_output=True, cwd="/")


def test_restore_makes_a_directory_that_starts(runner):
    label = runner.run()
    target = runner.directory / "restored"
    assert "every file checked" in runner.ok("restore", label, "--directory", target).stdout
    assert start(target, programs.free_port()) == "2000"
    assert "is not empty" in runner.fails(1, "restore", label, "--directory", target)


def test_a_backup_taken_under_load_recovers(server, runner):
    server.sql("create table busy (id serial primary key, t text)")
    load = subprocess.Popen([f"{BIN}/psql", "-Xq", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "app", "-c",
                             "do $$begin for i in 1..1000000 loop insert into busy (t) values (repeat('x', 200)); commit; "
                             "if i % 50 = 0 then perform pg_switch_wal(); end if; end loop; end$$"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        physical(runner, verify='"content"')
        runner.run()
    finally:
        load.terminate()
        load.wait()
        server.sql("drop table busy")


def test_the_notes_and_the_direct_port_serve(server, runner):
    gateway = Gateway(configuration(server.port))
    try:
        runner.gateway = f"host=127.0.0.1 port={gateway.ports['direct']} user=postgres"
        physical(runner, compress='"none"')
        label = runner.run()
    finally:
        gateway.close()
    assert "cat 'base.tar' | tar -x" in (runner.path(label) / "RESTORE.md").read_text()
    assert json.loads(runner.ok("show", label, "--json").stdout)["manifest"]["kind"] == "physical"
    assert "pg_basebackup" in runner.ok("show", label).stdout


@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_damage_that_the_manifest_hides_is_found(runner, damage):
    physical(runner, verify='"none"', compress='"none"')
    label = runner.run()
    archive = runner.path(label) / "base.tar"
    content = bytearray(archive.read_bytes())
    if damage == "flip":
        at = content.index(b"PG_VERSION")
        content[content.index(b"15\n", at)] ^= 1
    else:
        del content[len(content) * 2 // 3:]
    archive.write_bytes(content)
    reseal(runner.path(label))
    runner.ok("verify", label)
    assert runner.call("verify", label, "--level", "restore").returncode == 51
    if damage == "truncate":
        runner.fails(51, "verify", label, "--level", "archive")
    target = runner.directory / "restored"
    assert runner.call("restore", label, "--directory", target).returncode != 0
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_ended_run_leaves_no_slot_and_no_backup(server, runner, number):
    physical(runner, rate_limit='"64kB"', compress='"none"')
    process = runner.start("run", "nightly")
    eventually(lambda: list(runner.repository().glob("nightly/*.partial/base.tar")), 30, what="the stream")
    eventually(lambda: slots(server) == 1, 20, what="the slot")
    [program] = children(process.pid)
    process.send_signal(number)
    process.communicate(timeout=30)
    ended(program)
    eventually(lambda: slots(server) == 0, 20, what="the end of the slot")
    assert runner.backups() == []
    physical(runner)
    runner.run()
    assert len(runner.listing()["not_backups"]) == 0


def test_tablespaces_are_explained_before_anything_starts(server, runner):
    place = runner.directory / "space"
    place.mkdir()
    place.chmod(0o700)
    shutil.chown(place, "postgres") if programs.os.geteuid() == 0 else None
    server.sql(f"create tablespace other location '{place}'", dbname="postgres")
    try:
        assert "has 1 tablespaces of its own" in runner.fails(41, "run", "nightly")
        assert runner.backups() == []
    finally:
        server.sql("drop tablespace other", dbname="postgres")


def test_a_role_without_replication_is_told_so(runner):
    runner.gateway = runner.gateway.replace("user=postgres", "user=reader password=x")
    physical(runner)
    assert "REPLICATION" in runner.fails(22, "run", "nightly")


def test_replication_and_pg_monitor_are_enough(runner):
    runner.gateway = runner.gateway.replace("user=postgres", "user=keeper password=x")
    physical(runner)
    runner.run()


def test_a_logical_target_for_a_physical_backup_is_refused(runner):
    label = runner.run()
    assert "Expected --directory" in runner.fails(2, "restore", label, "--to", runner.gateway)
