/* SPDX-License-Identifier: PostgreSQL
 * scram_server - the server's side of a SCRAM exchange. */
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

enum { NONCE_BYTES = 18 };

static bool malformed(struct fault *fault, const char *why)
{
    return fault_set(fault, "08P01", "malformed SCRAM message: %s", why);
}

static bool library_failed(struct fault *fault)
{
    return fault_set(fault, "XX000", "the cryptographic library could not compute a SCRAM signature");
}

bool scram_server_choose(struct scram_server *s, const char *mechanism, struct fault *fault)
{
    s->plus = s->binding.bytes > 0 && strcmp(mechanism, SCRAM_MECHANISM_PLUS) == 0;
    if (s->plus || strcmp(mechanism, SCRAM_MECHANISM) == 0)
        return true;
    return fault_set(fault, "08P01", "the client chose a SASL mechanism that was not offered to it");
}

/* The flag must fit the mechanism. A client that could bind says 'y' when it saw no offer to: if there was
 * one, somebody took it out of the list. */
static bool flag_judge(const struct scram_server *s, char flag, struct fault *fault)
{
    if (flag != 'n' && flag != 'y' && flag != 'p')
        return malformed(fault, "it must begin with the channel binding flag n, y or p");
    if (flag == 'p' && s->binding.bytes == 0) {
        fault_set(fault, "0A000", "the client requires SCRAM channel binding, which was not offered to it");
        return fault_hint(fault, "Connect with channel_binding=prefer or channel_binding=disable.");
    }
    if (flag == 'p' && !s->plus)
        return malformed(fault, "it has channel binding, but SCRAM-SHA-256-PLUS was not chosen");
    if (flag != 'p' && s->plus)
        return malformed(fault, "it has no channel binding, which SCRAM-SHA-256-PLUS was chosen for");
    if (flag == 'n' || flag == 'p' || s->binding.bytes == 0)
        return true;
    fault_set(fault, "28000", "SCRAM channel binding was offered, but the offer did not reach the client, "
              "which could have taken it");
    return fault_hint(fault, "Something between the client and pgsluice answers in its place: let the client "
                      "connect directly, or look who listens there.");
}

/* Flag, binding type, no authorization identity. Leaves the message at client-first-bare. */
static bool header_read(struct scram_server *s, struct scram_message *m, struct fault *fault)
{
    char flag = m->at[0];
    const char *header = scram_gs2_header(flag);
    size_t start = strlen(header) - 1;

    if (!flag_judge(s, flag, fault))
        return false;
    if ((size_t)(m->end - m->at) <= start || memcmp(m->at, header, start) != 0)
        return malformed(fault, flag == 'p' ? "channel binding of type tls-server-end-point was expected"
                                            : "a comma was expected after the channel binding flag");
    if (m->at[start] == 'a')
        return fault_set(fault, "0A000", "client uses authorization identity, but it is not supported");
    if (m->at[start] != ',')
        return malformed(fault, "an empty authorization identity was expected");
    s->gs2_header = flag;
    m->at += start + 1;
    return true;
}

/* n=name,r=nonce[,extensions]; the name is not looked at. */
static bool bare_read(struct scram_message m, struct scram_text *nonce, struct fault *fault)
{
    struct scram_text value;
    char name;

    if (m.at < m.end && m.at[0] == 'm')
        return fault_set(fault, "0A000", "client requires an unsupported SCRAM extension");
    if (!scram_attribute(&m, 'n', &value))
        return malformed(fault, "attribute \"n\" was expected");
    if (!scram_attribute(&m, 'r', nonce))
        return malformed(fault, "attribute \"r\" was expected");
    if (!scram_nonce_valid(nonce))
        return malformed(fault, "the nonce is empty or has characters that are not printable");
    while (m.at != NULL) {
        if (!scram_attribute_any(&m, &name, &value))
            return malformed(fault, "an attribute was expected after a comma");
    }
    return true;
}

static bool nonce_make(struct scram_server *s, const struct scram_text *client, struct fault *fault)
{
    unsigned char random[NONCE_BYTES];

    if (client->length + BASE64_ROOM(NONCE_BYTES) > sizeof s->nonce)
        return malformed(fault, "the nonce is too long");
    random_fill(random, sizeof random);
    memcpy(s->nonce, client->at, client->length);
    base64_encode(random, sizeof random, s->nonce + client->length, sizeof s->nonce - client->length);
    return true;
}

static void text_give(const char *text, struct builder *out)
{
    builder_bytes(out, text, strlen(text));
    CHECK(builder_ok(out));
}

bool scram_server_first(struct scram_server *s, const void *message, size_t bytes, struct builder *out,
                        struct fault *fault)
{
    char salt[BASE64_ROOM(SCRAM_SALT_MAX_BYTES)];
    struct scram_message m;
    struct scram_text nonce;

