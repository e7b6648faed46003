/* SPDX-License-Identifier: PostgreSQL
 * scram_client - the client's side of a SCRAM exchange, towards a server that may be hostile. */
#include "gateway/wire/scram.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/base/random.h"
#include "gateway/wire/base64.h"
#include "gateway/wire/scram_parts.h"
#include "gateway/wire/write.h"

static const char binding_start[] = "c=", nonce_start[] = ",r=", proof_start[] = ",p=";

/* What of the final message is not nonce, when its binding data is as long as can be. */
enum { NONCE_BYTES = 18,
       FRAME_BYTES = sizeof binding_start + sizeof nonce_start + sizeof proof_start - 3
                     + SCRAM_BINDING_TEXT_ROOM - 1 + BASE64_ROOM(SCRAM_KEY_BYTES) - 1,
       NONCE_MAX_BYTES = SCRAM_MESSAGE_MAX_BYTES - 1 - FRAME_BYTES };

/* What the server's first message says. */
struct challenge {
    struct scram_text nonce;
    unsigned char salt[SCRAM_SALT_MAX_BYTES];
    size_t salt_bytes;
    int iterations;
};

static bool malformed(struct fault *fault, const char *why)
{
    return fault_set(fault, "08P01", "the server sent a malformed SCRAM message: %s", why);
}

static bool library_failed(struct fault *fault)
{
    return fault_set(fault, "XX000", "the cryptographic library could not compute a SCRAM signature");
}

const char *scram_client_choose(struct scram_client *c, const void *list, size_t bytes)
{
    c->plus = c->binding.bytes > 0 && scram_offered(list, bytes, SCRAM_MECHANISM_PLUS);
    if (c->plus)
        return SCRAM_MECHANISM_PLUS;
    return scram_offered(list, bytes, SCRAM_MECHANISM) ? SCRAM_MECHANISM : NULL;
}

/* 'y' lets a server that did offer PLUS notice that its offer was taken away. */
static char flag_of(const struct scram_client *c)
{
    return c->plus ? 'p' : c->binding.bytes > 0 ? 'y' : 'n';
}

void scram_client_first(struct scram_client *c, struct builder *out)
{
    const char *header = scram_gs2_header(flag_of(c));
    unsigned char random[NONCE_BYTES];

    CHECK(c->binding.bytes <= SCRAM_BINDING_MAX_BYTES && (!c->plus || c->binding.bytes > 0));
    random_fill(random, sizeof random);
    base64_encode(random, sizeof random, c->nonce, sizeof c->nonce);
    snprintf(c->client_first_bare, sizeof c->client_first_bare, "n=,r=%s", c->nonce);
    c->proof_sent = false;
    builder_bytes(out, header, strlen(header));
    builder_bytes(out, c->client_first_bare, strlen(c->client_first_bare));
    CHECK(builder_ok(out));
}

/* r=nonce,s=salt,i=iterations[,extensions] */
static bool challenge_read(struct scram_message m, struct challenge *challenge, struct fault *fault)
{
    struct scram_text value;
    char name;

    if (m.at[0] == 'm')
        return fault_set(fault, "0A000", "the server requires a SCRAM extension that is not supported");
    if (!scram_attribute(&m, 'r', &challenge->nonce) || !scram_nonce_valid(&challenge->nonce))
        return malformed(fault, "attribute \"r\" with a printable nonce was expected");
    if (!scram_attribute(&m, 's', &value)
        || !base64_decode(value.at, value.length, challenge->salt, sizeof challenge->salt,
                          &challenge->salt_bytes)
        || challenge->salt_bytes == 0)
        return malformed(fault, "attribute \"s\" with a salt of 1 to 64 bytes was expected");
    if (!scram_attribute(&m, 'i', &value) || !scram_iterations_parse(&value, &challenge->iterations))
        return malformed(fault, "attribute \"i\" with an iteration count was expected");
    while (m.at != NULL) {
        if (!scram_attribute_any(&m, &name, &value))
            return malformed(fault, "an attribute was expected after a comma");
    }
    return true;
}

static bool challenge_judge(const struct scram_client *c, const struct challenge *challenge,
                            struct fault *fault)
{
    size_t own = strlen(c->nonce);

    if (challenge->nonce.length > NONCE_MAX_BYTES)
        return malformed(fault, "its nonce is too long");
    if (challenge->nonce.length <= own || memcmp(challenge->nonce.at, c->nonce, own) != 0)
        return malformed(fault, "its nonce does not continue the nonce it was sent");
    if (c->password == NULL || challenge->iterations <= SCRAM_ITERATIONS_MAX)
        return true;
    fault_set(fault, "08P01", "the server asks for %d SCRAM iterations, at most %d are computed here",
              challenge->iterations, SCRAM_ITERATIONS_MAX);
    return fault_hint(fault, "Set the role's password again with a lower scram_iterations.");
}

