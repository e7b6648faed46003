# SPDX-License-Identifier: PostgreSQL
"""test_backup_wal - WAL is received without a gap, and a cluster is restored to any point of it."""

import os
import re
import secrets
import signal
import subprocess
import time

import pytest

import programs
from backup_support import Runner, backup_cluster, children, ended
from programs import BIN, eventually


@pytest.fixture(scope="module")
def server():
    with backup_cluster("wal", "create table steps (n int primary key,"
                               " at timestamptz default clock_timestamp())") as cluster:
        yield cluster


@pytest.fixture
def runner(server):
    directory = programs.private_directory("wal")
    made = Runner(directory, f"host=127.0.0.1 port={server.port} user=postgres")
    made.key = directory / "key"
    made.key.write_text(secrets.token_hex(32))
    made.key.chmod(0o600)
    wal_job(made)
    made.receivers = []
    try:
        yield made
    finally:
        for process in made.receivers:
            if process.poll() is None:
                process.kill()
            process.communicate()
        eventually(lambda: server.value("select count(*) from pg_replication_slots where active") == 0, 20)
        server.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots;\ntruncate steps")
        programs.remove(directory)


def wal_job(runner, **options):
    runner.job(**({"kind": '"physical"', "databases": '"*"', "compress": '"zstd:1"', "wal": "true", "verify": '"none"',
                   "encrypt_key_file": f'"{runner.key}"'} | options))


def receive(server, runner, command="wal"):
    process = runner.start(command, *(["nightly"] if command == "wal" else []))
    runner.receivers.append(process)
    eventually(lambda: server.value("select count(*) from pg_replication_slots where active") == 1, 30)
    return process


def stored(runner):
    return sorted(path.name for path in (runner.repository() / "nightly/wal").glob("*"))


def step(server, number):
    server.sql(f"insert into steps (n) values ({number})")


def switch(server, runner):
    """Finishes the segment, and waits until it is in the store."""
    name = server.value("select pg_walfile_name(pg_current_wal_lsn())")
    server.sql("select pg_switch_wal()")
    eventually(lambda: any(entry.startswith(name) and not entry.endswith(".new") for entry in stored(runner)), 30, what=name)
    return name


def received_all(server, runner):
    """Waits until everything that was written so far has been received."""
    lsn = server.value("select pg_current_wal_flush_lsn()")
    eventually(lambda: server.value(f"select count(*) from pg_stat_replication where flush_lsn >= '{lsn}'") or
               server.value(f"select count(*) from pg_stat_replication where write_lsn >= '{lsn}'"), 30)


