/* SPDX-License-Identifier: PostgreSQL
 * scram_mechanism - which SCRAM mechanism is offered and chosen, and how it is bound to a TLS connection.
 * Source: RFC 5802 section 6, RFC 5929 section 4.1, PostgreSQL manual "SASL Authentication". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { SCRAM_BINDING_MAX_BYTES = 64 };

/* The mechanisms' names. PLUS binds the exchange to the TLS connection that it runs in. */
#define SCRAM_MECHANISM "SCRAM-SHA-256"
#define SCRAM_MECHANISM_PLUS "SCRAM-SHA-256-PLUS"

/* Binding data of type tls-server-end-point: the hash of the server's certificate. */
struct scram_binding {
    unsigned char data[SCRAM_BINDING_MAX_BYTES];
    size_t bytes; /* 0 = none */
};
/* Copies at most SCRAM_BINDING_MAX_BYTES bytes; 0 bytes are none. */
void scram_binding_set(struct scram_binding *binding, const void *data, size_t bytes);

/* The body of AuthenticationSASL: the mechanisms that a server offers, PLUS only with binding data. */
const char *scram_mechanisms(bool plus, size_t *bytes);
/* Whether such a body has the mechanism. Names behind a broken or empty one are not looked at. */
bool scram_offered(const void *list, size_t bytes, const char *mechanism);

/* The body of SASLInitialResponse; everything points into it. flag: 'n' the client cannot bind, 'y' it could
 * but was offered no PLUS, 'p' it binds; 0 for anything else. */
struct scram_initial {
    const char *mechanism;
    const void *message; /* client-first */
    size_t bytes;
    char flag;
};
/* False unless the body is whole and exact. A relay learns here why a server will refuse the client: one that
 * offered PLUS takes a 'y' for the work of somebody in between. */
bool scram_initial_read(const void *body, size_t size, struct scram_initial *out);
