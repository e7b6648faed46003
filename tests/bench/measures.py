# SPDX-License-Identifier: PostgreSQL
"""measures - what is measured, and how one figure of one round comes about.

Every function returns figures by target name. Rounds are interleaved by the caller, so that a slow minute of the
machine hits all targets alike; only ratios within a round mean anything.
"""

import re
import socket
import struct
import time

MODES = ("simple", "extended", "prepared")
CLIENTS = (8, 32)
SUMMARY = (r"actually processed: (\d+)", r"^tps = ([\d.]+)", r"latency average = ([\d.]+) ms")


def begin(sandbox, target, seconds, clients, *arguments):
    threads = 1 if clients < 8 else 2
    return sandbox.start(f"pgbench-{target.name}", [
        "pgbench", "-n", "-T", seconds, "-c", clients, "-j", threads, *arguments, target.conninfo()])


def finish(sandbox, process):
    """Waits for a pgbench: (transactions, transactions per second, mean latency in milliseconds)."""
    process.popen.wait()
    log = sandbox.directory / f"{process.name}.log"
    text = log.read_text()
    log.unlink()
    sandbox.processes.remove(process)
    figures = [re.search(pattern, text, re.M) for pattern in SUMMARY]
    if process.popen.returncode or not all(figures):
        raise RuntimeError(f"{process.name} ended with {process.popen.returncode}: {text[-1500:]}")
    return tuple(float(figure[1]) for figure in figures)


def alone(sandbox, targets, seconds, clients, arguments):
    """Each target by itself: throughput, latency, and the proxy's CPU per transaction."""
    figures = {"throughput": {}, "latency": {}, "cpu": {}}
    for target in targets:
        before = target.cpu_seconds()
        count, rate, latency = finish(sandbox, begin(sandbox, target, seconds, clients, *arguments))
        figures["throughput"][target.name], figures["latency"][target.name] = rate, latency
        if target.process:
            figures["cpu"][target.name] = (target.cpu_seconds() - before) / count * 1e6
    return figures


def duel(sandbox, targets, seconds, clients, arguments):
    """Both proxies under the same load at the same time: microseconds of CPU per transaction."""
    before = {target.name: target.cpu_seconds() for target in targets}
    running = [(target, begin(sandbox, target, seconds, clients, *arguments)) for target in targets]
    figures = {}
    for target, process in running:
        count = finish(sandbox, process)[0]
        figures[target.name] = (target.cpu_seconds() - before[target.name]) / count * 1e6
    return figures


BULK = {
    "COPY out": ["psql", "-Xq", "-o", "/dev/null", "-c", "copy pgbench_accounts to stdout"],
    "pg_dump": ["pg_dump", "-Fc", "-Z0", "--no-sync", "-t", "pgbench_accounts", "-f", "/dev/null"],
    "COPY in": ["psql", "-Xq", "-c", "truncate bulk_in", "-c", r"\copy bulk_in from 'bulk.copy'"],
}


def prepare_bulk(sandbox, target):
    """Makes the table and the file that COPY IN needs; returns the file's size in gigabytes."""
    sandbox.run("psql", "-Xqc", "create unlogged table if not exists bulk_in (like pgbench_accounts)", target.bulk())
    sandbox.run("psql", "-Xqc", r"\copy pgbench_accounts to 'bulk.copy'", target.bulk())
    return (sandbox.directory / "bulk.copy").stat().st_size / 1e9


def bulk(sandbox, targets, what, gigabytes, pooled=False):
    """One bulk transfer through each: megabytes per second, and the proxy's CPU seconds per gigabyte."""
    figures = {"throughput": {}, "cpu": {}}
    for target in targets:
        before, begun = target.cpu_seconds(), time.monotonic()
        sandbox.run(*BULK[what], "-d", target.conninfo() if pooled else target.bulk())
        figures["throughput"][target.name] = gigabytes * 1000 / (time.monotonic() - begun)
        if target.process:
            figures["cpu"][target.name] = (target.cpu_seconds() - before) / gigabytes
    return figures


def connect_idle(port):
    """A client that logs in and then does nothing."""
    client = socket.create_connection(("127.0.0.1", port))
    body = struct.pack("!I", 196608) + b"user\0bench\0database\0bench\0\0"
    client.sendall(struct.pack("!I", len(body) + 4) + body)
    answer = b""
    while not answer.endswith(b"Z\0\0\0\5I"):
        part = client.recv(65536)
        if not part:
            raise RuntimeError(f"The proxy on port {port} closed the connection of an idle client: {answer!r}")
        answer += part
    return client


def idle_memory(target, count):
    """Bytes of proportional set size per idle client, while they are there and after they left."""
    connect_idle(target.port).close()
    time.sleep(0.5)
    empty = target.pss_bytes()
    clients = [connect_idle(target.port) for _ in range(count)]
    time.sleep(1)
    full = target.pss_bytes()
    for client in clients:
        client.close()
    time.sleep(1)
    return (full - empty) / count, (target.pss_bytes() - empty) / count
