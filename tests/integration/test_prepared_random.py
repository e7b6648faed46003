# SPDX-License-Identifier: PostgreSQL
"""test_prepared_random - programs of prepared statements, made from a seed, have PostgreSQL's own transcript."""

import os
import random

import pytest

import messages as m
from load import Neighbours
from test_prepared_sql import names_work
from test_transparent import directly, transcript

NAMES = ("a", "b", "c", "Mixed")
TEXTS = ("select {n}", "select $1::int + {n}", "selec {n}", "select {n}/0", "select 't{n}'::text as t")
EXECUTING = ("execute a", "execute b({n})", "explain (costs off) execute a")
FORGETFUL = ("deallocate a", "deallocate b", "deallocate all", "prepare b as select {n}",
             "prepare c (int) as select $1 * {n}")
SIMPLE = ("execute a", "execute b", "execute b({n})", "execute c({n})", 'execute "Mixed"', "deallocate a",
          "deallocate b", "deallocate prepare c", "deallocate all", "discard all", "prepare a as select {n}",
          "prepare b as select {n}", "prepare c (int) as select $1 + {n}", "begin", "begin", "commit", "rollback",
          "savepoint s", "rollback to s", "boom", "select {n}", "select {n}; execute a; select 'after'",
          "deallocate a; prepare a as select {n}; execute a",
          "execute b; deallocate b; execute b", "begin; execute a; commit", "explain (costs off) execute a",
          "select name, statement, parameter_types::text, from_sql from pg_prepared_statements order by name",
          "select 1/0; deallocate a")


def extended(dice):
    """One to four requests and a Sync."""
    batch = b""
    for _ in range(dice.randrange(1, 5)):
        name, texts = dice.choice(NAMES), TEXTS
        kind = dice.randrange(8)
        if dice.randrange(4) == 0:  # under names that none of them executes
            name, texts = dice.choice((("f", FORGETFUL), ("", FORGETFUL), ("", EXECUTING), ("", TEXTS)))
            kind = 2 if name == "" else kind
        text = dice.choice(texts).format(n=dice.randrange(1000))
        if kind < 2:
            batch += m.parse(name, text)
        elif kind == 2:
            batch += m.parse(name, text) + m.describe("S", name)
            batch += m.bind("", name, [7] * dice.randrange(2)) + m.execute()
        elif kind == 3:
            batch += m.close("S", name)
        elif kind == 4:
            batch += m.describe("S", name)
        else:
            batch += m.bind("", name, [5] * dice.randrange(2)) + m.describe("P") + m.execute()
    return batch + m.sync()


def program(seed, length):
    """Parts that are sent at once; some hold several batches and simple queries."""
    dice = random.Random(seed)
    parts = []
    for _ in range(length):
        part = b""
        for _ in range(dice.choice((1, 1, 1, 2, 4))):
            part += extended(dice) if dice.randrange(2) else m.query(dice.choice(SIMPLE).format(n=dice.randrange(100)))
        parts.append(part)
    return parts + [m.query("rollback"), m.query("discard all")]


@pytest.fixture(scope="module", params=[1, 2])
def busy(gateway_of_module, request):
    gateway = gateway_of_module(pool=request.param, workers=2, defaults={"max_prepared_statements": 3})
    with Neighbours(gateway, 2, names_work, pause=0.001) as neighbours:
        yield gateway
    neighbours.check()


def batches(found):
    """What was answered up to each ReadyForQuery. In a transaction that failed every batch may fail, by one error or
    another: a statement that this server does not have cannot be prepared there."""
    result, status = [[]], "I"
    for item in found:
        if item[0] == "Z":
            result[-1] = ["whatever"] if status == "E" and item[1] == "E" else result[-1]
            status = item[1]
            result[-1].append(item)
            result.append([])
        else:
            result[-1].append(item)
    return result


def check(postgres, gateway, seed):
    parts = program(seed, 40)
    expected = directly(postgres, parts)
    with gateway.login() as client:
        found = transcript(client, parts)
        client.leave()
    assert batches(found) == batches(expected), f"seed {seed}"


@pytest.mark.parametrize("seed", range(int(os.environ.get("PREPARED_SEEDS", "25"))))
def test_a_random_program_has_the_same_transcript(postgres, busy, seed):
    check(postgres, busy, seed)
