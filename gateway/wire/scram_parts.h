/* SPDX-License-Identifier: PostgreSQL
 * scram_parts - what both sides of a SCRAM exchange share: keys, signatures, the attributes of messages.
 * For gateway/wire/scram*.c only. Source: RFC 5802 sections 3, 5.1 and 7. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/wire/base64.h"
#include "gateway/wire/scram.h"

/* HMAC-SHA-256 with a key of SCRAM_KEY_BYTES. False when the cryptographic library fails, as for all here. */
bool scram_hmac(const unsigned char *key, const void *text, size_t length, unsigned char *out);
bool scram_stored_key(const unsigned char *client_key, unsigned char *stored_key);
/* ClientKey and ServerKey of a password. */
bool scram_keys(const char *password, const unsigned char *salt, size_t salt_bytes, int iterations,
                unsigned char *client_key, unsigned char *server_key);

/* What the first message begins with for the flag 'n', 'y' or 'p': flag, binding type, no authorization
 * identity. */
const char *scram_gs2_header(char flag);
/* The value of attribute "c": the base64 of that header and, for 'p', of the binding data. Returns its
 * length; out has SCRAM_BINDING_TEXT_ROOM bytes. */
enum { SCRAM_BINDING_INPUT_BYTES = sizeof "p=tls-server-end-point,," - 1 + SCRAM_BINDING_MAX_BYTES,
       SCRAM_BINDING_TEXT_ROOM = BASE64_ROOM(SCRAM_BINDING_INPUT_BYTES) };
size_t scram_binding_text(char flag, const struct scram_binding *binding, char *out);

/* client-first-bare, server-first and client-final-without-proof, of which both signatures are made. */
struct scram_exchange {
    char text[3 * SCRAM_MESSAGE_MAX_BYTES];
    size_t length;
};
void scram_exchange_join(struct scram_exchange *e, const char *client_first_bare, const char *server_first,
                         const char *client_final, size_t client_final_bytes);
void scram_xor(const unsigned char *a, const unsigned char *b, unsigned char *out);

/* A message being read attribute by attribute: `x=value,y=value`. */
struct scram_message {
    const char *at; /* NULL after the last attribute */
    const char *end;
};
struct scram_text {
    const char *at;
    size_t length;
};
/* False when the message is empty, too long or has a NUL byte. */
bool scram_message_open(struct scram_message *m, const void *bytes, size_t length);
/* Reads the attribute that comes next; false unless it has this name. */
bool scram_attribute(struct scram_message *m, char name, struct scram_text *value);
/* Reads whichever attribute comes next. */
bool scram_attribute_any(struct scram_message *m, char *name, struct scram_text *value);
/* A nonce: at least one byte, visible ASCII only. */
bool scram_nonce_valid(const struct scram_text *nonce);
/* Digits only, 1 to INT_MAX. */
bool scram_iterations_parse(const struct scram_text *text, int *iterations);
