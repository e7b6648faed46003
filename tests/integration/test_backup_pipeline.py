# SPDX-License-Identifier: PostgreSQL
"""test_backup_pipeline - compressed and encrypted backups: they verify, restore, and open only for who has the key."""

import os
import secrets
import shutil
import stat
import subprocess

import pytest

import programs
from backup_support import PROGRAM, SCHEMA, backup_cluster, backup_runner, children, ended, reseal
from programs import BIN, eventually

KEYS = [secrets.token_hex(32) for _ in range(2)]


@pytest.fixture(scope="module")
def server():
    with backup_cluster("pipeline", SCHEMA, roles="create role reader login password 'x'") as cluster:
        yield cluster


@pytest.fixture
def runner(server):
    with backup_runner(server) as made:
        made.key = made.directory / "key"
        key_write(made, KEYS[0])
        yield made


def key_write(runner, *keys):
    runner.key.write_text("".join(key + "\n" for key in keys))
    runner.key.chmod(0o600)


def encrypted(runner, **options):
    runner.job(**({"encrypt_key_file": f'"{runner.key}"', "verify": '"content"'} | options))


@pytest.mark.parametrize("compress, magic", [("zstd:1", b"\x28\xb5\x2f\xfd"), ("gzip", b"\x1f\x8b"), ("none", b"PGDMP")])
def test_every_compression_is_verified_to_the_row(runner, compress, magic):
    runner.job(compress=f'"{compress}"', verify='"content"')
    label = runner.run()
    assert runner.archive(label).read_bytes().startswith(magic)
    runner.ok("verify", label, "--level", "archive")
    assert runner.backups()[0]["verified"]["level"] == "content"


def test_an_encrypted_backup_verifies_restores_and_shows_nothing(server, runner):
    encrypted(runner)
    label = runner.run()
    for path in runner.path(label).rglob("*.*"):
        if path.suffix == ".enc":
            assert path.read_bytes().startswith(b"PGSLUICE\x01")
    names = {path.name for path in runner.path(label).rglob("*") if path.is_file()}
    assert names == {"001-app.dump.zst.enc", "roles.sql.zst.enc", "tablespaces.sql.zst.enc", "settings.json.zst.enc",
                     "manifest.json", "RESTORE.md", "verification.json"}
    for jobs in (1, 2):
        server.sql("create database copy", dbname="postgres")
        try:
            done = runner.ok("restore", label, "--to", f"{runner.gateway} dbname=copy", "--compare", "--jobs", jobs)
            assert "every table equal" in done.stdout
        finally:
            server.sql("drop database copy", dbname="postgres")


def decrypt(runner, path, *words):
    return subprocess.run([PROGRAM, "decrypt", path, *words, "--config", runner.config], capture_output=True,
                          env=programs.environment())


def test_decrypt_needs_only_the_file_and_the_key(runner):
    encrypted(runner, verify='"restore"')
    label = runner.run()
    assert runner.backups()[0]["verified"]["level"] == "restore"
    alone = runner.directory / "roles.zst.enc"
    shutil.copy(runner.path(label) / "roles.sql.zst.enc", alone)
    runner.config.unlink()
    done = decrypt(runner, alone, "--key-file", runner.key)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"\x28\xb5\x2f\xfd")
    key_write(runner, KEYS[1])
    done = decrypt(runner, alone, "--key-file", runner.key)
    assert done.returncode == 32 and b"is not there" in done.stderr and done.stdout == b""


def test_restore_notes_of_an_encrypted_backup_work_by_hand(server, runner):
    encrypted(runner, verify='"none"')
    label = runner.run()
    [line] = [line for line in (runner.path(label) / "RESTORE.md").read_text().split("\n") if "pg_restore --create" in line]
    line = line.strip().partition("    #")[0].replace("--key-file KEY", f"--key-file {runner.key}")
    if "zstd -dc" in line and not shutil.which("zstd"):
        pytest.skip("the zstd program is not installed")
    server.sql("alter database app rename to original", dbname="postgres")
    try:
        path = f"{BIN}:{PROGRAM.parent}:{os.environ['PATH']}"
        env = programs.environment() | {"PATH": path, "PGHOST": "127.0.0.1", "PGPORT": str(server.port),
                                        "PGUSER": "postgres"}
        done = subprocess.run(["bash", "-c", "set -o pipefail; " + line], cwd=runner.path(label), capture_output=True,
                              text=True, env=env)
        assert done.returncode == 0, (line, done.stderr)
        assert server.value("select count(*) from plain") == 2000
        server.sql("drop database app", dbname="postgres")
    finally:
        server.sql("alter database original rename to app", dbname="postgres")


def test_the_master_key_rotates_and_the_data_stays(server, runner):
    encrypted(runner, verify='"archive"')
    label = runner.run()
    before = runner.archive(label).read_bytes()
    key_write(runner, KEYS[1], KEYS[0])
    runner.ok("verify", label, "--level", "archive")
    runner.ok("rekey", label)
    key_write(runner, KEYS[1])
    runner.ok("verify", label, "--level", "content")
    assert runner.archive(label).read_bytes() == before
    done = decrypt(runner, runner.archive(label))
    assert done.returncode == 0, done.stderr
    key_write(runner, KEYS[0])
    assert "is not there" in runner.fails(32, "verify", label, "--level", "archive")
    assert runner.backups()[0]["verified"]["passed"], "a missing key says nothing about the backup"
    runner.ok("verify", label)  # sizes and checksums need no key


