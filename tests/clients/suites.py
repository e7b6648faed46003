# SPDX-License-Identifier: PostgreSQL
"""suites - runs the drivers' own test suites directly and through the pooled port, both among neighbours, and compares.
`make check-suites` runs all, `make check-suites SELECT='pgx Django'` some. Every test that passes directly must pass
pooled; one that did not is tried alone, three times on each side, before it counts; those that cannot have their
reason in suite_list."""

import argparse
import collections
import contextlib
import json
import re
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
sys.dont_write_bytecode = True

from cluster import Cluster  # noqa: E402
from gate import Gateway, configuration  # noqa: E402
from neighbours import Straight, surrounded  # noqa: E402
from suite_list import BUILT, SUITES, run  # noqa: E402

Place = collections.namedtuple("Place", "host port user")
SIDES = ("direct", "pooled")
POOL = 40
AGAIN = 3


def prepare(suite, cluster):
    """Databases without a trace of an earlier run."""
    for name in suite.databases:
        cluster.sql(f'drop database if exists "{name}" with (force)', dbname="postgres")
        cluster.sql(f'create database "{name}"', dbname="postgres")
    for statement in suite.sql:
        cluster.sql(statement, dbname=suite.databases[0])


def missed(direct, pooled):
    """Tests that passed directly and not pooled."""
    return [name for name, (outcome, _) in direct.items() if outcome == "passed"
            and pooled.get(name, ("missing", ""))[0] != "passed"]


def known(suite, name):
    """Why this test cannot pass pooled; None when nothing is known about it."""
    return next((reason for pattern, reason in suite.known.items() if re.search(pattern, name)), None)


@contextlib.contextmanager
def side(name, cluster):
    """Where a run connects, and what its neighbours use."""
    if name == "direct":
        yield cluster.port, Straight(cluster.port)
        return
    gateway = Gateway(configuration(cluster.port, pool=POOL))
    try:
        yield gateway.pooled, gateway
    finally:
        gateway.close()


def pins(gateway):
    """{reason: how often a session began to be pinned for it}, and how many transactions there were."""
    found = collections.Counter()
    for row in gateway.console("SHOW PIN_STATS"):
        found[row["reason"]] += row["total_pin_count"]
    return dict(found) | {"transactions": sum(row["total_xact_count"] for row in gateway.console("SHOW STATS"))}


def one_run(suite, cluster, name, only=None, counted=None):
    """{test: (outcome, reason)}; `counted` is given the pins of a pooled run."""
    prepare(suite, cluster)
    report = BUILT / "reports" / f"{suite.name}.{name}"
    with side(name, cluster) as (port, around), surrounded(around, user="postgres", database=suite.databases[0]):
        found = run(suite, Place("127.0.0.1", port, "postgres"), report, only)
        if counted is not None and name == "pooled":
            counted.update(pins(around))
        return found


def compare(suite, cluster):
    """Both runs of a suite, and of what differs again; what is written to NAME.json."""
    counted = {}
    found = {name: one_run(suite, cluster, name, counted=counted) for name in SIDES}
    differing = missed(found["direct"], found["pooled"])
    suspects = [name for name in differing if known(suite, name) is None]
    failures = collections.Counter()
    for _ in range(AGAIN if suspects else 0):
        again = {name: one_run(suite, cluster, name, suspects) for name in SIDES}
        failures.update(missed(again["direct"], again["pooled"]))
    reasons = {name: found["pooled"].get(name, ("missing", "the suite ended before it"))[1] for name in suspects}
    return found | {"pins": counted,
                    "known": {name: known(suite, name) for name in differing if name not in suspects},
                    "failed": {name: reasons[name] for name in suspects if failures[name]},
                    "unsteady": {name: reasons[name] for name in suspects if not failures[name]}}


def passes(found):
    return sum(outcome == "passed" for outcome, _ in found.values())


def show(name, result):
    """The suite's line of the table, and what differs under it."""
    print(f"{name:16} {passes(result['direct']):7} {passes(result['pooled']):7} {len(result['known']):7}"
          f" {len(result['failed']):7} {len(result['unsteady']):9}", flush=True)
    print("    pins: " + ", ".join(f"{reason} {count}" for reason, count in result["pins"].items()), flush=True)
    for kind in ("known", "failed", "unsteady"):
        for test, reason in result[kind].items():
            last = (reason.strip().splitlines() or ["no reason was given"])[-1]
            print(f"    {kind}: {test}: {last[:120]}", flush=True)


def main():
    # What was started is ended, whoever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=" ".join(SUITES))
    names = parser.parse_args().names or list(SUITES)
    (BUILT / "reports").mkdir(parents=True, exist_ok=True)
    cluster = Cluster(settings={"max_connections": 200})
    bad = 0
    try:
        cluster.start().prepare()
        print(f"{'suite':16} {'direct':>7} {'pooled':>7} {'known':>7} {'failed':>7} {'unsteady':>9}")
        for name in names:
            suite = SUITES[name]
            if suite.source() is None:
                print(f"{name:16} could not be fetched")
                continue
            result = compare(suite, cluster)
            (BUILT / "reports" / f"{name}.json").write_text(json.dumps(result, indent=1))
            show(name, result)
            bad += bool(result["failed"]) or not passes(result["direct"])
    finally:
        cluster.destroy()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
