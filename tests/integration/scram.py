# SPDX-License-Identifier: PostgreSQL
"""scram - SCRAM-SHA-256 (RFC 5802, RFC 7677) as a client, a server and a maker of verifiers; ASCII-like passwords."""

import base64
import hashlib
import hmac
import os


def b64(data):
    return base64.b64encode(data).decode()


def mac(key, text):
    return hmac.new(key, text if isinstance(text, bytes) else text.encode(), hashlib.sha256).digest()


def digest(data):
    return hashlib.sha256(data).digest()


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def salted(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


def verifier(password, iterations=4096, salt=None):
    """As PostgreSQL stores it: SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY."""
    salt = salt or os.urandom(16)
    key = salted(password, salt, iterations)
    stored, server = digest(mac(key, "Client Key")), mac(key, "Server Key")
    return f"SCRAM-SHA-256${iterations}:{b64(salt)}${b64(stored)}:{b64(server)}"


def attributes(text):
    return dict(part.split("=", 1) for part in text.split(","))


class Client:
    def __init__(self, password, user="", nonce=None):
        self.password = password
        self.nonce = nonce or b64(os.urandom(18))
        self.first_bare = f"n={user},r={self.nonce}"

    def first(self):
        return ("n,," + self.first_bare).encode()

    def final(self, server_first):
        server_first = server_first.decode()
        given = attributes(server_first)
        assert given["r"].startswith(self.nonce) and len(given["r"]) > len(self.nonce)
        key = salted(self.password, base64.b64decode(given["s"]), int(given["i"]))
        without_proof = f"c=biws,r={given['r']}"
        exchange = ",".join([self.first_bare, server_first, without_proof])
        client_key = mac(key, "Client Key")
        proof = xor(client_key, mac(digest(client_key), exchange))
        self.expected = mac(mac(key, "Server Key"), exchange)
        return f"{without_proof},p={b64(proof)}".encode()

    def server_is_right(self, server_final):
        return attributes(server_final.decode()).get("v") == b64(self.expected)


class Server:
    """The other side, for the scripted server; tests override single answers."""

    def __init__(self, password, iterations=4096):
        self.password, self.iterations, self.salt = password, iterations, os.urandom(16)

    def first(self, client_first):
        self.client_bare = client_first.decode().split(",", 2)[2]
        nonce = attributes(self.client_bare)["r"] + b64(os.urandom(18))
        self.text = f"r={nonce},s={b64(self.salt)},i={self.iterations}"
        return self.text.encode()

    def final(self, client_final):
        without_proof = client_final.decode().rsplit(",p=", 1)[0]
        key = salted(self.password, self.salt, self.iterations)
        exchange = ",".join([self.client_bare, self.text, without_proof])
        return f"v={b64(mac(mac(key, 'Server Key'), exchange))}".encode()
