# SPDX-License-Identifier: PostgreSQL
"""test_backup_retention - prune deletes what no rule keeps, says why, and leaves everything else alone."""

import fcntl
import os

import pytest

from backup_support import backup_cluster, backup_runner


@pytest.fixture(scope="module")
def server():
    with backup_cluster("retention", "create table t as select generate_series(1, 10) g") as cluster:
        yield cluster


@pytest.fixture
def runner(server):
    with backup_runner(server) as made:
        yield made


def history(runner, *days, **options):
    """Backups of so many days ago, the newest of today last."""
    runner.job(**options)
    label = runner.run()
    return [runner.aged(label, day) for day in sorted(days, reverse=True)] + [label]


def labels(runner):
    return [backup["label"] for backup in runner.backups()]


def test_a_dry_run_explains_everything_and_deletes_nothing(runner):
    made = history(runner, 1, 2, 3)
    runner.job(keep="{ last = 2; }")
    said = runner.ok("prune", "--dry-run").stdout.splitlines()
    assert [line.split()[1] for line in said] == ["would", "would", "keep", "keep"]
    assert f"would delete {made[0]}" in said[0] and "no rule keeps it" in said[0]
    assert said[3].endswith(f"{made[3]}: one of the last, there must be a minimum, the newest that was verified so well")
    assert labels(runner) == made


def test_prune_deletes_what_no_rule_keeps(runner):
    made = history(runner, 1, 2, 3)
    runner.job(keep="{ last = 2; }")
    assert f"delete {made[1]}" in runner.ok("prune").stdout
    assert labels(runner) == made[2:]
    assert len(list(runner.path(".").iterdir())) == 3  # two backups and the lock


def test_a_run_prunes_at_its_end(runner):
    made = history(runner, 1, 2, keep="{ last = 2; }")
    runner.aged(made[-1], 5)
    assert runner.run() == labels(runner)[-1]
    assert len(labels(runner)) == 2 and labels(runner)[0] == made[-1]


def test_without_rules_nothing_is_deleted(runner):
    made = history(runner, 1, 400, 4000)
    assert "there is no rule that would delete it" in runner.ok("prune").stdout
    assert labels(runner) == made


def test_a_damaged_newest_backup_stops_everything(runner):
    made = history(runner, 1, 2)
    runner.archive(made[-1]).write_bytes(b"")
    runner.fails(50, "verify", made[-1])
    runner.job(keep="{ last = 1; }")
    assert "so nothing is deleted" in runner.fails(60, "prune")
    assert len(labels(runner)) == 3


def test_what_is_no_backup_is_left_alone(runner):
    made = history(runner, 1, 2)
    (runner.path(made[0]) / "manifest.json").write_text("{}")
    (runner.path(".") / "notes").mkdir()
    runner.job(keep="{ last = 1; }")
    assert f"keep   {made[0]}: it is not a whole backup" in runner.ok("prune").stdout
    assert labels(runner) == made[2:] and runner.path(made[0]).exists() and (runner.path(".") / "notes").exists()


def test_the_rules_of_a_repository_go_before_those_of_the_job(runner):
    runner.job(repositories=("local", "second"), keep="{ last = 2; }")
    label = runner.run()
    for name in ("local", "second"):
        for day in (1, 2, 3):
            runner.aged(label, day, name)
    text = runner.config.read_text().replace('second";', 'second"; keep = { last = 3; };', 1)
    runner.write(text)
    runner.ok("prune")
    assert [backup["repository"] for backup in runner.backups()] == ["local"] * 2 + ["second"] * 3


def test_prune_waits_for_no_run(runner):
    history(runner, 1)
    with open(runner.path("lock"), "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "at work" in runner.fails(10, "prune")
        runner.ok("prune", "--dry-run")


def test_a_deletion_that_was_cut_short_is_finished_by_the_next_run(runner):
    made = history(runner, 1)
    os.rename(runner.path(made[0]), str(runner.path(made[0])) + ".partial")
    assert labels(runner) == made[1:]
    assert "removed 1 half-made backup" in runner.ok("run", "nightly").stderr


@pytest.mark.parametrize("keep, text", [("{ }", "at least one of"), ("{ minimum = 3; }", "at least one of"),
                                        ("{ last = 3; forever = 1; }", "forever"), ("{ last = 1; minimum = 0; }", "minimum")])
def test_rules_that_make_no_sense_are_refused(runner, keep, text):
    runner.job(keep=keep)
    assert text in runner.fails(2, "prune", "--dry-run")
