# SPDX-License-Identifier: PostgreSQL
"""load - application clients: pgbench, again and again until it is told to stop.

One round lasts some seconds, so that clients also leave and return, and so that the figures are those of pgbench's own
closing summary. All errors are pgbench's: a client that loses its connection or gets an error that it did not expect
ends the round with a status of 2 and a line on standard error.
"""

import re
import threading


class Applications:
    """Groups of (clients, pgbench arguments) that come and go together."""

    def __init__(self, sandbox, target, groups, round_seconds):
        self.sandbox, self.groups, self.target, self.round_seconds = sandbox, groups, target, round_seconds
        self.clients = sum(clients for clients, _ in groups)
        self.transactions = self.errors = self.rounds = 0
        self.first_error = ""
        self.processes = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def start(self):
        self.thread.start()

    def finish(self):
        """Lets the round that is running come to its end, and starts no other."""
        self.stopping.set()

    def running(self):
        return self.thread.is_alive()

    def work(self):
        while not self.stopping.is_set() and self.errors == 0:
            self.processes = [
                self.sandbox.start(f"applications-{self.rounds}-{number}", [
                    "pgbench", "-n", "-P", 1, "-T", self.round_seconds, "-c", clients, *arguments, self.target])
                for number, (clients, arguments) in enumerate(self.groups)]
            logs = []
            for process in self.processes:
                process.wait(self.round_seconds * 3 + 60)
                logs.append(self.sandbox.log(process.name))
                self.tally(logs[-1], process.popen.poll())
            self.pace("".join(logs))
            self.rounds += 1

    def tally(self, log, status):
        done = re.search(r"number of transactions actually processed: (\d+)", log)
        failed = re.search(r"number of failed transactions: (\d+)", log)
        wrong = [line for line in log.splitlines() if re.search(r"error|aborted|FATAL", line)]
        if not done or (status != 0 and not wrong):
            wrong.append(f"pgbench ended with status {status}: {log[-200:]}")
        self.transactions += int(done[1]) if done else 0
        self.errors += len(wrong) + (int(failed[1]) if failed else 0)
        self.first_error = self.first_error or (wrong[0] if wrong else "")

    def pace(self, log):
        """pgbench's seconds include those in which its clients log in: on a slow machine a round must be longer."""
        connecting = max(map(float, re.findall(r"initial connection time = ([\d.]+) ms", log)), default=0) / 1000
        if connecting > self.round_seconds * 0.8:
            self.round_seconds = min(self.round_seconds * 2, 100)

    def rate(self):
        """Transactions per second as pgbench last reported them; 0 while a round's clients are connecting."""
        reports = (re.findall(r"progress: \S+ s, ([\d.]+) tps", self.sandbox.log(process.name))
                   for process in self.processes)
        return sum(float(found[-1]) for found in reports if found)
