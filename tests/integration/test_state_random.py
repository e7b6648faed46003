# SPDX-License-Identifier: PostgreSQL
"""test_state_random - random programs of session-state statements have one transcript, directly and pooled."""

import os
import random
import time

import pytest

from load import Neighbours
from state_objects import prepare_state
from state_random import Comparison, churn

SEEDS = [f"fixed {n}" for n in range(30)]


@pytest.fixture(scope="module")
def comparison(postgres, gateway_of_module):
    """A pool with a server for each client of a program that may keep one, and one that strangers share."""
    prepare_state(postgres)
    gateway = gateway_of_module(pool=4, workers=2, defaults={
        "server_lifetime": "1s", "query_wait_timeout": "5s", "session_state": {"sequence": "pin"}})
    with Neighbours(gateway, 2, churn, pause=0.02) as neighbours:
        yield Comparison(postgres, gateway)
    neighbours.check()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_program_has_one_transcript(comparison, seed):
    comparison.check(seed)


@pytest.mark.skipif("SOAK_SECONDS" not in os.environ, reason="make soak-state SECONDS=... asks for it")
def test_random_programs_for_a_long_time(comparison, capsys):
    start, first = time.monotonic(), random.randrange(1 << 32)
    number = 0
    while time.monotonic() - start < int(os.environ["SOAK_SECONDS"]):
        comparison.check(f"{first} {number}")
        number += 1
        if number % 100 == 0:
            with capsys.disabled():
                rate = comparison.count / (time.monotonic() - start)
                print(f"\nseed {first}: {number} programs, {comparison.count} statements, {rate:.0f} a second", end="")
