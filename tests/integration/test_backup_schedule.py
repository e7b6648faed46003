# SPDX-License-Identifier: PostgreSQL
"""test_backup_schedule - serve starts what is due, once, catches up, tries again, and stops cleanly."""

import json
import signal
import time

import pytest

from backup_support import backup_cluster, backup_runner, children
from programs import eventually


@pytest.fixture(scope="module")
def server():
    with backup_cluster("schedule", "create table parted (id int) partition by range (id)") as cluster:
        yield cluster


@pytest.fixture
def runner(server):
    with backup_runner(server) as made:
        yield made


@pytest.fixture
def serve(runner):
    started = []

    def start():
        started.append(runner.start("serve"))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def last_due(runner, when=None):
    """What was begun last, as the runner wrote it down; or writes it down."""
    path = runner.path("schedule.json")
    if when is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"last_due": int(when)}))
    return json.loads(path.read_text())["last_due"]


def stop(process):
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, said
    return said


def test_a_missed_run_is_made_up_for_once(runner, serve):
    runner.job(schedule='"15 2 * * *"', time_zone='"UTC"')
    last_due(runner, time.time() - 10 * 86400)
    process = serve()
    eventually(lambda: len(runner.backups()) == 1, 60, what="the run")
    assert last_due(runner) > time.time() - 86400 - 60
    said = stop(process)
    assert said.count("nightly: begins, due") == 1 and "nightly: verified  checksum" in said
    process = serve()
    time.sleep(1)
    assert "begins" not in stop(process)
    assert len(runner.backups()) == 1


def test_without_catch_up_a_missed_run_stays_missed(runner, serve):
    runner.job(schedule='"@monthly"', catch_up="false", time_zone='"UTC"')
    last_due(runner, time.time() - 90 * 86400)
    process = serve()
    eventually(lambda: last_due(runner) > time.time() - 32 * 86400, 20, what="the missed run given up")
    assert "begins" not in stop(process) and runner.backups() == []


def test_what_fails_for_a_passing_reason_is_tried_again(runner, serve):
    runner.gateway = "host=127.0.0.1 port=1 user=postgres"
    runner.job(schedule='"@yearly"', retries=2)
    last_due(runner, time.time() - 800 * 86400)
    process = serve()
    for line in process.stdout:
        if "try 1 of 2 in 60 s" in line:
            break
    stop(process)


def test_a_stop_ends_the_run_and_leaves_nothing(server, runner, serve):
    runner.job(schedule='"@yearly"')
    last_due(runner, time.time() - 800 * 86400)
    with server.connect(autocommit=False) as holder:
        holder.execute("lock table only parted in access exclusive mode")
        process = serve()
        eventually(lambda: server.backends("wait_event_type = 'Lock' and application_name like 'pgsluice-backup/%'"), 30)
        [run] = children(process.pid)
        said = stop(process)
        assert "Stopped by signal" in said
        assert run not in children(1)
    assert runner.backups() == [] and runner.listing()["not_backups"] == []


def test_two_services_make_one_backup(runner, serve):
    runner.job(schedule='"@yearly"')
    last_due(runner, time.time() - 800 * 86400)
    processes = [serve(), serve()]
    eventually(lambda: len(runner.backups()) >= 1, 60, what="the run")
    said = [stop(process) for process in processes]
    assert len(runner.backups()) == 1, said


def test_next_tells_ten_runs_in_order(runner):
    runner.job(schedule='"15 2 * * *"', time_zone='"UTC"', jitter='"10min"')
    lines = runner.ok("next").stdout.splitlines()
    assert len(lines) == 10 and lines == sorted(lines) and all("UTC" in line and "nightly" in line for line in lines)
    for run in json.loads(runner.ok("next", "--json").stdout):
        assert run["due"] % 86400 == 8100 and 0 <= run["start"] - run["due"] < 600


@pytest.mark.parametrize("option, text", [
    ({"schedule": '"61 * * * *"'}, "is no minute"), ({"schedule": '"* * *"'}, "five fields"),
    ({"schedule": '"0 0 30 feb *"'}, "no such day"), ({"schedule": '"@daily"', "time_zone": '"Mars/Olympus"'}, "time_zone")])
def test_schedules_that_cannot_be_meant_are_refused(runner, option, text):
    runner.job(**option)
    assert text in runner.fails(2, "next")


def test_serve_without_a_schedule_says_so(runner):
    assert "No job of the configuration has a schedule" in runner.fails(2, "serve")
