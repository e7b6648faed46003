# SPDX-License-Identifier: PostgreSQL
"""state_script - steps of several clients in lock-step, written as text, run anywhere; what they saw, as lines.

A line is `LETTER: step`; the letter is a client, S is a superuser's own connection to PostgreSQL, never the gateway's.
A bare step is one SQL query. A step that begins with a backslash is one or more actions with ` ;; ` between them, sent
in one write, with a Sync where one is due, at the end and before a simple query:
  \\q SQL              a simple query whatever the protocol of the run (several statements, for instance)
  \\x SQL <- a, b      Parse, Bind, Describe, Execute, unnamed     \\parse NAME[OID] SQL    \\describe, \\close NAME
  \\run NAME <- a, b   Bind and Execute, unnamed portal            \\bind PORTAL NAME <- a, b    \\fetch PORTAL COUNT
  \\sync               a Sync in the middle                        the name `-` is the unnamed one
and, alone in its step:
  \\login USER k=v     otherwise a client logs in as `app` when its letter first speaks
  \\leave, \\kill       the polite way out and the rude one        \\hears N       reads until N more notifications came
  \\keep NAME SQL      :NAME stands for that value later on        \\until SQL     asks again until the answer is t
  \\listens N SQL      a query during or after which N notifications come; they are told after its end
  \\drain              for runs that know it: state_random.py
A line that begins with `...` goes on with the line before. `clean: SQL` is run by S before and after the script.
"""

import itertools
import re
import shlex
import time

import messages as m
from rawpg import Closed, Raw, Refused, rows_of

PATIENCE = 8
UNSENT = {"login", "leave", "kill", "hears", "listens", "keep", "until", "drain"}


class Direct:
    """Where a script runs: PostgreSQL itself."""

    name = "directly"

    def __init__(self, postgres):
        self.postgres = postgres

    def login(self, user, **parameters):
        return Raw(self.postgres.port, timeout=PATIENCE).login(user, parameters.pop("database", "app"), **parameters)


class Pooled:
    """Where a script runs: the pooled port of a gateway."""

    def __init__(self, gateway, name="pooled"):
        self.gateway = gateway
        self.name = name

    def login(self, user, **parameters):
        raw = self.gateway.raw(timeout=PATIENCE)
        return raw.login(user, parameters.pop("database", "app"), **parameters)


def steps_of(text):
    """(letter, step) of each line, and the statements of its `clean` lines."""
    steps, clean = [], []
    for line in re.sub(r"\n\s*\.\.\.\s*", " ", text).strip().splitlines():
        letter, _, step = line.strip().partition(": ")
        if letter == "clean":
            clean.append(step)
        elif letter:
            steps.append((letter, step))
    return steps, clean


def arguments_of(text):
    """The text before ` <- ` and the parameters after it; `null` is NULL."""
    text, _, given = text.partition(" <- ")
    return text, [None if item == "null" else item for item in given.split(", ")] if given else []


def action_bytes(action):
    """The messages of one action; None for those that are not sent."""
    if not action.startswith("\\"):
        return m.query(action)
    verb, _, rest = action[1:].partition(" ")
    text, values = arguments_of(rest)
    first, _, more = text.partition(" ")
    name = "" if first == "-" else first
    if verb == "q":
        return m.query(rest)
    if verb == "x":
        return m.once(text, values)
    if verb == "parse":
        typed = re.fullmatch(r"(.+)\[([\d,]+)\]", name)
        return m.parse(typed[1], more, list(map(int, typed[2].split(",")))) if typed else m.parse(name, more)
    if verb == "run":
        return m.bind("", name, values) + m.execute()
    if verb == "bind":
        return m.bind(name, "" if more in ("", "-") else more, values)
    if verb == "fetch":
        return m.execute(name, int(more or 0))
    if verb in ("describe", "close"):
        return getattr(m, verb)("S", name)
    assert verb == "sync", f"\\{verb} is not an action"
    return m.sync()


def step_bytes(step, protocol):
    """What a step sends under `protocol`, and how many ReadyForQuery answer it."""
    if not step.startswith("\\") and " ;; " not in step and protocol == "extended":
        step = "\\x " + step.replace(" <- ", " < -")
    sent, count, due = b"", 0, False
    for action in step.split(" ;; "):
        data = action_bytes(action)
        ends = data[:1] in b"QS"
        if due and data[:1] == b"Q":
            sent, count = sent + m.sync(), count + 1
        sent, count, due = sent + data, count + ends, not ends
    return (sent + m.sync(), count + 1) if due else (sent, count)


def told(found):
    """Messages as a client sees them: pids masked, ParameterStatus that came together in the order of names."""
    lines = []
    for item in found:
        if item.type == "A":
            lines.append(("A", *m.strings(item.body[4:])))
            continue
        if item.type == "S" and lines and lines[-1][0] == "S":
            last = next(index for index in range(len(lines), 0, -1) if lines[index - 1][0] != "S")
            lines[last:] = sorted(lines[last:] + m.digest([item]))
            continue
        lines += m.digest([item])
    return lines


