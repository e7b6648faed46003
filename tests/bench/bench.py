# SPDX-License-Identifier: PostgreSQL
"""bench - pgsluice, PgBouncer and no proxy side by side on one private PostgreSQL.

    bench.py [--rounds 5] [--seconds 3] [--workers N]
             [--only simple,extended,prepared,storm,duel,bulk,idle,logins,bulk-tls]

Figures are medians over the rounds, ratios are medians of each round's ratio. Absolute figures mean little on a shared
machine. Prints a table and writes build/bench.json.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))

import measures  # noqa: E402
from sandbox import BUILD, Sandbox, Trouble  # noqa: E402
from targets import NAMES, POOL_SIZE, SCALE, PasswordAccess, SecureAccess, start_targets  # noqa: E402

PARTS = ("simple", "extended", "prepared", "storm", "duel", "bulk", "idle", "logins", "bulk-tls")


class Book:
    """Figures by measure and target, one entry per round."""

    def __init__(self):
        self.rows = {}

    def enter(self, measure, unit, figures):
        row = self.rows.setdefault(measure, {"unit": unit, "rounds": {}})
        for name, figure in figures.items():
            row["rounds"].setdefault(name, []).append(figure)

    def ratio(self, row, other):
        pairs = zip(row["rounds"].get("pgsluice", []), row["rounds"].get(other, []))
        ratios = [ours / theirs for ours, theirs in pairs if theirs]
        return statistics.median(ratios) if ratios else None

    def summary(self):
        for measure, row in self.rows.items():
            yield {"measure": measure, "unit": row["unit"],
                   "medians": {name: statistics.median(figures) for name, figures in row["rounds"].items()},
                   "ratio": {other: self.ratio(row, other) for other in NAMES[1:]}, "rounds": row["rounds"]}

    def print(self):
        print(f"\n{'measure':48} {'unit':8} {'pgsluice':>10} {'pgbouncer':>10} {'none':>10}"
              f" {'/pgbouncer':>11} {'/none':>7}")
        for row in self.summary():
            figures = "".join(f"{number(row['medians'].get(name)):>11}" for name in NAMES)
            print(f"{row['measure']:48} {row['unit']:8}{figures} {ratio_text(row['ratio']['pgbouncer']):>11}"
                  f" {ratio_text(row['ratio']['none']):>7}")


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio_text(value):
    return "-" if value is None else f"{value:.2f}"


class Bench:
    def __init__(self, sandbox, options):
        self.sandbox, self.options, self.book = sandbox, options, Book()
        self.targets, self.version = start_targets(sandbox, options.workers)
        self.gigabytes = measures.prepare_bulk(sandbox, self.targets["none"]) if "bulk" in options.only else 0

    def order(self, turn, prepared=False):
        """The targets, another one first each round."""
        names = NAMES[turn % 3:] + NAMES[:turn % 3]
        return [self.targets[name] for name in names if self.targets[name].prepared or not prepared]

    def proxies(self, turn, prepared=False):
        return [target for target in self.order(turn, prepared) if target.process]

    def round(self, turn):
        for mode in measures.MODES:
            for clients in measures.CLIENTS:
                if mode in self.options.only:
                    self.enter_alone(f"{mode}, {clients} clients", self.order(turn, mode == "prepared"), clients,
                                     ["-S", "-M", mode])
                if "duel" in self.options.only:
                    self.enter_duel(f"{mode}, {clients} clients", self.proxies(turn, mode == "prepared"), clients,
                                    mode, self.options.seconds)
        if "duel" in self.options.only:
            self.enter_duel("simple, 500 clients", self.proxies(turn), 500, "simple", self.options.seconds + 10)
        if "storm" in self.options.only:
            self.enter_alone("connect + query, 8 clients", self.order(turn), 8, ["-S", "-C"])
        if "bulk" in self.options.only:
            self.enter_bulk(turn)

    def enter_alone(self, name, targets, clients, arguments):
        figures = measures.alone(self.sandbox, targets, self.options.seconds, clients, arguments)
        self.book.enter(f"{name}: throughput", "tx/s", figures["throughput"])
        self.book.enter(f"{name}: latency", "ms", figures["latency"])
        self.book.enter(f"{name}: proxy CPU", "us/tx", figures["cpu"])

    def enter_duel(self, name, targets, clients, mode, seconds):
        self.book.enter(f"{name}: proxy CPU in a duel", "us/tx", measures.duel(
            self.sandbox, targets, seconds, clients, ["-S", "-M", mode]))

    def enter_bulk(self, turn):
        for what in measures.BULK:
            figures = measures.bulk(self.sandbox, self.order(turn), what, self.gigabytes)
            self.book.enter(f"bulk, {what}: throughput", "MB/s", figures["throughput"])
            self.book.enter(f"bulk, {what}: proxy CPU", "s/GB", figures["cpu"])

    def idle(self):
        """Once, before anything else: memory that earlier load left behind would be used again and not be seen."""
        both = {target.name: measures.idle_memory(target, self.options.idle) for target in self.proxies(0)}
        self.book.enter(f"{self.options.idle} idle clients: memory", "B each", {n: f[0] for n, f in both.items()})
        self.book.enter("  kept after they left", "B each", {n: f[1] for n, f in both.items()})

    def secure(self, access, measure):
        """With a password and TLS, on servers of their own."""
        sandbox, everyday, straight = Sandbox("bench-secure"), self.targets, self.sandbox
        try:
            self.targets, self.sandbox = start_targets(sandbox, self.options.workers, access)[0], sandbox
            for turn in range(self.options.rounds):
                measure(turn)
        finally:
            self.targets, self.sandbox = everyday, straight
            sandbox.close()

    def set_access(self, sslmode):
        for target in self.targets.values():
            target.access = f"{SecureAccess.conninfo} sslmode={sslmode}"

    def enter_logins(self, turn):
        """One query each."""
        for name, sslmode in (("SCRAM", "disable"), ("SCRAM and TLS", "require")):
            self.set_access(sslmode)
            self.enter_alone(f"login by {name}, 8 clients", self.order(turn), 8, ["-S", "-C"])

    def enter_password_logins(self, turn):
        self.set_access("disable")
        self.enter_alone("login by SCRAM, passwords in file", self.order(turn), 8, ["-S", "-C"])

    def enter_bulk_tls(self, turn):
        self.set_access("require")
        self.gigabytes = self.gigabytes or measures.prepare_bulk(self.sandbox, self.targets["none"])
        for port, targets in (("direct", self.order(turn)), ("pooled", self.proxies(turn))):
            figures = measures.bulk(self.sandbox, targets, "COPY out", self.gigabytes, port == "pooled")
            self.book.enter(f"bulk over TLS, COPY out, {port}: throughput", "MB/s", figures["throughput"])
            self.book.enter(f"bulk over TLS, COPY out, {port}: proxy CPU", "s/GB", figures["cpu"])

    def save(self, path):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cores": os.cpu_count(), "against": self.version,
            "rounds": self.options.rounds, "seconds": self.options.seconds, "pool_size": POOL_SIZE, "scale": SCALE,
            "rows": list(self.book.summary())}, indent=1) + "\n")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each pgbench run")
    parser.add_argument("--workers", type=int, default=0, help="of pgsluice; 0 = its default")
    parser.add_argument("--idle", type=int, default=1000, help="idle clients")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(PARTS):
        parser.error(f"--only expects some of {', '.join(PARTS)}; found {', '.join(unknown)}.")
    return options


def main(arguments):
    options = parse(arguments)
    sandbox = Sandbox("bench")
    try:
        bench = Bench(sandbox, options)
        if "idle" in options.only:
            bench.idle()
        for turn in range(options.rounds):
            print(f"round {turn + 1} of {options.rounds}", flush=True)
            bench.round(turn)
        if "logins" in options.only:
            bench.secure(SecureAccess, bench.enter_logins)
            bench.secure(PasswordAccess, bench.enter_password_logins)
        if "bulk-tls" in options.only:
            bench.secure(SecureAccess, bench.enter_bulk_tls)
        bench.book.print()
        print(f"\nagainst {bench.version}; {options.rounds} rounds of {options.seconds} s; pool of {POOL_SIZE}")
        bench.save(BUILD / "bench.json")
    except (Trouble, RuntimeError) as trouble:
        print(f"{trouble}\n{sandbox.log('pgsluice')[-2000:]}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        sandbox.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