/* The proof, and the signature that the server must answer with. */
static bool proof_make(struct scram_client *c, const struct scram_exchange *e, unsigned char *proof)
{
    unsigned char stored_key[SCRAM_KEY_BYTES], signature[SCRAM_KEY_BYTES];
    bool made = scram_stored_key(c->client_key, stored_key)
                && scram_hmac(stored_key, e->text, e->length, signature)
                && scram_hmac(c->server_key, e->text, e->length, c->server_signature);

    if (made)
        scram_xor(c->client_key, signature, proof);
    explicit_bzero(stored_key, sizeof stored_key);
    explicit_bzero(signature, sizeof signature);
    return made;
}

/* c=binding,r=nonce; returns its length, which leaves room for the proof. */
static size_t unproved_make(const struct scram_client *c, const struct scram_text *nonce, char *out)
{
    char *at = out;

    CHECK(nonce->length <= NONCE_MAX_BYTES);
    at = stpcpy(at, binding_start);
    at += scram_binding_text(flag_of(c), &c->binding, at);
    at = stpcpy(at, nonce_start);
    memcpy(at, nonce->at, nonce->length);
    return (size_t)(at - out) + nonce->length;
}

/* c=binding,r=nonce,p=proof; the proof is of all that is in front of it. */
static bool final_make(struct scram_client *c, const void *message, size_t bytes,
                       const struct scram_text *nonce, struct builder *out)
{
    char server_first[SCRAM_MESSAGE_MAX_BYTES], unproved[SCRAM_MESSAGE_MAX_BYTES];
    size_t length = unproved_make(c, nonce, unproved);
    char proof_text[BASE64_ROOM(SCRAM_KEY_BYTES)];
    unsigned char proof[SCRAM_KEY_BYTES];
    struct scram_exchange exchange;

    memcpy(server_first, message, bytes);
    server_first[bytes] = '\0';
    scram_exchange_join(&exchange, c->client_first_bare, server_first, unproved, length);
    if (!proof_make(c, &exchange, proof))
        return false;
    builder_bytes(out, unproved, length);
    builder_bytes(out, proof_start, sizeof proof_start - 1);
    builder_bytes(out, proof_text, base64_encode(proof, sizeof proof, proof_text, sizeof proof_text));
    CHECK(builder_ok(out));
    c->proof_sent = true;
    return true;
}

bool scram_client_final(struct scram_client *c, const void *message, size_t bytes, struct builder *out,
                        struct fault *fault)
{
    struct scram_message m;
    struct challenge challenge;

    if (c->nonce[0] == '\0' || c->proof_sent)
        return malformed(fault, "its first message came out of turn");
    if (!scram_message_open(&m, message, bytes))
        return malformed(fault, "it is empty, too long or has a zero byte");
    if (!challenge_read(m, &challenge, fault) || !challenge_judge(c, &challenge, fault))
        return false;
    if (c->password != NULL && !scram_keys(c->password, challenge.salt, challenge.salt_bytes,
                                           challenge.iterations, c->client_key, c->server_key))
        return library_failed(fault);
    return final_make(c, message, bytes, &challenge.nonce, out) || library_failed(fault);
}

bool scram_client_verify(struct scram_client *c, const void *message, size_t bytes, struct fault *fault)
{
    unsigned char signature[SCRAM_KEY_BYTES];
    struct scram_message m;
    struct scram_text value;
    size_t signature_bytes;
    char name;

    if (!c->proof_sent)
        return malformed(fault, "its final message came before the proof");
    if (!scram_message_open(&m, message, bytes) || !scram_attribute_any(&m, &name, &value))
        return malformed(fault, "attribute \"v\" was expected");
    if (name == 'e')
        return fault_set(fault, "28P01", "the server refused the SCRAM login: %.*s",
                         value.length > 100 ? 100 : (int)value.length, value.at);
    if (name != 'v' || !base64_decode(value.at, value.length, signature, sizeof signature, &signature_bytes)
        || signature_bytes != sizeof signature)
        return malformed(fault, "attribute \"v\" with the base64 of 32 bytes was expected");
    if (CRYPTO_memcmp(signature, c->server_signature, sizeof signature) != 0)
        return fault_set(fault, "28P01", "the server could not prove that it knows the password: its SCRAM "
                         "signature is wrong");
    return true;
}