class Run:
    """One script in one place. `transcript` is a list of strings; `statuses` may be asked for a client's state."""

    def __init__(self, place, script, protocol="simple", server=None):
        self.place = place
        self.steps, self.clean = steps_of(script)
        self.protocol = protocol
        self.server = server or place
        self.clients, self.kept, self.transcript, self.pids = {}, {}, [], []

    def play(self, hostile=(), expected=None):
        """Runs it to its end, or up to the first step that is not as `expected`, and lets everybody leave. After a
        step of an idle client A, a client H makes two of the hostile steps."""
        self._clean()
        try:
            self._play(itertools.cycle(hostile), expected)
        finally:
            for client in self.clients.values():
                client.leave()
            self._clean()
        return self.transcript

    def _play(self, hostile, expected):
        for group in self._groups():
            self._say(group)
            if group[0][0] == "A" and self._idle("A"):
                for step in itertools.islice(hostile, 2):
                    self._say([("H", step)])
            if expected is not None and self.transcript != expected[:len(self.transcript)]:
                return
        for letter, client in sorted(self.clients.items()):
            if letter != "S" and client.status:
                self.transcript.append(f"{letter} knows {sorted(client.parameters.items())}")

    def _groups(self):
        """Steps that are sent at once: up to five of one client in a row when the run is pipelined."""
        group = []
        for letter, step in self.steps:
            joined = self.protocol == "pipelined" and letter != "S" and step[1:].split(" ")[0] not in UNSENT
            if group and not (joined and group[0][0] == letter and len(group) < 5):
                yield group
                group = []
            group.append((letter, step))
            if not joined:
                yield group
                group = []
        if group:
            yield group

    def _idle(self, letter):
        return letter in self.clients and self.clients[letter].status == "I"

    def _clean(self):
        if self.clean:
            with Direct.login(self.server, "postgres") as superuser:
                for statement in self.clean:
                    superuser.query(statement)
                superuser.leave()

    def _client(self, letter):
        if letter not in self.clients:
            self._login(letter, "postgres" if letter == "S" else "app")
        return self.clients[letter]

    def _login(self, letter, user, **parameters):
        place = self.server if letter == "S" else self.place
        self.clients[letter] = place.login(user, **parameters)
        self.pids.append(self.clients[letter].pid)

    def _say(self, group):
        letter, first = group[0]
        for _, step in group:
            self.transcript.append(f"{letter}: {step}")
        if letter in self.clients and not self.clients[letter].status:
            self._tell(letter, ("gone",))
            return
        try:
            if first[:1] == "\\" and first[1:].split(" ")[0] in UNSENT:
                self._do(letter, *first[1:].split(" ", 1))
            else:
                self._ask(letter, [step for _, step in group])
        except Refused as refused:
            self._tell(letter, ("refused", refused.sqlstate, refused.fields.get("M")))
        except (Closed, TimeoutError, BrokenPipeError, ConnectionResetError) as trouble:
            self._tell(letter, (type(trouble).__name__,))
            if letter in self.clients:
                self.clients[letter].status = None

    def _ask(self, letter, steps):
        client, wanted = self._client(letter), 0
        for step in steps:
            for name, value in self.kept.items():
                step = step.replace(":" + name, value)
            data, count = step_bytes(step, "simple" if letter == "S" else self.protocol)
            client.send(data)
            wanted += count
        found = []
        try:
            while wanted:
                found.append(client.read())
                wanted -= found[-1].type == "Z"
        finally:
            self._tell(letter, *told(found))

    def _tell(self, letter, *lines):
        self.transcript += [f"  {letter} {' '.join(map(str, line))}" for line in lines]

    def _do(self, letter, verb, rest=""):
        if verb == "login":
            user, *given = shlex.split(rest) or ["app"]
            self._login(letter, user, **dict(item.split("=", 1) for item in given))
            self._tell(letter, *sorted(self.clients[letter].parameters.items()))
        elif verb in ("leave", "kill"):
            client = self.clients.pop(letter)
            client.leave() if verb == "leave" else client.reset()
        elif verb == "hears":
            client = self._client(letter)
            self._tell(letter, *told(client.until("A", int(rest))))
        elif verb == "listens":
            self._listen(letter, *rest.split(" ", 1))
        elif verb == "keep":
            name, sql = rest.split(" ", 1)
            self.kept[name] = self._client(letter).value(sql)
        else:
            self._until(letter, rest)

    def _listen(self, letter, count, sql):
        client = self._client(letter)
        found = client.send(step_bytes(sql, self.protocol)[0]).until("Z")
        missing = int(count) - sum(item.type == "A" for item in found)
        found += client.until("A", missing) if missing > 0 else []
        self._tell(letter, *told(sorted(found, key=lambda item: item.type == "A")))

    def _until(self, letter, sql):
        """Waits in front of a state that comes by itself: the end of a backend, for instance."""
        deadline = time.monotonic() + PATIENCE
        while rows_of(self._client(letter).query(sql)) != [["t"]]:
            if time.monotonic() > deadline:
                self._tell(letter, ("never true",))
                return
            time.sleep(0.01)
