# SPDX-License-Identifier: PostgreSQL
"""scene - the middle of the demo: applications, a backup and a stray dump at once, watched from outside."""

import sys
import time

from load import Applications
from sandbox import Console, Trouble
from shop import MAX_CONNECTIONS

# pgbench prepares a statement by a call that blocks its whole thread, and with it the clients that hold a server in a
# transaction. So only the readers, who have no transactions, use prepared statements.
READERS = (350, ["-M", "prepared", "-b", "select-only"])
WRITERS = (150, ["-M", "extended", "-b", "simple-update"])
ROUND_SECONDS = 25
PATIENCE_SECONDS = 300

CENSUS = """select count(*), count(*) filter (where application_name = 'pgbench'),
  count(*) filter (where application_name in ('pg_dump', 'pg_dumpall') or application_name like 'pgsluice-backup/%')
  from pg_stat_activity where backend_type in ('client backend', 'walsender') and pid <> pg_backend_pid()"""


class Progress:
    """A line a second; on a terminal the same line again and again."""

    def __init__(self):
        self.tty, self.begun, self.shown = sys.stdout.isatty(), time.monotonic(), 0.0

    def show(self, text):
        now = time.monotonic()
        if now - self.shown < 1:
            return
        self.shown = now
        line = f"  [{now - self.begun:3.0f} s] {text}"
        print(f"\r\033[K{line[:119]}" if self.tty else line, end="" if self.tty else "\n", flush=True)

    def end(self):
        if self.tty:
            print("\r\033[K", end="", flush=True)


class Census:
    """Who holds PostgreSQL's connections, asked four times a second past the gateway."""

    def __init__(self, shop):
        self.console, self.port = Console(shop.sandbox, shop.postgres.superuser()), shop.pooled
        self.most, self.most_pooled = 0, 0
        self.total = self.pooled = self.dumps = 0

    def take(self):
        self.total, self.pooled, self.dumps = map(int, self.console.rows(CENSUS)[0])
        self.most, self.most_pooled = max(self.most, self.total), max(self.most_pooled, self.pooled)

    def clients(self):
        """Connections that the kernel counts on the pooled port."""
        ours = f":{self.port:04X}"
        with open("/proc/net/tcp") as table:
            return sum(1 for row in table if (words := row.split())[1].endswith(ours) and words[3] == "01")


class Scene:
    """The middle of the demo: everything at once, and what came of it."""

    def __init__(self, shop):
        self.shop, self.sandbox = shop, shop.sandbox
        self.census, self.progress = Census(shop), Progress()
        self.applications = Applications(
            self.sandbox, shop.target(shop.pooled, "app"), [READERS, WRITERS], ROUND_SECONDS)
        self.backup = self.dump = None
        self.backup_seconds = 0.0
        self.most_clients = 0

    def watch(self, until):
        """Samples and reports until the condition holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            if time.monotonic() > deadline:
                raise Trouble(f"The demo was expected to go on within {PATIENCE_SECONDS} s and did not: "
                              f"{self.applications.first_error or self.line()}")
            self.census.take()
            self.most_clients = max(self.most_clients, self.census.clients())
            if self.backup and self.backup.alive():
                self.backup_seconds = time.monotonic() - self.backup_began
            self.progress.show(self.line())
            time.sleep(0.25)

    def line(self):
        census = self.census
        words = [f"{census.clients():3} clients", f"{self.applications.rate():6.0f} tps",
                 f"{self.applications.errors} errors",
                 f"servers {census.total:2} of {MAX_CONNECTIONS} ({census.pooled} apps, {census.dumps} dumps)"]
        if self.backup:
            words.append("backup: " + self.backup_phase())
        if self.dump and not self.dump.alive():
            words.append("stray dump: done")
        return "  ".join(words)

    def backup_phase(self):
        if not self.backup.alive():
            return "done"
        lines = self.sandbox.log("backup").strip().splitlines()
        return lines[-1].strip()[:60] if lines else "starting"

    def play(self):
        self.applications.start()
        self.watch(lambda: self.most_clients >= self.applications.clients or not self.applications.running())
        self.backup_began = time.monotonic()
        runner = self.sandbox.program("pgsluice-backup")
        self.backup = self.sandbox.start("backup", [runner, "run", "demo", "-c", self.shop.backup_conf])
        self.dump = self.sandbox.start("dump", ["pg_dump", "-Fc", "-f", "stray.dump",
                                                self.shop.target(self.shop.pooled, "app")])
        self.watch(lambda: not self.backup.alive() and not self.dump.alive())
        self.applications.finish()
        self.watch(lambda: not self.applications.running())
        self.progress.end()
