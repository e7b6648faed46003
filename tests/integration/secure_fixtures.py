# SPDX-License-Identifier: PostgreSQL
"""secure_fixtures - the certificates and the PostgreSQL with TLS that several test files share: a pytest plugin."""

import pytest

from certs import Certificates
from cluster import Cluster
from secure import EXTRA_ROLES, RULES


@pytest.fixture(scope="session")
def certificates():
    made = Certificates()
    yield made
    made.destroy()


@pytest.fixture(scope="session")
def secure(certificates):
    """PostgreSQL with ssl = on; its certificate is `database`, it knows `ca` and the revocation list."""
    files = {"ssl": "on", "ssl_cert_file": certificates["database"].cert, "max_connections": 600,
             "ssl_key_file": certificates["database"].key, "ssl_ca_file": certificates.ca,
             "ssl_crl_file": certificates.crl}
    cluster = Cluster("tls", settings=files, hba=RULES)
    try:
        cluster.start().prepare().sql(EXTRA_ROLES, dbname="postgres")
        yield cluster
    finally:
        cluster.destroy()
