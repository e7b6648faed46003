# SPDX-License-Identifier: PostgreSQL
"""state_random - random programs of session-state statements from a seed, compared, and shrunk where they differ.

A program is a script of state_script.py: what is printed can become a test as it is, but for its \\drain, which here
waits until all idle clients heard what was said to them, and tells what that was.
"""

import random
import re
import time

import messages as m
import programs
from rawpg import Closed, rows_of
from state_script import Direct, Pooled, Run

# What the templates below draw from; <letter> is the client's own.
WORDS = {
    "set": ["work_mem = '5MB'", "work_mem = '6MB'", "work_mem to default", "search_path = here", "search_path = there",
            "search_path = public, here", "search_path to ''", "datestyle = 'German'", "datestyle = 'SQL, DMY'",
            "timezone = 'Asia/Tokyo'", "time zone -3", "intervalstyle = 'iso_8601'", "bytea_output = 'escape'",
            "extra_float_digits = 0", "client_encoding = 'latin1'", "names 'utf8'", "app.who = '<letter> <number>'",
            "app.tenant_id = '<digit>'", "app.last = '<number>'", "application_name = '<letter> <number>'",
            "standard_conforming_strings = off", "standard_conforming_strings = on", "enable_hashjoin = off",
            "row_security = off", "default_transaction_read_only = on", "default_transaction_read_only = off",
            "default_transaction_isolation = 'repeatable read'", "client_min_messages = 'error'",
            "session characteristics as transaction read write", "role state_a", "role state_b", "role none",
            "statement_timeout = '<digit>00s'", "work_mem = 'rubbish'", "no_such_setting = 1", "datestyle = rubbish"],
    "reset": ["work_mem", "search_path", "datestyle", "timezone", "app.who", "app.tenant_id", "role", "all",
              "application_name", "client_encoding", "session authorization"],
    "config": ["'app.who', '<letter> <number>'", "'app.tenant_id', '<digit>'", "'search_path', 'here, public'",
               "'work_mem', '7MB'", "lower('DATESTYLE'), 'German'", "'app.' || 'last', '<number>'", "'role', 'state_b'",
               "'work_mem', 'rubbish'", "'timezone', 'UTC'"],
    "function": ["set_sql(<config>)", "set_plpgsql(<config>)", "set_dynamic('app.who', '<number>')",
                 "set_caught(<config>)", "set_outer('app.last', '<number>')", "set_computed('who', '<number>')",
                 "set_role_dynamic('state_a')", "reset_dynamic()", "set_own('<number>')"],
    "table": ["t1", "t2"], "cursor": ["h1", "h2"], "name": ["s1", "s2", "p1"], "channel": ["c1", "c2"],
    "text": ["select '<letter> <number>'", "select name from place", "select $1::int + <digit>", "selec",
             "select current_setting('work_mem'), '2020-02-03'::date", "set work_mem = '9MB'", "select 1/0",
             "select body from public.tenants order by 1 limit 1", "select * from <table>",
             "insert into touched values (1)"],
    "number": [str(n) for n in range(100, 130)], "digit": ["0", "1", "2"], "key": ["<own>1", "<own>2"],
    "look": ["show work_mem", "show search_path", "show datestyle", "show timezone", "show application_name",
             "select current_user, session_user", "select name from place", "show transaction_read_only",
             "select count(*), min(body) from public.tenants", "show standard_conforming_strings",
             "select '2020-02-03'::date, 1::float8 / 3, interval '1 day', '\\x6162'::bytea, chr(233)",
             "select coalesce(current_setting('app.who', true), ''), coalesce(current_setting('app.last', true), '')",
             # a session that keeps a server which was opened under another name has its own by SET
             "select name, setting from pg_settings where source = 'session' and name <> 'application_name' order by 1",
             "table <table>",
             "select application_name from pg_stat_activity where pid = pg_backend_pid()", "table pg_temp.<table>",
             "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
             "fetch 1 from <cursor>", "fetch all from <cursor>", "execute <name>", "execute <name> (<digit>)",
             "select name, from_sql from pg_prepared_statements order by 1", "select random()",
             "select name from pg_cursors where is_holdable order by 1", "show transaction_isolation",
             "select * from pg_listening_channels() order by 1", "select currval('public.numbers')",
             "select lastval()"],
}

