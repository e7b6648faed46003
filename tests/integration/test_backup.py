# SPDX-License-Identifier: PostgreSQL
"""test_backup - pgsluice-backup against a real PostgreSQL: a backup is whole, proved and found again, or it is not there."""

import contextlib
import fcntl
import json
import os
import re
import signal
import stat
import subprocess

import pytest

from backup_support import SCHEMA, Bouncer, backup_cluster, backup_runner, children, ended, gone, reseal, wait_for
from gate import Gateway, configuration
from programs import BIN, eventually


@pytest.fixture(scope="module")
def server():
    with backup_cluster("backup", SCHEMA, roles="create role limited login password 'x';\n"
                        "create role keeper superuser login password $$se'c ret\\$$;\n"
                        "grant pg_read_all_data to limited") as cluster:
        yield cluster


@pytest.fixture
def runner(server):
    with backup_runner(server) as made:
        yield made


@contextlib.contextmanager
def stuck_dump(server, runner):
    """A run whose pg_dump waits for a lock: the parent of a partitioned table, which only pg_dump locks."""
    with server.connect(autocommit=False) as holder:
        holder.execute("lock table only parted in access exclusive mode")
        process = runner.start("run", "nightly")
        eventually(lambda: server.backends("wait_event_type = 'Lock' and application_name like 'pgsluice-backup/%'"), 15)
        [process.dump] = children(process.pid)
        process.release = holder.rollback
        yield process
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_verified_run_is_listed_with_its_level(runner):
    runner.job(verify='"content"', databases='"*"')
    done = runner.ok("run", "nightly")
    assert re.search(r"verified +content", done.stdout)
    [backup] = runner.backups()
    assert backup["verified"]["level"] == "content" and backup["verified"]["passed"]
    assert backup["databases"] == ["app", "postgres"]
    assert re.fullmatch(r"\d{8}T\d{6}Z-nightly-L", backup["label"])
    assert "content" in runner.ok("list").stdout
    assert list(runner.scratch.iterdir()) == []


def test_the_fingerprint_counts_what_is_there(runner):
    label = runner.run()
    [database] = json.loads(runner.ok("show", label, "--json").stdout)["manifest"]["databases"]
    tables = {table["name"]: table["rows"] for table in database["fingerprint"]["tables"]}
    assert tables == {"plain": 2000, "no_columns": 1, "empty": 0, "parted_low": 1, "parted_high": 1, "fresh": 1,
                      "Ta'b\\le": 2}
    assert database["fingerprint"]["large_objects"] == 2
    assert {s["name"]: s["after"] for s in database["fingerprint"]["sequences"]} == {
        "used": 10, "unused": 1, "parted_id_seq": 2}
    assert "plain: 2000 rows" in runner.ok("show", label).stdout


def test_settings_and_extensions_are_saved(server, runner):
    server.sql("create role tuned;\nalter role tuned in database app set work_mem = '7MB';\n"
               "alter database app set lock_timeout = '9s'", dbname="postgres")
    try:
        runner.job(compress='"none"')
        label = runner.run()
        saved = json.loads((runner.path(label) / "settings.json").read_text())
        assert "port" in {setting["name"] for setting in saved["server"]["settings"]}
        of = [(entry["database"], entry["role"], entry["settings"]) for entry in saved["server"]["of_roles_and_databases"]]
        assert ("app", "tuned", ["work_mem=7MB"]) in of and ("app", None, ["lock_timeout=9s"]) in of
        assert saved["pg_hba"][0]["type"] in ("local", "host")
        assert "extensions   plpgsql 1.0" in runner.ok("show", label).stdout
    finally:
        server.sql("alter database app reset all;\ndrop owned by tuned;\nalter role tuned in database app reset all;\n"
                   "drop role tuned", dbname="postgres")


