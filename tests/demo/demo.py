# SPDX-License-Identifier: PostgreSQL
"""demo - what pgsluice promises, shown on a private PostgreSQL within two minutes.

    demo.py run    500 application clients, a verified backup and a dump on the wrong port, at the same time
    demo.py up     starts the same servers and leaves them running
    demo.py down   ends what `up` started

Exit status: 0 all figures as promised, 1 not, 2 usage.
"""

import signal
import sys
import time

from sandbox import BUILD, Sandbox, Trouble, recall
from scene import Scene
from shop import Shop
from verdict import judge

STATE = BUILD / "demo.json"
LOGS = BUILD / "demo-logs"


def say(text):
    print(f"  {text}", flush=True)


def print_table(rows):
    print(f"\n  {'what':24} {'figure':68} as promised")
    print("  " + "-" * 105)
    for what, figure, good in rows:
        print(f"  {what:24} {figure:68} {'yes' if good else 'NO'}")


def run():
    begun = time.monotonic()
    sandbox = Sandbox("demo")
    scene, rows = None, []
    try:
        shop = Shop(sandbox, say)
        scene = Scene(shop)
        say(f"{scene.applications.clients} clients on the pooled port, a backup on the direct port, a stray pg_dump")
        scene.play()
        rows = judge(shop, scene)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if scene:
            scene.applications.finish()
        good = bool(rows) and all(row[2] for row in rows)
        sandbox.close(None if good else LOGS)
    print_table(rows)
    print(f"\n  {'All' if good else 'NOT all'} as promised, in {time.monotonic() - begun:.0f} s."
          f"{'' if good else f' The logs are in {LOGS}.'}")
    return 0 if good else 1


def up():
    if STATE.exists():
        state, processes, end = recall(STATE)
        if all(process.alive() for process in processes):
            print(state["hint"])
            return 0
        end()
    sandbox = Sandbox("up")
    try:
        shop = Shop(sandbox, say)
        hint = connection_strings(shop)
        STATE.parent.mkdir(exist_ok=True)
        sandbox.remember(STATE, hint=hint)
    except BaseException:
        sandbox.close()
        raise
    print(hint)
    return 0


def connection_strings(shop):
    directory = shop.sandbox.directory
    return f"""
  applications      psql "{shop.target(shop.pooled, 'app')}"
  dumps, backups    pg_dump "{shop.target(shop.direct, 'backup')}"
  admin console     psql "{shop.target(shop.pooled, 'postgres', 'pgsluice')}"
  PostgreSQL        psql "host=127.0.0.1 port={shop.postgres.port} user=postgres password={shop.password} dbname=shop"
  a backup          {BUILD}/pgsluice-backup run demo -c {shop.backup_conf}
  load              pgbench -n -c 500 -T 30 "{shop.target(shop.pooled, 'app')}"
  files and logs    {directory}

  `make down` ends it."""


def down():
    if not STATE.exists():
        say("Nothing is up.")
        return 0
    recall(STATE)[2]()
    say("Down.")
    return 0


def interrupted(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(arguments):
    commands = {"run": run, "up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        return commands[arguments[0]]()
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n  Interrupted; everything that was started has been stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
