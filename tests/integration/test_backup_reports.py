# SPDX-License-Identifier: PostgreSQL
"""test_backup_reports - freshness for a deploy gate, metrics for Prometheus, hooks and the log of runs."""

import json
import re
import stat

import pytest

import programs
from backup_support import backup_cluster, backup_runner


@pytest.fixture(scope="module")
def server():
    with backup_cluster("reports") as cluster:
        yield cluster


@pytest.fixture
def runner(server):
    with backup_runner(server) as made:
        yield made


def test_fresh_asks_for_age_database_and_level(runner):
    assert "There is no backup" in runner.fails(2, "fresh", "app", "6h")
    runner.job(verify='"none"')
    runner.run()
    done = runner.call("fresh", "app", "6h")
    assert done.returncode == 2 and done.stdout.startswith("CRITICAL: ") and "among 1" in done.stdout
    label = runner.backups()[0]["label"]
    runner.ok("verify", label)
    assert re.match(rf'OK: the newest verified backup of "app" is .* old: {label} in local, checksum \| age=\d+s',
                    runner.ok("fresh", "app", "6h").stdout)
    assert runner.call("fresh", "app", "6h", "--level", "content").returncode == 2
    assert runner.call("fresh", "other", "6h").returncode == 2
    older = runner.aged(label, 1)
    programs.shutil.rmtree(runner.path(label))
    done = runner.call("fresh", "app", "6h")
    assert done.returncode == 2 and "expected were at most 6h" in done.stdout and older in done.stdout
    runner.ok("fresh", "app", "2d")
    assert "Expected an age" in runner.fails(2, "fresh", "app", "soon")
    runner.fails(2, "fresh", "app")


def test_a_damaged_backup_is_not_fresh(runner):
    label = runner.run()
    runner.archive(label).write_bytes(b"")
    runner.fails(50, "verify", label)
    assert runner.call("fresh", "app", "6h").returncode == 2


def values(text):
    return {match[1]: float(match[2]) for match in re.finditer(r"^(pgsluice_backup_[a-z_]+)\{[^}]*\} (\S+)$", text, re.M)}


def test_metrics_are_what_prometheus_reads(runner):
    runner.job(schedule='"@daily"')
    assert values(runner.ok("metrics").stdout)["pgsluice_backup_count"] == 0
    backup = (runner.run(), runner.backups()[0])[1]
    said = runner.ok("metrics").stdout
    found = values(said)
    assert found["pgsluice_backup_count"] == 1 and found["pgsluice_backup_damaged_count"] == 0
    assert found["pgsluice_backup_last_success_timestamp_seconds"] == backup["started"]
    assert found["pgsluice_backup_last_verified_timestamp_seconds"] == backup["started"]
    assert found["pgsluice_backup_last_stored_bytes"] == backup["stored_bytes"]
    assert found["pgsluice_backup_next_run_timestamp_seconds"] > backup["started"]
    assert found["pgsluice_backup_repository_free_bytes"] > 0
    for name in found:
        assert said.count(f"# TYPE {name} gauge\n") == 1
    runner.ok("metrics", "--output", runner.directory / "pgsluice.prom")
    written = runner.directory / "pgsluice.prom"
    assert values(written.read_text()).keys() == found.keys() and stat.S_IMODE(written.stat().st_mode) == 0o644


def test_hooks_and_the_log_tell_about_each_run(runner):
    seen = runner.directory / "seen"
    line = f'"echo $PGSLUICE_EVENT $PGSLUICE_JOB $PGSLUICE_EXIT_CODE $PGSLUICE_VERIFIED $PGSLUICE_LABEL >> {seen}"'
    log = runner.directory / "runs.jsonl"
    hooks = {"hook_before": line, "hook_after": line, "hook_failure": line, "top": f'run_log = "{log}";'}
    runner.job(**hooks)
    label = runner.run()
    assert seen.read_text().splitlines() == ["before nightly 0 none", f"after nightly 0 checksum {label}"]
    runner.job(**hooks | {"databases": '"nothing"'})
    runner.fails(2, "run", "nightly")
    assert seen.read_text().splitlines()[3] == "failure nightly 2 none"
    good, bad = [json.loads(entry) for entry in log.read_text().splitlines()]
    assert (good["label"], good["exit_code"], good["verified"], good["message"]) == (label, 0, "checksum", "")
    assert bad["exit_code"] == 2 and "chooses no database" in bad["message"] and bad["label"] == ""


def test_a_failing_hook_before_a_run_stops_it_and_others_do_not(runner):
    runner.job(hook_before='"echo the application is being changed; exit 1"')
    assert "the application is being changed" in runner.fails(70, "run", "nightly")
    assert runner.listing()["backups"] == []
    runner.job(hook_after='"exit 1"')
    assert "hook_after failed" in runner.ok("run", "nightly").stderr