def test_schemas_are_chosen_by_globs(server, runner):
    server.sql("create schema app_one;\ncreate table app_one.t as select generate_series(1, 3) n;\n"
               'create schema "app ""two""";\ncreate table "app ""two""".t as select generate_series(1, 4) n')
    try:
        runner.job(verify='"content"', schemas='[ "public", "app*" ]', exclude_schemas='"*two*"')
        label = runner.run()
        [database] = json.loads(runner.ok("show", label, "--json").stdout)["manifest"]["databases"]
        assert {table["schema"] for table in database["fingerprint"]["tables"]} == {"public", "app_one"}
        assert database["left_out"] == 'Weird Schema, app "two"'
        assert "left out     schemas Weird Schema" in runner.ok("show", label).stdout
    finally:
        server.sql('drop schema app_one, "app ""two""" cascade')


def test_parallel_directory_format_with_globals_off(runner):
    runner.job(format='"directory"', jobs=2, verify='"content"', globals="false")
    label = runner.run()
    assert (runner.archive(label) / "toc.dat").exists()
    assert not (runner.path(label) / "roles.sql").exists()


def test_files_are_private_and_the_restore_notes_name_the_archive(runner):
    label = runner.run()
    for path in [runner.path(label), *runner.path(label).rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert "zstd -dc 'databases/001-app.dump'.zst | pg_restore" in (runner.path(label) / "RESTORE.md").read_text()


def test_content_verification_of_an_older_backup(runner):
    label = runner.run()
    assert runner.backups()[0]["verified"]["level"] == "checksum"
    runner.ok("verify", label, "--level", "content")
    assert runner.backups()[0]["verified"]["level"] == "content"
    runner.ok("verify", label)
    assert runner.backups()[0]["verified"]["level"] == "content", "a lower level does not hide a higher one"


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "add", "manifest"])
def test_damage_is_detected(runner, damage):
    label = runner.run()
    archive, manifest = runner.archive(label), runner.path(label) / "manifest.json"
    content = bytearray(archive.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        archive.write_bytes(content)
    elif damage == "truncate":
        archive.write_bytes(content[:-1])
    elif damage == "remove":
        archive.unlink()
    elif damage == "add":
        (archive.parent / "stranger").write_text("x")
    else:
        manifest.write_text(manifest.read_text().replace('"rows": 2000', '"rows": 2001'))
    expected = {"flip": "SHA-256 differs", "truncate": "bytes instead of", "remove": "is missing",
                "add": "not in the manifest", "manifest": "changed after it was written"}[damage]
    assert expected in runner.fails(50, "verify", label)
    assert runner.call("restore", label, "--to", runner.gateway + " dbname=postgres").returncode == 50
    if damage == "manifest":
        assert runner.backups() == [] and "NOT A BACKUP" in runner.ok("list").stdout
    else:
        assert not runner.backups()[0]["verified"]["passed"]
        assert "FAILED" in runner.ok("list").stdout


def test_content_verification_sees_a_changed_row(server, runner):
    """The archive is replaced by a dump of other rows, and the manifest is made to fit: only the contents tell."""
    runner.job(verify='"none"', compress='"none"')
    label = runner.run()
    server.sql("update plain set f = f + 1 where id = 7")
    try:
        subprocess.run([BIN + "/pg_dump", "-Fc", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-f",
                        str(runner.archive(label)), "app"], check=True)
    finally:
        server.sql("update plain set f = f - 1 where id = 7")
    reseal(runner.path(label))
    runner.ok("verify", label)
    assert "table public.plain has 2000 rows as before, but other contents" in runner.fails(
        51, "verify", label, "--level", "content")
    assert list(runner.scratch.iterdir()) == []


def test_restore_gives_equal_tables(server, runner):
    label = runner.run()
    server.sql("create database copy", dbname="postgres")
    try:
        target = f"{runner.gateway} dbname=copy"
        done = runner.ok("restore", label, "--database", "app", "--to", target, "--compare")
        assert "every table equal" in done.stdout
        query = "select count(*), sum(hashtext(plain::text)) from plain"
        assert server.sql(query) == server.sql(query, dbname="copy")
        assert "is not empty" in runner.fails(1, "restore", label, "--to", target)
    finally:
        server.sql("drop database copy", dbname="postgres")


def test_a_job_means_its_newest_verified_backup_and_a_dry_run_does_nothing(server, runner):
    assert "has passed a verification yet" in runner.fails(1, "show", "nightly")
    label = runner.run()
    runner.job(verify='"none"')
    runner.run()
    assert label in runner.ok("show", "nightly").stdout
    server.sql("create database copy", dbname="postgres")
    try:
        target = f"{runner.gateway} dbname=copy"
        done = runner.ok("restore", "nightly", "--to", target, "--dry-run")
        assert f"would restore app of {label} into copy of postgres@127.0.0.1" in done.stdout
        assert server.sql("select count(*) from pg_class where relname = 'plain'", dbname="copy")[0][0] == 0
    finally:
        server.sql("drop database copy", dbname="postgres")


def test_one_schema_or_table_is_restored_alone(server, runner):
    server.sql("create database copy", dbname="postgres")
    label = runner.run()
    try:
        target = f"{runner.gateway} dbname=copy"
        tables = "select string_agg(relname, ' ' order by relname) from pg_class where relkind = 'r' and relnamespace >= 2200"
        runner.ok("restore", label, "--to", target, "--table", "plain")
        assert server.value("select count(*) from plain", dbname="copy") == 2000
        assert server.sql(tables + " and relname !~ '^(pg_|sql_)'", dbname="copy")[0][0] == "plain"
        server.sql('create schema "Weird Schema"', dbname="copy")
        runner.ok("restore", label, "--to", target, "--schema", "Weird Schema", "--force")
        assert server.value('select count(*) from "Weird Schema"."Ta\'b\\le"', dbname="copy") == 2
        assert "without --create" in runner.fails(2, "restore", label, "--to", target, "--table", "plain", "--compare")
    finally:
        server.sql("drop database copy", dbname="postgres")


def test_restore_with_create_and_jobs(server, runner):
    label = runner.run()
    target = f"{runner.gateway} dbname=postgres"
    assert 'has a database "app" already' in runner.fails(1, "restore", label, "--to", target, "--create")
    server.sql("alter database app rename to original", dbname="postgres")
    try:
        runner.ok("restore", label, "--to", target, "--create", "--jobs", 2, "--compare")
        assert server.value("select count(*) from plain") == 2000
        server.sql("drop database app", dbname="postgres")
    finally:
        server.sql("alter database original rename to app", dbname="postgres")


def test_restore_into_a_pool_is_refused(server, runner):
    label = runner.run()
    bouncer = Bouncer(server, "transaction")
    try:
        target = f"host=127.0.0.1 port={bouncer.port} user=postgres dbname=postgres"
        assert "transaction pool" in runner.fails(2, "restore", label, "--to", target, "--create")
    finally:
        bouncer.close()


@pytest.mark.parametrize("settings", [{}, {"default_pool_size": 1}, {"server_round_robin": 1},
                                      {"default_pool_size": 50, "min_pool_size": 4}])
def test_a_transaction_pool_is_refused_as_gateway(server, runner, settings):
    bouncer = Bouncer(server, "transaction", **settings)
    try:
        for _ in range(3):
            runner.gateway = f"host=127.0.0.1 port={bouncer.port} user=postgres"
            runner.job()
            said = runner.fails(2, "run", "nightly")
            assert "The gateway of this job is a transaction pool" in said and "HINT: Let gateway name the direct port" in said
        assert runner.nothing_left()
        assert "transaction pool" in runner.call("check").stdout
    finally:
        bouncer.close()


def test_a_statement_pool_is_refused_as_gateway(server, runner):
    bouncer = Bouncer(server, "statement")
    try:
        runner.gateway = f"host=127.0.0.1 port={bouncer.port} user=postgres"
        runner.job()
        assert runner.call("run", "nightly").returncode == 2
    finally:
        bouncer.close()


def test_a_session_pool_is_good_enough(server, runner):
    bouncer = Bouncer(server, "session", default_pool_size=20)
    try:
        runner.gateway = f"host=127.0.0.1 port={bouncer.port} user=postgres"
        runner.job()
        runner.run()
    finally:
        bouncer.close()


@pytest.mark.parametrize("port", ["direct", "pooled"])
def test_both_ports_of_pgsluice_give_real_sessions(server, runner, port):
    gateway = Gateway(configuration(server.port))
    try:
        runner.gateway = f"host=127.0.0.1 port={gateway.ports[port]} user=postgres"
        runner.job(format='"directory"', jobs=2, verify='"content"')
        runner.run()
    finally:
        gateway.close()


def test_row_security_fails_the_run_instead_of_thinning_it(server, runner):
    server.sql("create table secrets (owner text);\ninsert into secrets select 'other' from generate_series(1, 100);\n"
               "alter table secrets enable row level security;\n"
               "create policy own on secrets using (owner = current_user)")
    try:
        runner.gateway = f"host=127.0.0.1 port={server.port} user=limited password=x"
        runner.job()
        said = runner.fails(22, "run", "nightly")
        assert "row-level security" in said and "BYPASSRLS" in said
        assert runner.nothing_left()
    finally:
        server.sql("drop table secrets")


def test_large_objects_that_may_not_be_read_fail_the_run(server, runner):
    runner.gateway = f"host=127.0.0.1 port={server.port} user=limited password=x"
    runner.job()
    assert "large object" in runner.fails(22, "run", "nightly")
    assert runner.nothing_left()


def test_role_timeouts_do_not_touch_the_dump(server, runner):
    server.sql("alter role keeper set statement_timeout = '300ms';\n"
               "alter role keeper set idle_in_transaction_session_timeout = '300ms';\n"
               "alter role keeper set default_transaction_read_only = on;\n"
               "alter role keeper set search_path = nowhere;\n"
               "create table slow as select g, repeat(md5(g::text), 20) t from generate_series(1, 100000) g",
               dbname="app")
    try:
        runner.gateway = f"host=127.0.0.1 port={server.port} user=keeper password='se\\\\'c ret\\\\\\\\'"
        runner.job()
        runner.run()
    finally:
        server.sql("drop table slow;\nalter role keeper reset all")


def test_no_password_is_seen_in_the_command_line_or_environment_of_programs(server, runner):
    runner.gateway = f"host=127.0.0.1 port={server.port} user=keeper password='se\\\\'c ret\\\\\\\\'"
    runner.job()
    with stuck_dump(server, runner) as process:
        for name in ("cmdline", "environ"):
            assert b"c ret" not in open(f"/proc/{process.dump}/{name}", "rb").read()
        assert b"c ret" not in open(f"/proc/{process.pid}/cmdline", "rb").read()


def test_sessions_announce_the_job(server, runner):
    with stuck_dump(server, runner):
        names = {row["application_name"] for row in server.backends("application_name like 'pgsluice-backup/%'")}
        assert len(names) == 1 and re.fullmatch(r"pgsluice-backup/nightly/[0-9a-f]{8}", names.pop())


def test_a_locked_table_ends_the_run_after_lock_wait_timeout(server, runner):
    runner.job(lock_wait_timeout='"300ms"')
    for statement in ("lock table plain in access exclusive mode", "lock table only parted in access exclusive mode"):
        with server.connect(autocommit=False) as holder:
            holder.execute(statement)
            assert "lock_wait_timeout" in runner.fails(23, "run", "nightly")
    assert runner.nothing_left()


def test_overlapping_runs_are_refused(server, runner):
    with stuck_dump(server, runner) as process:
        said = runner.fails(10, "run", "nightly")
        assert f"process {process.pid}" in said
        assert runner.listing()["not_backups"][0]["state"] == "being made now"
        runner.job(repositories=("elsewhere",))
        assert "on this server" in runner.fails(10, "run", "nightly")


def test_a_killed_run_leaves_nothing_that_counts(server, runner):
    with stuck_dump(server, runner) as process:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        ended(process.dump)
    assert runner.backups() == []
    assert "left by a run that died" in runner.ok("list").stdout
    done = runner.ok("run", "nightly")
    assert "removed 1 half-made backup" in done.stderr
    listing = runner.listing()
    assert len(listing["backups"]) == 1 and listing["not_backups"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_cleans_up(server, runner, number):
    with stuck_dump(server, runner) as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=15)
        assert process.returncode == 1 and "Stopped by signal" in said
        ended(process.dump)
    assert runner.nothing_left()
    runner.run()


def is_free(directory):
    """Whether nobody holds the lock of a scratch directory any more: the killed runner's last child may a little."""
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_verification_leaves_no_scratch_server(runner, number):
    label = runner.run()
    process = runner.start("verify", label, "--level", "content")
    wait_for(runner.scratch, "*/data/postmaster.pid")
    process.send_signal(number)
    process.communicate(timeout=20)
    gone(f"-D\0{runner.scratch}")
    eventually(lambda: all(map(is_free, runner.scratch.iterdir())), 20, what="an end of the scratch lock")
    runner.ok("verify", label, "--level", "content")
    assert list(runner.scratch.iterdir()) == []
    assert runner.backups()[0]["verified"]["passed"]


def test_each_repository_gets_a_copy_and_a_failing_one_is_reported(runner):
    runner.job(repositories=("local", "second"))
    runner.run()
    assert [backup["repository"] for backup in runner.backups()] == ["local", "second"]
    label = runner.backups()[0]["label"]
    assert (runner.archive(label).read_bytes() ==
            (runner.path(label, "second") / "databases/001-app.dump.zst").read_bytes())
    (runner.directory / "broken").write_text("a file, not a directory")
    for order in (("local", "broken"), ("broken", "local")):
        runner.job(repositories=order)
        said = runner.fails(31, "run", "nightly")
        assert 'safe in "local", but not in "broken"' in said
    runner.job(repositories=("local",))
    assert len(runner.backups()) == 3


def test_a_full_disk_is_said_and_leaves_nothing(server, runner):
    place = runner.repository("small")
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    server.sql("create table big as select g, md5(g::text) t from generate_series(1, 50000) g")
    try:
        runner.job(repositories=("small",))
        assert "No space left" in runner.fails(30, "run", "nightly")
        assert runner.nothing_left()
        runner.job(repositories=("small", "local"))
        runner.fails(30, "run", "nightly")
        assert [backup["repository"] for backup in runner.backups()] == ["local"]
    finally:
        server.sql("drop table big")
        subprocess.run(["umount", str(place)], check=True)


def test_programs_of_an_older_major_are_explained_before_anything_starts(runner):
    old = runner.directory / "old"
    old.mkdir()
    for name in ("pg_dump", "pg_dumpall"):
        (old / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 12.4'\n")
        (old / name).chmod(0o755)
    runner.job(top=f'bin_directory = "{old}";')
    said = runner.fails(21, "run", "nightly")
    assert re.search(r"The server is PostgreSQL \d+, so pg_dump of version \d+ or newer is needed; found 12.4 in", said)
    assert runner.nothing_left()


def test_an_unreachable_gateway_is_code_20(runner):
    runner.gateway = "host=127.0.0.1 port=1 user=postgres"
    runner.job()
    assert "Connection refused" in runner.fails(20, "run", "nightly")
    assert runner.nothing_left()


@pytest.mark.parametrize("change, line, text", [
    ('kind = "magic"', 4, "kind"), ('schedule = "@often"', 4, "schedule"), ("jobs = 4", 4, "jobs"),
    ('verify = "maybe"', 4, "verify"), ('lock_wait_timeout = "5"', 4, "lock_wait_timeout"),
    ('compress = "zstd:33"', 4, "compress"), ("globals = 7", 4, "globals"),
    ('format = "directory"; encrypt_key_env = "KEY"', 4, "encryption needs"),
    ('format = "directory"; compress = "zstd"', 4, "compress"),
    ('encrypt_key_env = "KEY"; encrypt_key_file = "key"', 4, "only one of"),
])
def test_configuration_errors_name_file_and_line(runner, change, line, text):
    runner.write('gateway = "host=127.0.0.1";\n'
                 f'repositories = ( {{ name = "local"; path = "{runner.repository()}"; }} );\n'
                 f'jobs = ( {{ name = "nightly"; repository = "local";\n  {change}; }} );\n')
    said = runner.fails(2, "run", "nightly")
    assert f"backup.conf:{line}:" in said and text in said


def test_all_configuration_errors_are_said_at_once(runner):
    runner.write('gateway = "nonsense";\nrepositories = ( { name = "local"; url = "s3://x"; } );\n'
                 'jobs = ( { name = "a/b"; repository = "other"; }, { name = "twice"; repository = "local"; },\n'
                 '  { name = "twice"; repository = "local"; } );\n')
    said = runner.fails(2, "check")
    for text in (":1: gateway", "path", "url", "a/b", '"other"', "this name already"):
        assert text in said, said


def test_list_before_the_first_run(runner):
    done = runner.ok("list")
    assert "There are no backups yet" in done.stdout and "does not exist yet" in done.stderr


def test_names_cannot_command_the_terminal(server, runner):
    server.sql('create table "red \x1b[31m" (id int)')
    try:
        label = runner.run()
        assert "\x1b" not in runner.ok("show", label).stdout
    finally:
        server.sql('drop table "red \x1b[31m"')


def test_unknown_job_label_and_option(runner):
    assert 'no job "weekly"' in runner.fails(2, "run", "weekly")
    runner.run()
    assert "no backup" in runner.fails(1, "show", "20260101T000000Z-nightly-L")
    assert "is no option" in runner.fails(2, "list", "--everything")
    assert "does not take" in runner.fails(2, "list", "--force")
    assert runner.fails(1, "show", "../../etc")


def test_check_tries_everything(server, runner):
    runner.job(verify='"content"')
    said = runner.ok("check").stdout
    for text in ("repository local", "is writable", "sessions of their own", "pg_dump is version", "1 database", "initdb"):
        assert text in said
    runner.gateway = "host=127.0.0.1 port=1 user=postgres"
    runner.job()
    done = runner.call("check")
    assert done.returncode == 1 and "FAIL   gateway" in done.stdout


def test_stale_materialized_view_is_a_remark_not_a_failure(server, runner):
    server.sql("insert into empty values (1);\ncreate materialized view late as select count(*) from empty;\n"
               "insert into empty values (2)")
    try:
        runner.job(verify='"content"')
        assert "late was stale" in runner.ok("run", "nightly").stderr
    finally:
        server.sql("drop materialized view late;\ndelete from empty")


def test_sequences_that_move_during_the_dump_still_verify(server, runner):
    server.sql("create sequence busy")
    try:
        runner.job(verify='"content"')
        with stuck_dump(server, runner) as process:
            server.sql("select nextval('busy') from generate_series(1, 50)")
            process.release()
            said = process.communicate(timeout=60)
            assert process.returncode == 0, said
    finally:
        server.sql("drop sequence busy")


def test_the_databases_own_locale_and_owner_come_back(server, runner):
    server.sql("create role owner;\ncreate database latin owner owner encoding 'LATIN1' template template0 lc_collate 'C'"
               " lc_ctype 'C'", dbname="postgres")
    try:
        server.sql("create table t as select 'caf' || chr(233) as drink", dbname="latin")
        runner.job(databases='"latin"', verify='"content"')
        label = runner.run()
        [database] = json.loads(runner.ok("show", label, "--json").stdout)["manifest"]["databases"]
        assert (database["encoding"], database["owner"]) == ("LATIN1", "owner")
    finally:
        server.sql("drop database latin;\ndrop role owner", dbname="postgres")


@pytest.mark.parametrize("command", ["run", "list", "show", "verify", "restore", "check", "version"])
def test_help_tells_options_and_exit_codes(runner, command):
    done = subprocess.run([runner.argv(command)[0], command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "Exit codes" in done.stdout and command in done.stdout