# Weight, what a client may do.
STEPS = [
    (30, ["<look>"]), (14, ["set <set>"]), (4, ["set local <set>"]), (5, ["reset <reset>"]),
    (6, ["select set_config(<config>, false)", "select set_config(<config>, true)",
         "update pg_settings set setting = '5555' where name = 'work_mem'"]),
    (5, ["select public.<function>", "do $$ begin perform set_config(<config>, false); end $$",
         "do $$ begin execute 'set app.who = <number>'; end $$", "insert into public.touched values (<digit>)",
         "insert into public.defaulted (id) values (1) returning who", "call public.set_twice('<digit>')",
         "table public.setting_view"]),
    (9, ["begin"]), (1, ["commit", "rollback", "commit and chain"]),
    (4, ["savepoint a", "rollback to a", "release a", "savepoint b", "rollback to b"]),
    (3, ["select 1/0", "boom", "select no_such_column"]),
    (5, ["create temp table <table> as select '<letter> <number>' as t", "drop table <table>",
         "create temp table <table> (t text) on commit drop", "insert into <table> values ('<number>')",
         "select '<number>' as t into temp <table>", "select public.make_temp('<table>')", "discard temp"]),
    (5, ["select pg_advisory_lock(<key>)", "select pg_try_advisory_lock(<key>)", "select pg_advisory_unlock(<key>)",
         "select pg_advisory_unlock_all()", "select public.take_lock(<key>)", "select pg_advisory_xact_lock(<key>)"]),
    (3, ["declare <cursor> cursor with hold for select n from generate_series(1, 5) n", "close <cursor>", "close all",
         "declare <cursor> cursor for select 1", "select public.declare_hold('<cursor>')"]),
    (4, ["prepare <name> as <text>", "prepare <name> (int) as select $1 + <digit>", "deallocate <name>",
         "deallocate all", "select public.prepare_dynamic('<name>')"]),
    (9, ["\\parse <name> <text>", "\\parse <name> <text> ;; \\run <name>", "\\run <name>", "\\run <name> <- <digit>",
         "\\close <name>", "\\describe <name>", "\\parse - <text> ;; \\run -", "\\run -",
         "\\close <name> ;; \\parse <name> <text> ;; \\run <name>"]),
    (6, ["listen <channel>", "listen <channel>", "select public.listen_dynamic('<channel>')", "unlisten <channel>",
         "unlisten *"]),
    (7, ["notify <channel>, '<number>'", "select pg_notify('<channel>', '<number>')",
         "select public.notify_dynamic('<channel>', '<number>')"]),
    (3, ["select nextval('public.numbers')", "select public.next_number()", "discard sequences",
         "insert into public.serials (body) values ('x') returning id"]),
    (1, ["select setseed(0.<digit>)"]), (1, ["discard all"]), (1, ["discard plans"]),
    (2, ["\\leave", "\\kill"]), (3, ["\\drain"]),
    (3, ["\\q set <set>; <look>", "\\q begin; set <set>; commit; <look>", "\\q set <set>; select 1/0",
         "\\q begin; set <set>; rollback; <look>", "\\q <look>; set <set>; <look>"]),
    (2, ["\\begin ;; \\x prepare transaction '<letter>' ;; \\x rollback prepared '<letter>'"]),
]
STARTS = ["app", "app", "app DateStyle=SQL,DMY", "app work_mem=3MB app.who=start", "app application_name=started",
          "app 'options=-c search_path=there,public -c app.tenant_id=1'",
          "app TimeZone=Asia/Tokyo client_encoding=latin1"]
CLEAN = ["alter sequence numbers restart 1", "truncate touched, defaulted", "truncate serials restart identity"]
OWN = {"A": "61", "B": "62", "C": "63"}


def filled(template, letter, dice):
    """A template with words in all its places."""
    while True:
        place = re.search(r"<(\w+)>", template)
        if not place:
            return template
        name = place[1]
        word = letter if name == "letter" else OWN[letter] if name == "own" else dice.choice(WORDS[name])
        template = template[:place.start()] + word + template[place.end():]


