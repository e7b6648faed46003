# SPDX-License-Identifier: PostgreSQL
"""sampler - asks the console again and again who is pinned and why, and remembers the most it saw."""

import contextlib
import threading

import psycopg


class Sampler(threading.Thread):
    """Looks at SHOW CLIENTS, SHOW POOLS and SHOW COUNTERS until it is stopped."""

    def __init__(self, gateway, every=0.25):
        super().__init__(daemon=True)
        self.gateway, self.every = gateway, every
        self.ending = threading.Event()
        self.pinned, self.clients, self.reasons = set(), set(), {}
        self.peak = {"clients": 0, "pinned": 0, "servers": 0, "waiting": 0}
        self.counters = {}
        self.start()

    def run(self):
        how = {"prepare_threshold": None, "row_factory": psycopg.rows.dict_row}
        with contextlib.suppress(psycopg.Error), \
                self.gateway.connect(user="postgres", dbname="pgsluice", **how) as console:
            while not self.ending.wait(self.every):
                self.look(console)
            self.look(console)

    def look(self, console):
        clients = [row for row in console.execute("SHOW CLIENTS").fetchall()
                   if row["database"] != "pgsluice" and not (row["application_name"] or "").startswith("thief")]
        pinned = [row for row in clients if row.get("pin") not in (None, "", "none")]
        self.clients |= {row["id"] for row in clients}
        self.pinned |= {row["id"] for row in pinned}
        for row in pinned:
            self.reasons.setdefault(row["pin"], set()).add(row["id"])
        pools = console.execute("SHOW POOLS").fetchall()
        self.counters = {row["name"]: row["value"] for row in console.execute("SHOW COUNTERS").fetchall()}
        now = {"clients": len(clients), "pinned": len(pinned), "servers": sum(int(row["sv_open"]) for row in pools),
               "waiting": sum(int(row["cl_waiting"]) for row in pools)}
        self.peak = {name: max(self.peak[name], value) for name, value in now.items()}

    def stop(self):
        """What was seen: of the suite's own sessions, not of the thieves'; counters are of both."""
        self.ending.set()
        self.join(10)
        return {"sessions_seen": len(self.clients), "sessions_seen_pinned": len(self.pinned), "peak": self.peak,
                "reasons": {name: len(ids) for name, ids in sorted(self.reasons.items())},
                "counters": {name: value for name, value in self.counters.items() if int(value)}}
