# SPDX-License-Identifier: PostgreSQL
"""conftest - lends the fixtures of the integration tests to the tests with a Patroni cluster."""

import importlib.util
import sys
from pathlib import Path

INTEGRATION = Path(__file__).resolve().parents[1] / "integration"
sys.path.insert(0, str(INTEGRATION))
sys.dont_write_bytecode = True

# By path: this file has the same name.
SPEC = importlib.util.spec_from_file_location("integration_conftest", INTEGRATION / "conftest.py")
LENT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(LENT)

pytest_configure = LENT.pytest_configure
postgres = LENT.postgres
gateway = LENT.gateway
gateway_of_module = LENT.gateway_of_module
healthy_afterwards = LENT.healthy_afterwards
