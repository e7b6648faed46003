# SPDX-License-Identifier: PostgreSQL
"""test_backup_robust - a runner that is killed at any moment leaves nothing that counts and nothing that blocks."""

import secrets
import subprocess
import time

import pytest

import programs
from backup_support import SCHEMA, backup_cluster, backup_runner
from programs import eventually

KILLS = 6


@pytest.fixture(scope="module")
def server():
    with backup_cluster("robust", SCHEMA) as cluster:
        yield cluster


@pytest.fixture
def runner(server):
    with backup_runner(server) as made:
        made.key = made.directory / "key"
        made.key.write_text(secrets.token_hex(32))
        made.key.chmod(0o600)
        yield made


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
            runner.ok("verify", backup["label"], "--repository", backup["repository"])
        assert all("left by a run that died" in other["state"] for other in runner.listing()["not_backups"])
    runner.ok("run", "nightly")
    listing = runner.listing()
    assert listing["not_backups"] == []
    assert len([backup for backup in listing["backups"] if backup["repository"] == "local"]) == 2
    for backup in listing["backups"]:
        runner.ok("verify", backup["label"], "--repository", backup["repository"], "--level", "archive")
    assert list(runner.scratch.iterdir()) == []
    assert server.value("select count(*) from pg_replication_slots") == 0
    assert server.value("select count(*) from pg_locks where locktype = 'advisory'") == 0


def test_a_disk_that_will_be_full_is_foreseen(server, runner):
    place = runner.repository("small")
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    server.sql("create table noise as select g, sha512(g::text::bytea) from generate_series(1, 20000) g")
    try:
        runner.job(repositories=("small", "local"))
        runner.run()
        (place / "filler").write_bytes(bytes(2 << 20))
        said = runner.fails(30, "run", "nightly")
        assert "not enough room" in said and 'safe in "local", but not in "small"' in said
        assert [backup["repository"] for backup in runner.backups()] == ["small", "local", "local"]
    finally:
        server.sql("drop table noise")
        subprocess.run(["umount", str(place)], check=True)


def test_a_backup_under_the_name_of_another_is_noticed(runner):
    runner.job(encrypt_key_file=f'"{runner.key}"')
    first = runner.run()
    second = runner.run()
    programs.shutil.rmtree(runner.path(second))
    programs.shutil.copytree(runner.path(first), runner.path(second))
    assert f"is that of {first}" in runner.fails(50, "verify", second)
