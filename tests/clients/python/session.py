# SPDX-License-Identifier: PostgreSQL
"""session - runs the scripts on its standard input with the driver it is told: `session.py psycopg`. A line is
`script NAME`, `startup KEY VALUE`, `ask CONNECTION SQL ARGUMENT...`, `close CONNECTION` or `native NAME`, with tabs
between; one line answers each script: NAME and what was found, `\\N` for null and `!SQLSTATE` for an error."""

import asyncio
import importlib
import inspect
import os
import sys

ADDRESS = {"host": os.environ["CLIENT_HOST"], "port": int(os.environ["CLIENT_PORT"]),
           "user": os.environ["CLIENT_USER"], "database": os.environ["CLIENT_DATABASE"]}


def words_of(value):
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("\t", " ").replace("\n", " ")


# Awaited from outside: Django and others refuse to work under a running loop.
LOOP = asyncio.new_event_loop()


def settled(value):
    return LOOP.run_until_complete(value) if inspect.isawaitable(value) else value


class Script:
    def __init__(self, driver, name):
        self.driver, self.name = driver, name
        self.startup, self.connections, self.found = {}, {}, []

    def connection(self, name):
        if name not in self.connections:
            self.connections[name] = settled(self.driver.connect(self.startup))
        return self.connections[name]

    def attempt(self, work):
        """What the work returned, or the SQLSTATE of its error."""
        try:
            return words_of(settled(work()))
        except Exception as trouble:
            state = self.driver.sqlstate(trouble)
            print(f"{self.name}: {trouble!r}", file=sys.stderr)
            return "!" + (state or type(trouble).__name__)

    def line(self, kind, *words):
        if kind == "startup":
            self.startup[words[0]] = words[1]
        elif kind == "close":
            settled(self.driver.close(self.connections.pop(words[0])))
        elif kind == "native":
            self.native(words[0])
        else:
            self.found.append(self.attempt(
                lambda: self.driver.ask(self.connection(words[0]), words[1], list(words[2:]))))

    def native(self, name):
        def work():
            self.found += [words_of(value) for value in settled(getattr(self.driver, name)())]
        said = self.attempt(work)
        if said.startswith("!"):
            self.found.append(said)

    def end(self):
        for connection in self.connections.values():
            settled(self.driver.close(connection))
        print("\t".join([self.name, *self.found]), flush=True)


def main():
    driver = importlib.import_module(f"with_{sys.argv[1]}")
    script = None
    for line in sys.stdin.read().splitlines():
        kind, *words = line.split("\t")
        if kind == "script":
            if script:
                script.end()
            script = Script(driver, words[0])
        else:
            script.line(kind, *words)
    if script:
        script.end()


if __name__ == "__main__":
    main()
