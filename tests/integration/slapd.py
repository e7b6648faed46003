# SPDX-License-Identifier: PostgreSQL
"""slapd - a throw-away LDAP directory on 127.0.0.1, in the clear and with TLS, that tests may fill as they like."""

import signal
import socket

import programs

SUFFIX = "dc=example,dc=net"
MANAGER = "cn=manager," + SUFFIX
MANAGER_PASSWORD = "manager-secret"

# Logins without a password succeed as anonymous here, as in many real directories: nobody may rely on a refusal.
CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {directory}/slapd.pid
argsfile {directory}/slapd.args
TLSCertificateFile {directory}/server.crt
TLSCertificateKeyFile {directory}/server.key
allow bind_anon_cred bind_anon_dn
database mdb
maxsize 16777216
suffix "{suffix}"
rootdn "{manager}"
rootpw {password}
directory {directory}/data
access to attrs=userPassword by * auth
access to * by users read by anonymous {anonymous}
"""

TREE = """
dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: example
o: example
"""


def person(name, password, **attributes):
    """LDIF of one person; `name` is the entry's distinguished name below the suffix."""
    lines = [f"dn: {name},{SUFFIX}", "objectClass: inetOrgPerson", "sn: somebody", f"userPassword: {password}"]
    return "\n".join(lines + [f"{key}: {value}" for key, value in attributes.items()]) + "\n"


def unit(name):
    """LDIF of one organizational unit below the suffix."""
    return f"dn: {name},{SUFFIX}\nobjectClass: organizationalUnit\n"


class Directory:
    """A running slapd with the given pieces of LDIF: `port` in the clear (and StartTLS), `tls_port` with TLS.

    The certificate is for 127.0.0.1 only; `environment` makes a program that uses libldap trust its issuer."""

    def __init__(self, *pieces, anonymous="read"):
        self.directory = programs.private_directory("slapd")
        self.log_path = self.directory / "slapd.log"
        self.process = None
        self.environment = {"LDAPTLS_CACERT": self.directory / "ca.crt"}
        try:
            programs.give(self._data()).chmod(0o700)
            self._certify()
            programs.write(self.directory / "slapd.conf", CONFIGURATION.format(
                directory=self.directory, suffix=SUFFIX, manager=MANAGER, password=MANAGER_PASSWORD,
                anonymous=anonymous))
            programs.run("/usr/sbin/slapadd", "-q", "-f", self.directory / "slapd.conf",
                         stdin="\n".join((TREE.format(suffix=SUFFIX), *pieces)))
            self._start()
        except BaseException:
            self.destroy()
            raise

    def _data(self):
        path = self.directory / "data"
        path.mkdir()
        return programs.give(path)

    def _certify(self):
        """An authority of its own, and a certificate for the address that slapd listens on."""
        def openssl(*words):
            programs.run("openssl", *words, cwd=self.directory)

        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        programs.write(self.directory / "server.ext", "subjectAltName=IP:127.0.0.1\n")
        openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority", "-days", "2")
        openssl("req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=directory")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-extfile", "server.ext", "-out", "server.crt", "-days", "2")

    def _start(self):
        """Another program may take a free port before slapd does: then again with others."""
        for _ in range(5):
            self.port, self.tls_port = programs.free_port(), programs.free_port()
            self.process = programs.spawn(
                "/usr/sbin/slapd", "-d", "0", "-f", self.directory / "slapd.conf",
                "-h", f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}", log=self.log_path)
            if programs.eventually(lambda: self._listens() or self.process.poll() is not None, 30,
                                   what="slapd's first answer") and self.process.poll() is None:
                return
        raise AssertionError("slapd does not start:\n" + self.log()[-2000:])

    def _listens(self):
        for port in (self.port, self.tls_port):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    return False
        return True

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def destroy(self):
        if self.process and self.process.poll() is None:
            programs.stop(self.process, signal.SIGTERM)
        programs.remove(self.directory)
