# SPDX-License-Identifier: PostgreSQL
"""verdict - what came of the demo, figure by figure, and whether each is as promised."""

import hashlib
import json
import re

from shop import MAX_CONNECTIONS, POOL_SIZE


def restored_text(sandbox, archive, *what):
    """The hash of what pg_restore prints, without the keys that it draws anew for each run."""
    text = sandbox.run("pg_restore", "-f", "-", *what, archive).stdout
    kept = [line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def same_dump(shop):
    """Whether the dump that went to the wrong port holds what one through the direct port holds."""
    shop.sandbox.run("pg_dump", "-Fc", "-f", "direct.dump", shop.target(shop.direct, "app"))
    return all(restored_text(shop.sandbox, "stray.dump", *what) == restored_text(shop.sandbox, "direct.dump", *what)
               for what in (["-s"], ["-a", "-t", "documents"]))


def recognised(log):
    """What the gateway's log says about the dump that came by the pooled port."""
    for line in log.splitlines():
        if "class=dump" in line and "listener=pooled" in line:
            word = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line))
            return f"{word['class']}, moved to mode {word['mode']} ({word.get('why', '').strip(chr(34))})"
    return ""


def newest_backup(shop):
    """Label, bytes and proven verification level of the newest backup that the runner lists."""
    listed = shop.sandbox.run("pgsluice-backup", "list", "--json", "-c", shop.backup_conf, check=False)
    backups = json.loads(listed.stdout)["backups"] if listed.returncode == 0 else []
    if not backups:
        return "none", 0, ""
    newest = max(backups, key=lambda backup: backup["started"])
    verified = newest["verified"] or {"level": "", "passed": False}
    return newest["label"], newest["stored_bytes"], verified["level"] if verified["passed"] else ""


def refusals(shop):
    """How often anybody was told that PostgreSQL is full."""
    logs = (path.read_text(errors="replace") for path in shop.sandbox.directory.glob("*.log"))
    return sum(len(re.findall(r"too many clients|remaining connection slots", log)) for log in logs)


def judge(shop, scene):
    """Rows of (what, figure, whether it is as promised)."""
    apps, census = scene.applications, scene.census
    label, size, level = newest_backup(shop)
    route, full = recognised(shop.sandbox.log("pgsluice")), refusals(shop)
    backed_up, dumped = scene.backup.popen.poll() == 0, scene.dump.popen.poll() == 0
    equal = dumped and same_dump(shop)
    return [
        ("application clients", f"{min(scene.most_clients, apps.clients)} at once", scene.most_clients >= apps.clients),
        ("transactions", f"{apps.transactions:,}", apps.transactions > 0),
        ("application errors", f"{apps.errors} {apps.first_error[:60]}", apps.errors == 0),
        ('"too many clients"', str(full), full == 0),
        ("server connections", f"{census.most} of {MAX_CONNECTIONS} at most", census.most <= MAX_CONNECTIONS),
        ("  of them applications", f"{census.most_pooled} (pool of {POOL_SIZE})", census.most_pooled <= POOL_SIZE),
        ("backup", f"{label}, {size / 1e6:.1f} MB in {scene.backup_seconds:.0f} s", backed_up and size > 0),
        ("  verified", level or "no", level == "content"),
        ("dump on the wrong port", route or "not recognised", dumped and bool(route)),
        ("  equal to a direct one", "yes" if equal else "no", equal),
    ]
