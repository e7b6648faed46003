# SPDX-License-Identifier: PostgreSQL
"""certs - certificate authorities, good and bad certificates and a revocation list, made with the openssl program."""

import base64
import collections
import re
import subprocess

import programs

Pair = collections.namedtuple("Pair", "cert key")

HERE = "subjectAltName=DNS:localhost,IP:127.0.0.1"
ELSEWHERE = "subjectAltName=DNS:elsewhere.example"
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-newkey", "rsa:2048")
PSS = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
CLIENTS = ("app", "alice", "carol", "cora", "mallory", "revoked")

REGISTER = """
[ca]
default_ca = register
[register]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = anything
unique_subject = no
default_crl_days = 30
copy_extensions = copy
[anything]
commonName = supplied
[req]
distinguished_name = name
[name]
"""


class Certificates:
    """A directory of pairs by name; `ca` signs them, `foreign_ca` is nobody's business."""

    def __init__(self):
        self.directory = programs.private_directory("certs")
        self.pairs = {}
        programs.write(self.directory / "register.conf", REGISTER)
        programs.write(self.directory / "index.txt", "")
        programs.write(self.directory / "serial", "1000\n")
        self.ca = self._authority("ca").cert
        self.foreign_ca = self._authority("foreign-ca").cert
        self._servers()
        self._clients()
        self.crl = self._revoke("revoked")

    def __getitem__(self, name):
        return self.pairs[name]

    def _servers(self):
        self.make("server", "localhost", HERE)
        self.make("database", "localhost", HERE)
        self.make("rotated", "localhost", HERE)
        self.make("elsewhere", "elsewhere.example", ELSEWHERE)
        self.make("foreign-server", "localhost", HERE, signer="foreign-ca")
        self._expired("expired-server", "localhost", HERE)
        self.make("rsa-sha512", "localhost", HERE, signer="rsa-ca", more=("-sha512",), kind=RSA)
        self.make("rsa-pss", "localhost", HERE, signer="rsa-ca", more=("-sha384", *PSS))
        self.make("ed25519", "localhost", HERE, signer="ed25519-ca")
        self._authority("intermediate", signer="ca")
        self.make("chained", "localhost", HERE, signer="intermediate")
        whole = self["chained"].cert.read_text() + self["intermediate"].cert.read_text()
        programs.write(self["chained"].cert, whole)

    def _clients(self):
        for name in CLIENTS:
            self.make(name, name)
        self.make("foreign-alice", "alice", signer="foreign-ca")
        self._expired("expired-alice", "alice")
        self._with_nul("nul", "good")

    def _authority(self, name, kind=EC, signer=None):
        return self.make(name, f"tests {name}", "basicConstraints=critical,CA:true", signer, kind=kind)

    def path(self, name):
        return self.directory / name

    def make(self, name, common_name, extension="basicConstraints=CA:false", signer="ca", more=(), kind=EC):
        """A key and a certificate by `signer`; None signs itself."""
        if signer in ("rsa-ca", "ed25519-ca") and signer not in self.pairs:
            self._authority(signer, RSA if signer == "rsa-ca" else ("-newkey", "ed25519"))
        if signer is None or name in ("ca", "foreign-ca", "rsa-ca", "ed25519-ca"):
            signed_by = ()
        else:
            signed_by = ("-CA", self[signer].cert, "-CAkey", self[signer].key)
        pair = Pair(self.path(name + ".crt"), self.path(name + ".key"))
        openssl("req", "-config", self.path("register.conf"), "-x509", "-new", *kind, "-nodes", "-days", 30, "-subj",
                f"/CN={common_name}", "-addext", extension, *signed_by, *more, "-keyout", pair.key, "-out", pair.cert)
        return self._keep(name, pair)

    def _keep(self, name, pair):
        for path in pair:
            path.chmod(0o600)
            programs.give(path)
        self.pairs[name] = pair
        return pair

    def _register(self, *words):
        openssl("ca", "-config", "register.conf", "-batch", "-notext", "-cert", self.ca, "-keyfile", self["ca"].key,
                *words, cwd=self.directory)

    def _expired(self, name, common_name, extension="basicConstraints=CA:false"):
        request, pair = self.path(name + ".csr"), Pair(self.path(name + ".crt"), self.path(name + ".key"))
        openssl("req", "-config", self.path("register.conf"), "-new", *EC, "-nodes", "-subj", f"/CN={common_name}",
                "-addext", extension, "-keyout", pair.key, "-out", request)
        self._register("-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-in", request, "-out",
                       pair.cert)
        self._keep(name, pair)

    def _revoke(self, name):
        crl = self.path("revoked.crl")
        self._register("-revoke", self[name].cert)
        self._register("-gencrl", "-out", crl)
        crl.chmod(0o644)
        return programs.give(crl)

    def _with_nul(self, name, prefix):
        """A certificate whose common name is PREFIX, a NUL byte and .evil; no program makes one, so it is patched."""
        self.make(name, f"{prefix}#.evil")
        pair = self[name]
        whole = der(pair.cert)
        signed, algorithm = inside(whole)[:2]
        signed = signed.replace(f"{prefix}#.evil".encode(), f"{prefix}\0.evil".encode())
        signature = openssl("dgst", "-sha256", "-sign", self["ca"].key, stdin=signed)
        whole = item(0x30, signed + algorithm + item(3, b"\0" + signature))
        programs.write(pair.cert, pem(whole), 0o600)

    def bundle(self, *names):
        """A file of several authorities."""
        path = self.path("-".join(names) + ".bundle")
        return programs.write(path, "".join(self[name].cert.read_text() for name in names), 0o644)

    def destroy(self):
        programs.remove(self.directory)


def openssl(*words, stdin=None, cwd="/"):
    done = subprocess.run(["openssl", *map(str, words)], input=stdin if stdin is not None else b"", cwd=cwd,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"openssl {' '.join(map(str, words))}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def der(path):
    """The first certificate of a file."""
    body = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", path.read_text(), re.S)[1]
    return base64.b64decode(body)


def pem(data):
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(data).decode()}-----END CERTIFICATE-----\n"


def item(tag, body):
    """One element of ASN.1's distinguished encoding."""
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 + len(length)]) + length + body


def inside(data):
    """The elements inside of the outermost one, each with its head."""
    def measure(at):
        size, head = data[at + 1], 2
        if size >= 128:
            head += size - 128
            size = int.from_bytes(data[at + 2:at + head], "big")
        return head, size

    at, found = measure(0)[0], []
    while at < len(data):
        head, size = measure(at)
        found.append(data[at:at + head + size])
        at += head + size
    return found
