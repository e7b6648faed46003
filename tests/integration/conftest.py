# SPDX-License-Identifier: PostgreSQL
"""conftest - what every integration test may ask for: a real PostgreSQL and gateways in front of it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from cluster import Cluster  # noqa: E402
from gate import Gateway, configuration  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than about five seconds")


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL with the roles, the database `app` and the data of cluster.py; max_connections = 50."""
    cluster = Cluster()
    try:
        yield cluster.start().prepare()
    finally:
        cluster.destroy()


def _keep(make_config):
    """A factory of gateways and what closes them all."""
    started = []

    def factory(config=None, files=None, arguments=(), environment=None, **options):
        gateway = Gateway(config or make_config(**options), files=files, arguments=arguments, environment=environment)
        started.append(gateway)
        return gateway

    def close():
        trouble = []
        for one in reversed(started):
            try:
                one.close()
            except AssertionError as failure:
                trouble.append(failure)
        if trouble:
            raise trouble[0]

    return factory, close


@pytest.fixture(autouse=True)
def healthy_afterwards():
    """Whatever a test did, the gateways that it met are still there and printed nothing bad."""
    yield
    for one in Gateway.running:
        one.check_alive()


@pytest.fixture
def gateway(postgres):
    """gateway(pool=5, workers=2, auth_type="trust", GROUP={...}) starts a pgsluice in front of `postgres`."""
    factory, close = _keep(lambda **options: configuration(options.pop("upstream", postgres.port), **options))
    yield factory
    close()


@pytest.fixture(scope="module")
def gateway_of_module(postgres):
    """The same, for the tests of a module to share; a module's fixture calls it."""
    factory, close = _keep(lambda **options: configuration(options.pop("upstream", postgres.port), **options))
    yield factory
    close()