def step(letter, dice):
    """One step of one client, simple, extended, or several in one write."""
    template = dice.choice(dice.choices([texts for _, texts in STEPS], [weight for weight, _ in STEPS])[0])
    text = filled(template.replace("\\begin", "\\x begin"), letter, dice)
    if text.startswith("\\") or dice.random() < 0.5:
        return text
    if dice.random() < 0.75:
        return "\\x " + text
    others = [filled(dice.choice(["<look>", "set <set>", "select 1"]), letter, dice) for _ in range(dice.randint(1, 3))]
    return " ;; ".join(dice.choice(["", "\\x "]) + part for part in [text, *others])


def program(seed, length=60):
    """The program of a seed, as lines."""
    dice = random.Random(seed)
    letters = "ABC"[:dice.choice([2, 3, 3])]
    lines = [f"{letter}: \\login {dice.choice(STARTS)}" for letter in letters]
    began = set()
    for _ in range(length):
        letter = dice.choice(letters)
        for _ in range(dice.choice([1, 1, 1, 2, 3])):
            text = step(letter, dice)
            if letter in began and dice.random() < 0.3:
                text = dice.choice(["commit", "commit", "\\x commit", "rollback"])
                began.discard(letter)
            elif re.match(r"(\\x )?begin", text):
                began.add(letter)
            lines.append(f"{letter}: {text}")
    return lines + ["A: \\drain"]


def named(line):
    """PL/pgSQL calls a function as the search_path of the moment wanted in which this server compiled it."""
    return tuple(word.replace("PL/pgSQL function public.", "PL/pgSQL function ") if isinstance(word, str) else word
                 for word in line)


class RandomRun(Run):
    """A run whose notifications are told apart from the answers, since only their order is PostgreSQL's word, and
    that leaves out steps whose effect PostgreSQL itself does not define."""

    def __init__(self, place, lines, server):
        super().__init__(place, "\n".join(lines + [f"clean: {statement}" for statement in CLEAN]), "simple", server)
        self.heard, self.unsettled, self.seeded, self.drains = {}, set(), set(), 0

    def _say(self, group):
        letter, text = group[0]
        if self._undefined(letter, text):
            self.transcript.append(f"{letter}: left out")
            return
        if re.search("unlisten|discard|leave|kill|reset_dynamic", text):
            self._drain(letter)
        known = len(self.transcript)
        super()._say(group)
        self._settle(letter, text, self.transcript[known:])

    def _undefined(self, letter, text):
        """NOTIFY against a LISTEN whose transaction is open, random() without a seed; and, by our own limits, who asks
        for channels after something else in one batch, and which error a Bind with too many parameters gives in a
        transaction that failed before."""
        others = any(other != letter for other in self.unsettled)
        return (bool(re.search("notify|commit|begin|call", text)) and others
                or "random()" in text and letter not in self.seeded
                or any("pg_listening_channels" in part for part in text.split(" ;; ")[1:])
                or "<-" in text and letter in self.clients and self.clients[letter].status == "E")

    def _settle(self, letter, text, said):
        client = self.clients.get(letter)
        idle = client is None or client.status in ("I", None)
        if idle:
            self.unsettled.discard(letter)
        elif re.search("listen|discard", text):
            self.unsettled.add(letter)
        if "setseed" in text and not any(" E " in line for line in said):
            self.seeded.add(letter)
        if client is None:
            self.seeded.discard(letter)

    def _tell(self, letter, *lines):
        self.heard.setdefault(letter, []).extend(line[1:] for line in lines if line[0] == "A")
        super()._tell(letter, *[named(line) for line in lines if line[0] != "A"])

    def _do(self, letter, verb, rest=""):
        if verb == "drain":
            for other in sorted(self.clients):
                self._drain(other)
                self._tell(other, ("heard", *self.heard.pop(other, [])))
            return
        if verb in ("leave", "kill") and letter not in self.clients:
            return
        super()._do(letter, verb, rest)
        if verb in ("leave", "kill"):
            self._until("S", "select count(*) = 0 from pg_locks where locktype = 'advisory' and objid between"
                             f" {OWN[letter]}0 and {OWN[letter]}9")

    def _drain(self, letter):
        """Waits until an idle client heard everything that was said on its channels."""
        client = self.clients.get(letter)
        if letter == "S" or client is None or client.status != "I":
            return
        found = client.query("select * from pg_catalog.pg_listening_channels() order by 1")
        wanted = set()
        for channel, in rows_of(found):
            self.drains += 1
            wanted.add((channel, f"drain {self.drains}"))
            self._client("S").query(f"notify {channel}, 'drain {self.drains}'")
        notes = [tuple(m.strings(item.body[4:])) for item in found if item.type == "A"]
        while not wanted <= set(notes):
            notes.append(tuple(m.strings(client.until("A")[-1].body[4:])))
        self.heard.setdefault(letter, []).extend(note for note in notes if note not in wanted)


