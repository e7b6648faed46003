# SPDX-License-Identifier: PostgreSQL
"""messages - PostgreSQL's protocol 3 messages as bytes: builders for both sides, and readers."""

import collections
import struct

Message = collections.namedtuple("Message", "type body")

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)


def message(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def text(value):
    return (value if isinstance(value, bytes) else value.encode()) + b"\0"


def startup(user, database=None, version=(3, 0), **parameters):
    given = {"user": user, "database": database} | parameters
    body = b"".join(text(name) + text(value) for name, value in given.items() if value is not None) + b"\0"
    return struct.pack("!IHH", len(body) + 8, *version) + body


def cancel_request(pid, secret):
    return struct.pack("!III", 12 + len(secret), 80877102, pid) + secret


def query(sql):
    return message("Q", text(sql))


def parse(name, sql, oids=()):
    return message("P", text(name) + text(sql) + struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def values(items):
    body = struct.pack("!H", len(items))
    for item in items:
        if item is None:
            body += struct.pack("!i", -1)
        else:
            item = item if isinstance(item, bytes) else str(item).encode()
            body += struct.pack("!i", len(item)) + item
    return body


def formats(codes):
    return struct.pack(f"!H{len(codes)}H", len(codes), *codes)


def bind(portal="", statement="", parameters=(), parameter_formats=(), result_formats=()):
    return message("B", text(portal) + text(statement) + formats(parameter_formats) + values(parameters)
                   + formats(result_formats))


def describe(kind, name=""):
    return message("D", kind.encode() + text(name))


def execute(portal="", limit=0):
    return message("E", text(portal) + struct.pack("!I", limit))


def close(kind, name=""):
    return message("C", kind.encode() + text(name))


def sync():
    return message("S")


def flush():
    return message("H")


def terminate():
    return message("X")


def copy_data(data):
    return message("d", data)


def copy_done():
    return message("c")


def copy_fail(reason):
    return message("f", text(reason))


def function_call(oid, arguments, result_format=1):
    body = struct.pack("!I", oid) + formats([1] * len(arguments)) + values(arguments)
    return message("F", body + struct.pack("!H", result_format))


def password(value):
    return message("p", text(value))


def sasl_initial(mechanism, data):
    return message("p", text(mechanism) + struct.pack("!i", len(data)) + data)


def sasl_response(data):
    return message("p", data)


def once(statement, parameters=(), name=""):
    """Parse, Bind, Describe, Execute of one statement, without Sync."""
    return parse(name, statement) + bind("", name, parameters) + describe("P") + execute()


# What a server sends.

def authentication(code, data=b""):
    return message("R", struct.pack("!I", code) + data)


def parameter_status(name, value):
    return message("S", text(name) + text(value))


def backend_key(pid, secret=b"\1\2\3\4"):
    return message("K", struct.pack("!I", pid) + secret)


def ready(status="I"):
    return message("Z", status.encode())


def error(sqlstate, sentence, severity="ERROR", kind="E"):
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": sentence}
    return message(kind, b"".join(key.encode() + text(value) for key, value in fields.items() if value) + b"\0")


def notice(sentence):
    return error("00000", sentence, "NOTICE", "N")


def row_description(*names, oid=25):
    body = struct.pack("!H", len(names))
    for name in names:
        body += text(name) + struct.pack("!IHIhiH", 0, 0, oid, -1, -1, 0)
    return message("T", body)


def data_row(*items):
    return message("D", values(items))


def complete(tag):
    return message("C", text(tag))


# Readers.

def strings(body):
    return [part.decode(errors="replace") for part in body.split(b"\0")][:-1]


def fields(body):
    """The fields of an ErrorResponse or NoticeResponse by their letters."""
    return {part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0") if part}


def row(body):
    count, at, found = struct.unpack_from("!H", body)[0], 2, []
    for _ in range(count):
        length = struct.unpack_from("!i", body, at)[0]
        at += 4
        if length < 0:
            found.append(None)
        else:
            found.append(body[at:at + length])
            at += length
    return found


def columns(body):
    count, at, found = struct.unpack_from("!H", body)[0], 2, []
    for _ in range(count):
        end = body.index(b"\0", at)
        found.append((body[at:end].decode(), struct.unpack_from("!I", body, end + 7)[0]))
        at = end + 19
    return found


def digest(messages):
    """Messages as values that can be compared and read: what a client observes, without what must differ."""
    return [_digest_one(item) for item in messages]


def _digest_one(item):
    kind, body = item
    if kind in "EN":
        found = fields(body)
        return (kind,) + tuple(found.get(key) for key in "SVCMDHPpqWscn")
    if kind == "D":
        return (kind, row(body))
    if kind == "T":
        return (kind, columns(body))
    if kind == "C":
        return (kind, strings(body)[0])
    if kind == "S":
        return (kind, *strings(body))
    if kind == "K":
        return (kind,)
    if kind == "Z":
        return (kind, body.decode())
    return (kind, body)
