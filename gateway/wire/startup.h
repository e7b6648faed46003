/* SPDX-License-Identifier: PostgreSQL
 * startup - the first packet of a connection: StartupMessage, CancelRequest, SSLRequest, GSSENCRequest.
 * Source: PostgreSQL manual, "Message Formats"; limits as in the server's ProcessStartupPacket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct fault;

enum { STARTUP_MAX_BYTES = 10000, CANCEL_KEY_MAX_BYTES = 256, STARTUP_MAX_PARAMETERS = 128,
       STARTUP_NEWEST_MINOR = 2 };

enum startup_kind { STARTUP_SESSION, STARTUP_CANCEL, STARTUP_SSL, STARTUP_GSS };

enum replication { REPLICATION_NONE, REPLICATION_PHYSICAL, REPLICATION_LOGICAL };

struct startup_parameter {
    const char *name, *value;
};

/* One parsed first packet. Everything it points to is a copy in the arena given to startup_parse. */
struct startup {
    enum startup_kind kind;
    uint16_t major, minor;      /* STARTUP_SESSION: the protocol version asked for */
    const char *user;           /* never NULL or empty for a session; cut to 63 bytes as the server does */
    const char *database;       /* likewise; defaults to user; "" for physical replication, which has none */
    const char *application_name; /* "" when none was sent */
    enum replication replication;
    /* All of them in wire order and as they were sent: duplicates, user, database and _pq_. included; the
     * last of equal names counts. */
    struct startup_parameter *parameters;
    size_t parameter_count;
    /* A minor version above STARTUP_NEWEST_MINOR or some _pq_. parameter was sent: the client needs a
     * NegotiateProtocolVersion, which names every _pq_. parameter, before authentication. */
    bool unknown_protocol_options;
    uint32_t cancel_pid;        /* STARTUP_CANCEL */
    const unsigned char *cancel_key;
    size_t cancel_key_bytes;    /* 4 to CANCEL_KEY_MAX_BYTES */
};

enum startup_result { STARTUP_OK, STARTUP_SHORT, STARTUP_BAD };

/* Parses the packet at bytes; the packet may be followed by others. STARTUP_SHORT: more bytes are needed,
 * nothing was allocated. STARTUP_OK: *used holds the packet's size; the caller decides whether anything may
 * follow it (nothing may follow SSLRequest and GSSENCRequest). STARTUP_BAD: fault says what is wrong (08P01
 * malformed, 54000 too many parameters, 0A000 protocol version not supported, 28000 no user name, 22023 bad
 * `replication` value), in PostgreSQL's own words where it has them. Takes at most 4 * STARTUP_MAX_BYTES. */
enum startup_result startup_parse(const void *bytes, size_t available, struct arena *arena,
                                  struct startup *startup, size_t *used, struct fault *fault);

/* The value of a parameter (of the last one of that name), or NULL. Names compare exactly, as PostgreSQL does
 * for its own. */
const char *startup_get(const struct startup *startup, const char *name);

/* application_name as PostgreSQL keeps it: cut like a name, and everything but printable ASCII a question
 * mark. notice: what PostgreSQL says about the cut (42622); its message is "" when nothing was cut. */
enum { STARTUP_NAME_BYTES = 64 };
void startup_clean_name(const char *sent, char name[STARTUP_NAME_BYTES], struct fault *notice);

/* PostgreSQL's parse_bool: any unambiguous prefix of true/false/yes/no/on/off, 1, 0, any case.
 * Returns false when text is none of them. */
bool startup_parse_bool(const char *text, bool *value);
