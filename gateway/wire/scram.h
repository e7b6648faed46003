/* SPDX-License-Identifier: PostgreSQL
 * scram - SCRAM-SHA-256 and SCRAM-SHA-256-PLUS exchanges of both sides, as bytes in and bytes out; no I/O.
 * Source: RFC 5802, RFC 5929, RFC 7677, PostgreSQL manual "SASL Authentication".
 *
 * Passwords are used as the bytes they are. That is what PostgreSQL and libpq do for ASCII, for what is not
 * UTF-8, and for UTF-8 whose SASLprep form is itself (composed letters, as keyboards make them). For a
 * password that SASLprep would change (compatibility characters, no-break spaces) use a verifier. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/wire/scram_mechanism.h"

struct builder;
struct fault;

enum { SCRAM_KEY_BYTES = 32, SCRAM_SALT_BYTES = 16, SCRAM_SALT_MAX_BYTES = 64, SCRAM_MESSAGE_MAX_BYTES = 2048,
       SCRAM_ITERATIONS_MAX = 100000, SCRAM_ITERATIONS_DEFAULT = 4096, SCRAM_VERIFIER_ROOM = 256 };

/* What a server stores instead of a password: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey */
struct scram_verifier {
    int iterations;
    unsigned char salt[SCRAM_SALT_MAX_BYTES];
    size_t salt_bytes;
    unsigned char stored_key[SCRAM_KEY_BYTES], server_key[SCRAM_KEY_BYTES];
};

/* False when text is not a whole verifier. Any positive iteration count is taken: the client computes it. */
bool scram_verifier_parse(const char *text, struct scram_verifier *out);
/* The text form; out has SCRAM_VERIFIER_ROOM bytes. */
void scram_verifier_format(const struct scram_verifier *verifier, char *out);
/* Derives a verifier from a password with this or a random salt (PBKDF2; about 2 ms of CPU for 4096
 * iterations). iterations: 1 to SCRAM_ITERATIONS_MAX. False only when the cryptographic library fails. */
bool scram_verifier_derive(const char *password, int iterations, const unsigned char salt[SCRAM_SALT_BYTES],
                           struct scram_verifier *out);
bool scram_verifier_make(const char *password, int iterations, struct scram_verifier *out);
/* A verifier that no password matches, with a salt that is stable for this name and secret, so that
 * unknown users cannot be told from known ones. */
void scram_verifier_mock(const char *user, const unsigned char secret[32], struct scram_verifier *out);

/* Whether a clear-text password is the verifier's, by PBKDF2 and a comparison in constant time. client_key,
 * of SCRAM_KEY_BYTES, is the password's when it matches, else zeroes. The verifier has at most
 * SCRAM_ITERATIONS_MAX iterations. False only when the cryptographic library fails. */
bool scram_verifier_check(const struct scram_verifier *verifier, const char *password,
                          unsigned char *client_key, bool *matches);

/* The server's side. Zero it, set verifier, and binding when PLUS is offered; then feed the client's choice
 * and its two messages. Wipe it at the end. */
struct scram_server {
    struct scram_verifier verifier;
    struct scram_binding binding;
    bool plus;       /* the client chose SCRAM-SHA-256-PLUS */
    char client_first_bare[SCRAM_MESSAGE_MAX_BYTES], server_first[SCRAM_MESSAGE_MAX_BYTES];
    char gs2_header; /* 'n', 'y' or 'p' */
    char nonce[128]; /* the client's and ours; empty until the first message was answered */
    unsigned char client_key[SCRAM_KEY_BYTES]; /* known after a successful final message: pass-through */
};
/* Takes the client's choice of mechanism, without which it is SCRAM-SHA-256. false: 08P01, not offered. */
bool scram_server_choose(struct scram_server *s, const char *mechanism, struct fault *fault);
/* Messages are appended to `out` as raw bytes (gateway/wire/write.h), in a message that the caller opened or
 * in none; a function that returns false appends nothing. The room that each needs must be there.
 *
 * client-first -> server-first. The user name in the message is ignored, as PostgreSQL does: the startup
 * packet has it. false: fault is 08P01, 0A000, or 28000 when the client was kept from seeing that PLUS was
 * offered. Room: 512 bytes. */
bool scram_server_first(struct scram_server *s, const void *message, size_t bytes, struct builder *out,
                        struct fault *fault);
/* client-final -> server-final. *matches tells whether the proof was right (constant time); when it is not,
 * nothing is appended. Returns false with a fault only for malformed messages (08P01) and for binding data of
 * another TLS connection (28000); *matches is false then. Room: 64 bytes. */
bool scram_server_final(struct scram_server *s, const void *message, size_t bytes, struct builder *out,
                        bool *matches, struct fault *fault);

/* The client's side, with a password or with the keys themselves (SCRAM pass-through). Zero it, set password
 * or both keys, and binding on a TLS connection. Wipe it at the end. */
struct scram_client {
    const char *password;                 /* borrowed; or NULL: client_key and server_key are set */
    struct scram_binding binding;
    bool plus;                            /* chosen: the server offered it and there is binding data */
    /* With a password: known after scram_client_final, good for as long as salt and iterations stay. */
    unsigned char client_key[SCRAM_KEY_BYTES], server_key[SCRAM_KEY_BYTES];
    char client_first_bare[SCRAM_MESSAGE_MAX_BYTES];
    char nonce[64];
    unsigned char server_signature[SCRAM_KEY_BYTES]; /* expected, known after the final message was made */
    bool proof_sent;
};
/* Chooses among the offers in a body of AuthenticationSASL, PLUS where it can: the mechanism's name for
 * SASLInitialResponse, or NULL when none will do. */
const char *scram_client_choose(struct scram_client *c, const void *list, size_t bytes);
/* client-first, with the flag 'p' when PLUS was chosen, 'y' when binding would have been possible. Room: 128
 * bytes. */
void scram_client_first(struct scram_client *c, struct builder *out);
/* server-first -> client-final, once. With a password iterations above SCRAM_ITERATIONS_MAX are refused: a
 * server could make the gateway work for hours (at the limit it is about 50 ms of CPU).
 * Room: SCRAM_MESSAGE_MAX_BYTES. false: fault is 08P01, or 0A000 for a mandatory extension. */
bool scram_client_final(struct scram_client *c, const void *message, size_t bytes, struct builder *out,
                        struct fault *fault);
/* server-final: true only when the server proved that it knows the verifier, in the exchange that
 * scram_client_final answered. AuthenticationOk counts only after that. false: 08P01 malformed, 28P01 the
 * server's own error or a wrong signature. */
bool scram_client_verify(struct scram_client *c, const void *message, size_t bytes, struct fault *fault);