def restored_steps(runner, label, target):
    """The numbers that a cluster restored to that target holds."""
    directory = runner.directory / f"restored{len(list(runner.directory.glob('restored*')))}"
    runner.ok("restore", label, "--directory", directory, "--target", target)
    account = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    pg_ctl = [*account, f"{BIN}/pg_ctl", "-D", str(directory), "-w", "-t", "60"]
    port = programs.free_port()
    subprocess.run([*pg_ctl, "-l", str(directory / "restored.log"), "-o",
                    f"-p {port} -k '' -c listen_addresses=127.0.0.1 -c hot_standby=off", "start"], check=True,
                   capture_output=True, cwd="/")
    ask = [f"{BIN}/psql", "-XAtqc", "select n from steps order by n", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
    try:
        # Nobody is let in before the recovery has reached its target.
        done = eventually(lambda: (lambda it: it if it.returncode == 0 else None)(
            subprocess.run([*ask, "app"], capture_output=True, text=True)), 60, what="the end of the recovery")
        return [int(line) for line in done.stdout.split()]
    finally:
        subprocess.run([*pg_ctl, "-m", "immediate", "stop"], check=True, capture_output=True, cwd="/")


def test_a_cluster_is_restored_to_every_kind_of_point(server, runner):
    receive(server, runner)
    step(server, 1)
    label = runner.run()
    step(server, 2)
    lsn = server.value("select pg_current_wal_flush_lsn()")
    switch(server, runner)
    step(server, 3)
    server.sql("select pg_create_restore_point('before four')")
    moment = server.value("select clock_timestamp()")
    time.sleep(0.1)
    with server.connect(autocommit=False) as session:
        session.execute("insert into steps (n) values (4)")
        xid = session.execute("select pg_current_xact_id()::text").fetchone()[0]
        session.commit()
    step(server, 5)
    server.sql("select pg_create_restore_point('after five')")
    received_all(server, runner)
    assert restored_steps(runner, label, f"lsn={lsn}") == [1, 2]
    assert restored_steps(runner, label, "name=before four") == [1, 2, 3]
    assert restored_steps(runner, label, f"time={moment}") == [1, 2, 3]
    assert restored_steps(runner, label, f"xid={xid}") == [1, 2, 3, 4]
    assert restored_steps(runner, label, "end") == [1, 2, 3, 4, 5]
    for entry in stored(runner):
        assert re.fullmatch(r"[0-9A-F]{24}\.zst\.enc", entry), entry
        assert (runner.repository() / "nightly/wal" / entry).read_bytes().startswith(b"PGSLUICE")


def test_kills_leave_no_gap(server, runner):
    process = receive(server, runner)
    label = runner.run()
    for number, victim in enumerate(("program", "server's sender", "receiver")):
        switch(server, runner)
        [program] = children(process.pid)
        if victim == "receiver":
            process.kill()
            process.communicate()
        elif victim == "program":
            os.kill(program, signal.SIGKILL)
        else:
            server.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where active")
        ended(program, 20)
        step(server, 2 * number)
        server.sql("select pg_switch_wal();\ncheckpoint")
        step(server, 2 * number + 1)
        if victim == "receiver":
            process = receive(server, runner)
        else:
            eventually(lambda: server.value("select count(*) from pg_replication_slots where active") == 1, 30)
    switch(server, runner)
    received_all(server, runner)
    assert restored_steps(runner, label, "end") == list(range(6))


def test_prune_keeps_the_wal_of_the_oldest_kept_backup(server, runner):
    receive(server, runner)
    runner.run()
    for number in range(3):
        step(server, number)
        switch(server, runner)
    second = runner.run()
    switch(server, runner)
    before = len(stored(runner))
    wal_job(runner, keep="{ last = 1; }")
    said = runner.ok("prune", "--dry-run").stdout
    assert re.search(r"would delete [3-9] WAL segments before", said) and len(stored(runner)) == before
    runner.ok("prune")
    assert len(stored(runner)) <= before - 3
    received_all(server, runner)
    assert restored_steps(runner, second, "end") == [0, 1, 2]


def test_serve_receives_and_stops(server, runner):
    process = receive(server, runner, "serve")
    [receiver] = children(process.pid)
    switch(server, runner)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and "nightly: receiving WAL by slot pgsluice_nightly" in said
    ended(receiver)


def test_a_second_receiver_is_refused(server, runner):
    receive(server, runner)
    assert "Another receiver" in runner.fails(10, "wal", "nightly")


def test_a_slot_that_keeps_too_much_is_told(server, runner):
    wal_job(runner, wal_lag_warn='"1B"')
    process = receive(server, runner)
    for line in process.stdout:
        if "WARNING: the replication slot pgsluice_nightly keeps" in line:
            break


def test_a_lost_slot_ends_the_receiver_with_advice(server, runner):
    process = receive(server, runner)
    [program] = children(process.pid)
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(program, signal.SIGKILL)
    eventually(lambda: server.value("select count(*) from pg_replication_slots where active") == 0, 20)
    server.sql("alter system set max_slot_wal_keep_size = 0;\nselect pg_reload_conf()", "postgres")
    try:
        def lost():
            server.sql("select pg_switch_wal();\ncheckpoint")
            return server.value("select wal_status from pg_replication_slots") == "lost"

        eventually(lost, 30, what="the loss")
        os.kill(process.pid, signal.SIGCONT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 42 and "new base backup" in said
    finally:
        server.sql("alter system reset max_slot_wal_keep_size;\nselect pg_reload_conf()", "postgres")


def test_targets_that_cannot_be_meant_are_refused(runner):
    wal_job(runner, wal="false")
    label = runner.run()
    target = runner.directory / "restored"
    for wrong in ("yesterday", "xid=-1", "lsn=x", "time=", "name=a\nb"):
        assert "Expected --target" in runner.fails(2, "restore", label, "--directory", target, "--target", wrong)
    assert "No WAL of job" in runner.fails(1, "restore", label, "--directory", target, "--target", "end")
