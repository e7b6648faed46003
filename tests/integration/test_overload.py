# SPDX-License-Identifier: PostgreSQL
"""test_overload - far more clients than PostgreSQL has room for, storms of short sessions, a reader that does not read
and logins that never end, all at once: everybody is answered in turn, memory stays bounded, a backup starts at once.

`make soak-overload` runs it with CROWD clients for SECONDS; `make check` a short one."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import messages as m
from gate import SANITIZED
from rawpg import Closed, Raw, Refused

CROWD = int(os.environ.get("CROWD", "400"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "6"))
HERE = Path(__file__).resolve().parent


def memory_kb(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError("no Pss")


class Threads:
    """Functions that are called again and again until the end; what they raise is kept."""

    def __init__(self, *works):
        self.troubles, self.counts = [], {work.__name__: 0 for work in works}
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(work,), daemon=True) for work in works]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, work):
        while not self._end.is_set():
            try:
                work()
                self.counts[work.__name__] += 1
            except (Exception, Closed, Refused) as trouble:  # noqa: BLE001
                self.troubles.append(f"{work.__name__}: {trouble!r}")
                time.sleep(0.1)


def test_nobody_sees_too_many_clients_and_a_backup_starts_at_once(gateway, postgres):
    gate = gateway(pool=20, workers=2, limits={"max_client_conn": CROWD + 500, "max_login_conn": CROWD + 500,
                                               "client_login_timeout": "60s"})
    starts, memory = [], [memory_kb(gate.pid)]

    def storm():
        with contextlib.closing(gate.login()) as client:
            assert client.value("select 1") == "1"
            client.leave()

    def backup():
        begun = time.monotonic()
        with contextlib.closing(gate.login("direct", application_name="pg_dump")) as client:
            assert client.value("select count(*) from items") == "1000"
            starts.append(time.monotonic() - begun)
            client.leave()
        time.sleep(0.3)

    def watch_memory():
        memory.append(memory_kb(gate.pid))
        time.sleep(0.2)

    slow = gate.login()
    slow.send(m.query("select repeat('x', 1000) from generate_series(1, 200000)"))
    halves = [Raw(gate.pooled) for _ in range(50)]
    for half in halves:
        half.send(m.startup("app", "app")[:7])
    crowds = [subprocess.Popen([sys.executable, "-B", HERE / "crowd.py", str(gate.pooled), str(CROWD // 2), str(SECONDS),
                                "0.01"], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(HERE)})
              for _ in range(2)]
    with Threads(storm, backup, watch_memory) as threads:
        found = [json.loads(crowd.communicate(timeout=SECONDS + 180)[0]) for crowd in crowds]
    peak = max(memory) - memory[0]
    print(f"\noverload: {found} storms={threads.counts['storm']} backups={len(starts)}"
          f" slowest start={max(starts) * 1000:.0f} ms memory +{peak} kB")
    assert not threads.troubles, threads.troubles[:5]
    for crowd in found:
        assert crowd["clients"] == CROWD // 2 and not crowd["troubles"], crowd
        assert crowd["answers"] > CROWD and crowd["p99"] < 20000
        assert crowd["p99"] <= 8 * crowd["median"] + 200, crowd
    assert len(starts) >= 3 and sorted(starts)[len(starts) // 2] < 2
    assert SANITIZED or peak < 40000 + CROWD * 8, f"{peak} kB more than at start"
    assert "too many clients" not in postgres.log()
    slow.reset()
    for half in halves:
        half.reset()