class Comparison:
    """Programs run on a PostgreSQL and through a gateway; `count` statements so far."""

    def __init__(self, postgres, gateway):
        self.direct, self.pooled = Direct(postgres), Pooled(gateway)
        self.count = 0

    def differ(self, lines):
        """Both transcripts where they differ, None where they are equal."""
        expected = self._run(self.direct, lines, None)
        found = self._run(self.pooled, lines, expected)
        self.count += len(lines)
        return None if expected == found else (expected, found)

    def _run(self, place, lines, expected):
        run = RandomRun(place, lines, self.direct)
        try:
            found = run.play(expected=expected)
        except (Closed, OSError) as trouble:
            found = run.transcript + [repr(trouble)]
        with self.direct.login("postgres") as watcher:
            held = "select count(*) from pg_locks where locktype = 'advisory'"
            programs.eventually(lambda: watcher.value(held) == "0", 10, what="the end of all advisory locks")
            watcher.leave()
        return found

    def shrink(self, lines, found, seconds=60):
        """The program without the lines that the difference does not need, as far as time allows; how it differs."""
        deadline = time.monotonic() + seconds
        size = len(lines) // 2
        while size:
            at = 0
            while at < len(lines) and time.monotonic() < deadline:
                fewer = lines[:at] + lines[at + size:]
                still = self._really_differ(fewer)
                lines, found, at = (fewer, still, at) if still else (lines, found, at + size)
            size //= 2
        return lines, found

    def _really_differ(self, lines):
        """How a program differs, unless PostgreSQL itself does not say the same twice."""
        found = self.differ(lines)
        return found if found and found[0] == self._run(self.direct, lines, None) else None

    def check(self, seed):
        """Fails with the seed, the shortest program found and both transcripts when a program differs."""
        lines = program(seed)
        found = self.differ(lines)
        if found:
            shorter, (expected, pooled) = self.shrink(lines, found)
            raise AssertionError("\n".join([f"seed {seed!r} differs, at its shortest:", *shorter,
                                            "-- directly:", *expected, "-- pooled:", *pooled]))


def churn(client, number, dice):
    """What a stranger does between the steps of a program: changes everything, looks whether it is so, leaves again."""
    tag = f"{number} {dice.randrange(1000)}"
    choice = dice.randrange(5)
    if choice == 0:
        client.rows(f"reset role; set search_path = there; set work_mem = '{2 + number}MB'; set app.who = '{tag}'")
        assert client.rows("select current_setting('app.who'), name from place") == [[tag, "there"]]
    elif choice == 1:
        client.rows("set role state_b; set datestyle = 'SQL'; set default_transaction_isolation = 'serializable'")
        assert client.rows("select current_user, '2020-02-03'::date") == [["state_b", "02/03/2020"]]
    elif choice == 2:
        client.rows("begin; create temp table t1 (stranger int) on commit drop; select pg_advisory_xact_lock(1);"
                    " commit")
    elif choice == 3:
        client.ask(m.parse("s1", f"select '{tag}'"), m.sync())
        assert rows_of(client.ask(m.bind("", "s1"), m.execute(), m.sync())) == [[tag]]
        client.ask(m.close("S", "s1"), m.sync())
    else:
        client.rows("discard all")
        assert client.rows("select current_user, current_setting('search_path')") == [["app", '"$user", public']]
