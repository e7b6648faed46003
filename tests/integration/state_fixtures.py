# SPDX-License-Identifier: PostgreSQL
"""state_fixtures - the stages of the tests of session state: one gateway a pool size, shared by a module."""

import pytest

from state_compare import Stage
from state_objects import prepare_state


@pytest.fixture(scope="module")
def stage(postgres, gateway_of_module):
    """stage(size): PostgreSQL and a gateway of one worker and that many servers a pool."""
    prepare_state(postgres)
    known = {}

    def of_size(size):
        if size not in known:
            defaults = {"query_wait_timeout": "2s"}
            if size > 1:  # without this the first question of all may hear that the answer is lost
                defaults["session_state"] = {"sequence": "pin"}
            gateway = gateway_of_module(pool=size, workers=1, defaults=defaults)
            gateway.wait_until_known()
            known[size] = Stage(postgres, gateway, size)
        return known[size]

    return of_size