@pytest.mark.parametrize("source", ["encrypt_key_env", "encrypt_key_command"])
def test_keys_come_from_other_places_too(runner, monkeypatch, source):
    monkeypatch.setattr(programs, "environment", lambda plain=programs.environment(): plain | {"BACKUP_KEY": KEYS[0]})
    runner.job(**{source: '"BACKUP_KEY"' if source == "encrypt_key_env" else f'"cat {runner.key}"', "verify": '"archive"'})
    assert runner.archive(runner.run()).read_bytes().startswith(b"PGSLUICE")


def test_a_key_that_is_not_there_ends_the_run_before_it_starts(runner):
    encrypted(runner, encrypt_key_file=f'"{runner.directory}/none"')
    assert "No such file" in runner.fails(32, "run", "nightly")
    encrypted(runner)
    assert "encrypts, 1 in all" in runner.ok("check").stdout
    runner.key.chmod(0o644)
    assert "FAIL   key of job nightly" in runner.call("check").stdout
    assert "may be read by others" in runner.fails(32, "run", "nightly")
    runner.job(encrypt_key_command='"exit 3"')
    assert "The command that gives the key failed" in runner.fails(32, "run", "nightly")
    assert runner.nothing_left()


@pytest.mark.parametrize("compress, keys, damage", [
    ("none", True, "flip"), ("zstd:3", False, "flip"), ("gzip", False, "truncate"), ("zstd:3", True, "truncate"),
    ("none", False, "truncate")])
def test_the_archive_level_finds_what_the_manifest_does_not(runner, compress, keys, damage):
    runner.job(compress=f'"{compress}"', verify='"none"', **({"encrypt_key_file": f'"{runner.key}"'} if keys else {}))
    label = runner.run()
    content = bytearray(runner.archive(label).read_bytes())
    if damage == "flip":
        content[len(content) * 2 // 3] ^= 1
    else:
        del content[len(content) * 2 // 3:]
    runner.archive(label).write_bytes(content)
    reseal(runner.path(label))
    runner.ok("verify", label)
    done = runner.call("verify", label, "--level", "archive")
    assert done.returncode in (50, 51), (done.stdout, done.stderr)
    assert runner.call("restore", label, "--to", f"{runner.gateway} dbname=postgres", "--force").returncode != 0


def test_files_of_two_encrypted_backups_cannot_change_places(runner):
    encrypted(runner, verify='"none"')
    first, second = runner.run(), runner.run()
    shutil.copy(runner.archive(first), runner.archive(second))
    reseal(runner.path(second))
    assert "was changed, exchanged or cut" in runner.fails(50, "verify", second, "--level", "archive")


def test_a_dump_that_dies_with_its_output_open_is_no_backup(server, runner):
    """The stream ends cleanly and the program does not: its exit code decides."""
    fake = runner.directory / "bin"
    fake.mkdir()
    for name in ("pg_dump", "pg_dumpall"):
        (fake / name).write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {BIN}/{name} --version\n'
                                 f'{BIN}/{name} "$@" || exit\necho "out of luck" >&2\nexit 3\n')
        (fake / name).chmod(0o755)
    runner.job(top=f'bin_directory = "{fake}";')
    assert "out of luck" in runner.fails(40, "run", "nightly")
    assert runner.nothing_left()


def test_a_killed_dump_is_no_backup(server, runner):
    with server.connect(autocommit=False) as holder:
        holder.execute("lock table only parted in access exclusive mode")
        process = runner.start("run", "nightly")
        eventually(lambda: server.backends("wait_event_type = 'Lock' and application_name like 'pgsluice-backup/%'"), 15)
        [dump] = children(process.pid)
        os.kill(dump, 9)
        ended(dump)
        assert process.wait(30) == 40
        process.communicate()
    assert runner.nothing_left()


def test_a_full_disk_ends_the_stream(server, runner):
    place = runner.repository("small")
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    server.sql("create table noise as select g, sha512(g::text::bytea) from generate_series(1, 20000) g")
    try:
        encrypted(runner, repositories=("small",))
        assert "No space left" in runner.fails(30, "run", "nightly")
        assert runner.nothing_left()
    finally:
        server.sql("drop table noise")
        subprocess.run(["umount", str(place)], check=True)


def test_a_rate_limit_slows_the_dump(server, runner):
    server.sql("create table noise as select g, sha512(g::text::bytea) from generate_series(1, 20000) g")
    try:
        runner.job(rate_limit='"500kB"')
        runner.run()
        backup = runner.backups()[0]
        assert backup["duration_us"] / 1e6 > backup["stored_bytes"] / 512000 - 1
    finally:
        server.sql("drop table noise")


def test_only_the_owner_may_read_what_is_stored(runner):
    encrypted(runner, verify='"none"')
    for path in runner.path(runner.run()).rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