    CHECK(s->binding.bytes <= SCRAM_BINDING_MAX_BYTES && (!s->plus || s->binding.bytes > 0));
    if (s->nonce[0] != '\0')
        return malformed(fault, "the first message came twice");
    if (!scram_message_open(&m, message, bytes))
        return malformed(fault, "it is empty, too long or has a zero byte");
    if (!header_read(s, &m, fault) || !bare_read(m, &nonce, fault) || !nonce_make(s, &nonce, fault))
        return false;
    memcpy(s->client_first_bare, m.at, (size_t)(m.end - m.at));
    s->client_first_bare[m.end - m.at] = '\0';
    base64_encode(s->verifier.salt, s->verifier.salt_bytes, salt, sizeof salt);
    snprintf(s->server_first, sizeof s->server_first, "r=%s,s=%s,i=%d", s->nonce, salt,
             s->verifier.iterations);
    text_give(s->server_first, out);
    return true;
}

static bool text_equals(const struct scram_text *text, const char *expected)
{
    return text->length == strlen(expected) && memcmp(text->at, expected, text->length) == 0;
}

/* Attribute "c" repeats the header of the first message, and has the data of the TLS connection that the
 * client is on: if that ends elsewhere than here, somebody passes the exchange on. */
static bool binding_check(const struct scram_server *s, const struct scram_text *value, struct fault *fault)
{
    char expected[SCRAM_BINDING_TEXT_ROOM];
    size_t length = scram_binding_text(s->gs2_header, &s->binding, expected);

    if (value->length == length && CRYPTO_memcmp(value->at, expected, length) == 0)
        return true;
    if (s->gs2_header != 'p')
        return malformed(fault, "attribute \"c\" is not the channel binding flag of the first message");
    fault_set(fault, "28000", "SCRAM channel binding failed: the client's TLS connection is to another "
              "certificate than pgsluice's");
    return fault_hint(fault, "Something between the client and pgsluice ends TLS. If that is meant to be, "
                      "as with a load balancer, the client needs channel_binding=disable.");
}

/* c=binding,r=nonce[,extensions],p=proof. *signed_bytes: how much of the message is in front of ",p=". */
static bool final_read(const struct scram_server *s, struct scram_message *m, unsigned char *proof,
                       size_t *signed_bytes, struct fault *fault)
{
    const char *start = m->at, *here;
    struct scram_text value;
    size_t proof_bytes;
    char name;

    if (!scram_attribute(m, 'c', &value))
        return malformed(fault, "attribute \"c\" was expected");
    if (!binding_check(s, &value, fault))
        return false;
    if (!scram_attribute(m, 'r', &value))
        return malformed(fault, "attribute \"r\" was expected");
    if (!text_equals(&value, s->nonce))
        return malformed(fault, "the nonce is not that of this exchange");
    do {
        here = m->at;
        if (!scram_attribute_any(m, &name, &value))
            return malformed(fault, "attribute \"p\" was expected");
    } while (name != 'p');
    if (m->at != NULL)
        return malformed(fault, "attribute \"p\" must be the last one");
    if (!base64_decode(value.at, value.length, proof, SCRAM_KEY_BYTES, &proof_bytes)
        || proof_bytes != SCRAM_KEY_BYTES)
        return malformed(fault, "the proof is not the base64 of 32 bytes");
    *signed_bytes = (size_t)(here - start) - 1;
    return true;
}

/* ClientKey = proof xor HMAC(StoredKey, exchange); it is right when its hash is StoredKey. */
static bool proof_check(struct scram_server *s, const struct scram_exchange *e, const unsigned char *proof,
                        bool *matches)
{
    unsigned char signature[SCRAM_KEY_BYTES], stored_key[SCRAM_KEY_BYTES];

    if (!scram_hmac(s->verifier.stored_key, e->text, e->length, signature))
        return false;
    scram_xor(proof, signature, s->client_key);
    if (!scram_stored_key(s->client_key, stored_key))
        return false;
    *matches = CRYPTO_memcmp(stored_key, s->verifier.stored_key, SCRAM_KEY_BYTES) == 0;
    if (!*matches)
        explicit_bzero(s->client_key, sizeof s->client_key);
    return true;
}

bool scram_server_final(struct scram_server *s, const void *message, size_t bytes, struct builder *out,
                        bool *matches, struct fault *fault)
{
    unsigned char proof[SCRAM_KEY_BYTES], signature[SCRAM_KEY_BYTES];
    char text[2 + BASE64_ROOM(SCRAM_KEY_BYTES)] = "v=";
    struct scram_exchange exchange;
    struct scram_message m;
    size_t signed_bytes = 0;

    *matches = false;
    if (s->nonce[0] == '\0')
        return malformed(fault, "the final message came first");
    if (!scram_message_open(&m, message, bytes))
        return malformed(fault, "it is empty, too long or has a zero byte");
    if (!final_read(s, &m, proof, &signed_bytes, fault))
        return false;
    scram_exchange_join(&exchange, s->client_first_bare, s->server_first, message, signed_bytes);
    if (!scram_hmac(s->verifier.server_key, exchange.text, exchange.length, signature)
        || !proof_check(s, &exchange, proof, matches))
        return library_failed(fault);
    base64_encode(signature, sizeof signature, text + 2, sizeof text - 2);
    if (*matches)
        text_give(text, out);
    return true;
}
