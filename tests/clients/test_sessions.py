# SPDX-License-Identifier: PostgreSQL
"""test_sessions - drivers and frameworks with their defaults do what their users do, through the pooled port, while
neighbours with other settings keep taking servers. PostgreSQL itself is asked the same, and both answer alike."""

import os
import shutil
import subprocess

import pytest

import programs
import scripts
from neighbours import Straight, surrounded

HERE = programs.ROOT / "tests/clients"
BUILT = programs.ROOT / "build/clients"
NATIVE = ("notify", "copy", "cancel", "cursor", "pool", "prepared")


def python(name):
    return ["/usr/bin/python3", "-B", f"{HERE}/python/session.py", name]


# Language: how its program is started, and what it does in its own way.
LANGUAGES = {
    "psycopg2": (python("psycopg2"), NATIVE),
    "psycopg": (python("psycopg"), ("notify", "copy", "cancel", "cursor", "prepared")),
    "asyncpg": (python("asyncpg"), NATIVE),
    "sqlalchemy": (python("sqlalchemy"), ("mapped", "pool", "levels", "two_phases")),
    "node-postgres": (["node", f"{BUILT}/node/pg.js"], ("notify", "cancel", "cursor", "pool", "prepared")),
    "postgres.js": (["node", f"{BUILT}/node/postgres.js"], NATIVE),
    "jdbc": (["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-Duser.timezone=Asia/Tokyo",
              "-cp", f"{BUILT}/jdbc:{BUILT}/jdbc/*", "Script"],
             ("notify", "copy", "cancel", "cursor", "prepared", "transactions")),
    "pgx": ([f"{BUILT}/pgx/script"], (*NATIVE, "batch")),
    "tokio-postgres": ([f"{BUILT}/tokio/script"], ("notify", "copy", "cancel", "cursor", "prepared")),
    "rails": (["ruby", "-W0", f"{HERE}/ruby/script.rb"], ("mapped", "pool", "notify")),
    "django": (python("django"), ("mapped", "test_database")),
}


def scripts_for(language):
    """{name: (lines, startup)} of everything that a language's program is told."""
    told = {name: (lines, {}) for name, lines in scripts.COMMON.items()}
    told["startup"] = (scripts.startup(language), scripts.startup_of(language))
    told["reset"] = (scripts.RESETS, scripts.startup_of(language))
    return told | {name: ([name], {}) for name in LANGUAGES[language][1]}


def run(language, port):
    """{script: what it found}; what the program wrote on standard error stands under "stderr"."""
    words = [line for name, (lines, given) in scripts_for(language).items()
             for line in scripts.wording(name, lines, given)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    env = {"CLIENT_HOST": "127.0.0.1", "CLIENT_PORT": str(port), "CLIENT_USER": "app", "CLIENT_DATABASE": "app"}
    try:
        done = subprocess.run(LANGUAGES[language][0], env=kept | env, capture_output=True, text=True, timeout=240,
                              check=False, input="\n".join(words) + "\n")
        out, trouble = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        out, trouble = (late.stdout or b"").decode(), f"not over in 240 s: {(late.stderr or b'').decode()}"
    found = {line.split("\t")[0]: line.split("\t")[1:] for line in out.splitlines()}
    return found | {"stderr": trouble[-4000:]}


@pytest.fixture(scope="module")
def places(postgres, gateway_of_module):
    postgres.sql("alter role app createdb")
    postgres.sql("create role visitor;\ngrant visitor to app")
    postgres.sql(scripts.SCHEMA, user="app")
    gateway = gateway_of_module(pool=8, workers=2)
    with surrounded(gateway), surrounded(Straight(postgres.port), count=2):
        yield {"direct": postgres.port, "pooled": gateway.pooled}


@pytest.fixture(scope="module")
def found(places):
    """found(language, place), each program run when it is first asked for."""
    runs = {}

    def ask(language, place):
        if (language, place) not in runs:
            runs[language, place] = run(language, places[place])
        return runs[language, place]

    return ask


# The install script leaves a language out where its compiler cannot be had.
INSTALLED = [language for language, (words, _) in LANGUAGES.items() if shutil.which(words[0])]
CASES = [(language, name) for language in INSTALLED for name in scripts_for(language)]


def differences(lines, found):
    """The lines of a script that found something else than they must."""
    asked = [line for line in lines if not isinstance(line, str) and line[1] is not scripts.CLOSE]
    return [(line[1], "no error" if line[2] is scripts.ANY else line[2], value) for line, value in zip(asked, found)
            if (value.startswith("!") if line[2] is scripts.ANY else line[2] != value)]


@pytest.mark.parametrize("place", ["direct", "pooled"])
@pytest.mark.parametrize("language, name", CASES)
def test_they_find_what_postgresql_says(found, language, name, place):
    said = found(language, place)
    assert name in said, f"no answer: {said['stderr'][-2000:]}"
    lines, _ = scripts_for(language)[name]
    wrong = differences(lines, said[name])
    assert not wrong, "".join(f"\n{sql}: {found!r}, expected {wanted!r}" for sql, wanted, found in wrong)
    assert not isinstance(lines[0], str) or said[name] and not said[name][-1].startswith("!"), \
        (said[name], [line for line in said["stderr"].splitlines() if line.startswith(name + ":")])
    if place == "pooled":
        assert said[name] == found(language, "direct")[name]
