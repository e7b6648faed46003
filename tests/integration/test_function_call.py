# SPDX-License-Identifier: PostgreSQL
"""test_function_call - the old FunctionCall message: one ReadyForQuery each, in transactions and out of them."""

import pytest

import messages as m
from rawpg import errors_of, kinds

INT4_PLUS = 177
LO_CREATE, LO_OPEN, LOWRITE, LOREAD, LO_UNLINK = 715, 952, 955, 954, 964


def number(value):
    return value.to_bytes(4, "big", signed=True)


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    return gateway_of_module(pool=1, workers=1)


def call(client, function, *arguments):
    found = client.ask(m.function_call(function, [a if isinstance(a, bytes) else number(a) for a in arguments]))
    assert kinds(found) == "VZ", m.digest(found)
    return found[0].body[4:]


def test_a_function_is_called_and_the_server_released(pool):
    with pool.login() as one, pool.login() as other:
        for n in range(20):
            assert int.from_bytes(call(one, INT4_PLUS, n, 1), "big") == n + 1
            assert int.from_bytes(call(other, INT4_PLUS, n, 2), "big") == n + 2
        one.leave()
        other.leave()


def test_an_error_in_a_function_call_leaves_the_session_alive(pool):
    with pool.login() as client:
        found = client.ask(m.function_call(154, [number(1), number(0)]))
        assert errors_of(found)[0]["C"] == "22012" and found[-1].body == b"I"
        assert int.from_bytes(call(client, INT4_PLUS, 2, 2), "big") == 4
        client.leave()


def test_large_objects_work_in_a_transaction(pool):
    with pool.login() as client:
        client.query("begin")
        oid = int.from_bytes(call(client, LO_CREATE, 0), "big")
        descriptor = call(client, LO_OPEN, oid, 0x60000)
        assert call(client, LOWRITE, descriptor, b"large object") == number(12)
        call(client, LO_OPEN, oid, 0x40000)
        client.query("commit")
        client.query("begin")
        descriptor = call(client, LO_OPEN, oid, 0x40000)
        assert call(client, LOREAD, descriptor, 100) == b"large object"
        call(client, LO_UNLINK, oid)
        client.query("commit")
        client.leave()


def test_function_calls_in_a_pipeline_are_answered_in_order(pool):
    calls = [m.function_call(INT4_PLUS, [number(n), number(n)]) for n in range(100)]
    with pool.login() as client:
        found = client.ask(*calls, m.query("select 'last'"), count=101)
        assert [int.from_bytes(item.body[4:],
                               "big") for item in found if item.type == "V"] == [2 * n for n in range(100)]
        client.leave()
