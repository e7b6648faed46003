# SPDX-License-Identifier: PostgreSQL
"""secure - rules, roles and options for a PostgreSQL with TLS and for gateways with TLS in front of it."""

import psycopg

from cluster import HBA, PASSWORDS

# app is trusted, alice and carol log in by SCRAM, as everywhere; mia by MD5, paul in clear, cora by certificate.
SECRETS = PASSWORDS | {"mia": "mia-secret", "paul": "paul-secret", "old": "old-secret"}
RULES = HBA.replace("local all all trust\n", """local all all trust
host    all mia  127.0.0.1/32 md5
host    all paul 127.0.0.1/32 password
hostssl all cora 127.0.0.1/32 cert
hostssl strict all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
host    strict all 127.0.0.1/32 reject
""")
EXTRA_ROLES = """
create role paul login password 'paul-secret';
create role cora login;
create role old login password 'old-secret' valid until '2020-01-01';
create role gone nologin password 'gone-secret';
create role lookup login password 'lookup-secret';
create database strict owner app;
set password_encryption = 'md5';
create role mia login password 'mia-secret';
"""


def tls_options(certificates, client="prefer", server="prefer", pair="server", **more):
    """The group `tls` with a certificate, the authority on both sides, and the revocation list for clients."""
    given = {"client_tls_sslmode": client, "client_tls_cert_file": str(certificates[pair].cert),
             "client_tls_key_file": str(certificates[pair].key), "client_tls_ca_file": str(certificates.ca),
             "client_tls_crl_file": str(certificates.crl), "server_tls_sslmode": server,
             "server_tls_ca_file": str(certificates.ca)}
    return {name: str(value) for name, value in (given | more).items() if value is not None}


def users_file(secrets=None):
    """An auth_file; app has a password too, although PostgreSQL trusts it."""
    lines = []
    for name, secret in (secrets or SECRETS | {"app": "app-secret"}).items():
        lines.append('"{}" "{}"'.format(name, secret.replace('"', '""')))
    return "\n".join(lines) + "\n"


def passfile(secrets=None):
    """Passwords towards PostgreSQL, for clients whose own password the gateway does not learn."""
    def escaped(text):
        return text.replace("\\", "\\\\").replace(":", "\\:")
    return "".join(f"*:*:*:{escaped(name)}:{escaped(secret)}\n" for name, secret in (secrets or SECRETS).items())


def connect(port, user="app", dbname="app", **keywords):
    """psycopg with nothing taken from the environment of who runs the tests."""
    given = {"host": "127.0.0.1", "port": port, "user": user, "dbname": dbname, "connect_timeout": 20,
             "sslrootcert": "/nonexistent", "sslcert": "/nonexistent", "sslkey": "/nonexistent", "autocommit": True,
             "gssencmode": "disable", "passfile": "/nonexistent"} | keywords
    return psycopg.connect(**given)


def shown(pair):
    """Keywords by which libpq shows a certificate."""
    return {"sslcert": str(pair.cert), "sslkey": str(pair.key)}
