# SPDX-License-Identifier: PostgreSQL
"""test_backup_robust - a runner that is killed at any moment leaves nothing that counts and nothing that blocks."""

import secrets
import time

import pytest

import programs
from backup_support import SCHEMA, Runner
from cluster import Cluster
from programs import eventually

KILLS = 8


@pytest.fixture(scope="module")
def server():
    cluster = Cluster("robust")
    try:
        cluster.start()
        cluster.sql("create database app", dbname="postgres")
        cluster.sql(SCHEMA)
        yield cluster
    finally:
        cluster.destroy()


@pytest.fixture
def runner(server):
    directory = programs.private_directory("robust")
    try:
        made = Runner(directory, f"host=127.0.0.1 port={server.port} user=postgres")
        made.key = directory / "key"
        made.key.write_text(secrets.token_hex(32))
        made.key.chmod(0o600)
        yield made
    finally:
        programs.remove(directory)


@pytest.mark.parametrize("kind", ["logical", "physical"])
def test_kills_at_any_moment_leave_only_whole_backups(server, runner, kind):
    runner.job(kind=f'"{kind}"', encrypt_key_file=f'"{runner.key}"', keep="{ last = 2; }", verify='"restore"',
               repositories=("local", "second"))
    began = time.monotonic()
    runner.run()
    whole = time.monotonic() - began
    for moment in range(KILLS):
        process = runner.start("run", "nightly")
        time.sleep(whole * (moment + 0.5) / KILLS)  # somewhere in the run; which step it is does not matter
        process.kill()
        process.communicate()
        eventually(lambda: not server.backends("application_name like 'pgsluice-backup/%'"), 30, what="the end of its sessions")
        for backup in runner.backups():
            runner.ok("verify", backup["label"], "--repository", backup["repository"], "--level", "archive")
        assert all("left by a run that died" in other["state"] for other in runner.listing()["not_backups"])
    runner.ok("run", "nightly")
    listing = runner.listing()
    assert listing["not_backups"] == []
    assert len([backup for backup in listing["backups"] if backup["repository"] == "local"]) == 2
    assert list(runner.scratch.iterdir()) == []
    assert server.value("select count(*) from pg_replication_slots") == 0
    assert server.value("select count(*) from pg_locks where locktype = 'advisory'") == 0


def test_a_backup_under_the_name_of_another_is_noticed(runner):
    runner.job(encrypt_key_file=f'"{runner.key}"')
    first = runner.run()
    second = runner.run()
    programs.shutil.rmtree(runner.path(second))
    programs.shutil.copytree(runner.path(first), runner.path(second))
    assert f"is that of {first}" in runner.fails(50, "verify", second)
