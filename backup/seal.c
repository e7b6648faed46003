/* SPDX-License-Identifier: PostgreSQL
 * seal - the cryptography of encrypted files: AES-256-GCM (NIST SP 800-38D) and HKDF (RFC 5869) by
 * OpenSSL. */
#include "backup/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdio.h>
#include <string.h>

#include "backup/failure.h"
#include "gateway/base/check.h"
#include "gateway/base/random.h"

enum { NONCE = 12, WRAP_NONCE_AT = SEAL_ID, WRAP_KEY_AT = SEAL_ID + NONCE, SALT_AT = 80, LOG_AT = 9 };

static const unsigned char magic[SEAL_WRAP_AT] = { 'P', 'G', 'S', 'L', 'U', 'I', 'C', 'E', 1,
                                                   SEAL_CHUNK_LOG };

/* One message of AES-256-GCM; bytes are changed in place, the tag stands behind them. */
struct message {
    const unsigned char *key, *nonce, *aad;
    size_t aad_size;
    unsigned char *bytes;
    size_t size; /* without the tag */
};

static void message_close(const struct message *message)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int length;

    CHECK(context != NULL);
    CHECK(EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, message->key, message->nonce) == 1);
    CHECK(EVP_EncryptUpdate(context, NULL, &length, message->aad, (int)message->aad_size) == 1);
    CHECK(EVP_EncryptUpdate(context, message->bytes, &length, message->bytes, (int)message->size) == 1);
    CHECK(EVP_EncryptFinal_ex(context, message->bytes + message->size, &length) == 1 && length == 0);
    CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SEAL_TAG, message->bytes + message->size) == 1);
    EVP_CIPHER_CTX_free(context);
}

static bool message_open(const struct message *message)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    unsigned char tag[SEAL_TAG];
    int length;
    bool ok;

    CHECK(context != NULL);
    memcpy(tag, message->bytes + message->size, SEAL_TAG);
    CHECK(EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, message->key, message->nonce) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, SEAL_TAG, tag) == 1);
    CHECK(EVP_DecryptUpdate(context, NULL, &length, message->aad, (int)message->aad_size) == 1);
    CHECK(EVP_DecryptUpdate(context, message->bytes, &length, message->bytes, (int)message->size) == 1);
    ok = EVP_DecryptFinal_ex(context, message->bytes + message->size, &length) == 1;
    EVP_CIPHER_CTX_free(context);
    return ok;
}

static void master_id(const unsigned char master[SEAL_KEY], unsigned char id[SEAL_ID])
{
    static const char domain[] = "pgsluice master key";
    unsigned char input[sizeof domain - 1 + SEAL_KEY], digest[EVP_MAX_MD_SIZE];
    unsigned length;

    memcpy(input, domain, sizeof domain - 1);
    memcpy(input + sizeof domain - 1, master, SEAL_KEY);
    CHECK(EVP_Digest(input, sizeof input, digest, &length, EVP_sha256(), NULL) == 1);
    memcpy(id, digest, SEAL_ID);
    OPENSSL_cleanse(input, sizeof input);
}

void seal_master_id(const unsigned char master[SEAL_KEY], char text[SEAL_ID_TEXT])
{
    unsigned char id[SEAL_ID];

    master_id(master, id);
    seal_hex(id, SEAL_ID, text);
}

/* The beginning of every header, and the identifier: what a wrap is bound to. */
static void wrap_aad(const struct seal_key *key, unsigned char aad[SEAL_WRAP_AT + SEAL_ID])
{
    memcpy(aad, magic, SEAL_WRAP_AT);
    memcpy(aad + SEAL_WRAP_AT, key->wrap, SEAL_ID);
}

void seal_key_rewrap(struct seal_key *key, const unsigned char master[SEAL_KEY])
{
    unsigned char aad[SEAL_WRAP_AT + SEAL_ID];

    master_id(master, key->wrap);
    random_fill(key->wrap + WRAP_NONCE_AT, NONCE);
    memcpy(key->wrap + WRAP_KEY_AT, key->data, SEAL_KEY);
    wrap_aad(key, aad);
    message_close(&(struct message){ master, key->wrap + WRAP_NONCE_AT, aad, sizeof aad,
                                     key->wrap + WRAP_KEY_AT, SEAL_KEY });
}

void seal_key_make(struct seal_key *key, const unsigned char master[SEAL_KEY])
{
    random_fill(key->data, SEAL_KEY);
    seal_key_rewrap(key, master);
}

bool seal_key_unwrap(struct seal_key *key, const unsigned char master[SEAL_KEY])
{
    unsigned char aad[SEAL_WRAP_AT + SEAL_ID], bytes[SEAL_KEY + SEAL_TAG];
    bool ok;

    memcpy(bytes, key->wrap + WRAP_KEY_AT, sizeof bytes);
    wrap_aad(key, aad);
    ok = message_open(
        &(struct message){ master, key->wrap + WRAP_NONCE_AT, aad, sizeof aad, bytes, SEAL_KEY });
    if (ok)
        memcpy(key->data, bytes, SEAL_KEY);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return ok;
}

void seal_key_wipe(struct seal_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

void seal_hex(const unsigned char *bytes, size_t size, char *text)
{
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static int digit_value(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

bool seal_unhex(const char *text, unsigned char *bytes, size_t size)
{
    if (strlen(text) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

void seal_file_key(const unsigned char header[SEAL_HEADER], const unsigned char data[SEAL_KEY],
                   unsigned char file_key[SEAL_KEY])
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    size_t length = SEAL_KEY;

    CHECK(context != NULL && EVP_PKEY_derive_init(context) == 1);
    CHECK(EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1);
    CHECK(EVP_PKEY_CTX_set1_hkdf_salt(context, header + SALT_AT, SEAL_HEADER - SALT_AT) == 1);
    CHECK(EVP_PKEY_CTX_set1_hkdf_key(context, data, SEAL_KEY) == 1);
    CHECK(EVP_PKEY_CTX_add1_hkdf_info(context, header, SALT_AT) == 1);
    CHECK(EVP_PKEY_derive(context, file_key, &length) == 1 && length == SEAL_KEY);
    EVP_PKEY_CTX_free(context);
}

void seal_header_make(unsigned char header[SEAL_HEADER], const struct seal_key *key,
                      unsigned char file_key[SEAL_KEY])
{
    memcpy(header, magic, SEAL_WRAP_AT);
    memcpy(header + SEAL_WRAP_AT, key->wrap, SEAL_WRAP);
    random_fill(header + SALT_AT, SEAL_HEADER - SALT_AT);
    seal_file_key(header, key->data, file_key);
}

bool seal_header_check(const unsigned char header[SEAL_HEADER], struct fault *fault)
{
    if (memcmp(header, magic, LOG_AT - 1) != 0)
        return failure_set(fault, FAILURE_VERIFY, "This is not a file that pgsluice-backup encrypted.");
    if (memcmp(header, magic, SEAL_WRAP_AT) == 0)
        return true;
    return failure_set(fault, FAILURE_VERIFY,
                       "The encrypted file is of version %d with chunks of 2^%d bytes; expected was version "
                       "1 with 2^%d: its header was changed, or a newer pgsluice-backup wrote it.",
                       header[8], header[LOG_AT], SEAL_CHUNK_LOG);
}

static void chunk_nonce(const struct seal_chunk *chunk, unsigned char nonce[NONCE])
{
    memset(nonce, 0, NONCE);
    for (int i = 0; i < 8; i++)
        nonce[NONCE - 1 - i] = (unsigned char)(chunk->index >> (8 * i));
}

void seal_chunk_close(const struct seal_chunk *chunk, unsigned char *bytes, size_t size)
{
    unsigned char nonce[NONCE], last = chunk->last;

    chunk_nonce(chunk, nonce);
    message_close(&(struct message){ chunk->file_key, nonce, &last, 1, bytes, size });
}

bool seal_chunk_open(const struct seal_chunk *chunk, unsigned char *bytes, size_t size)
{
    unsigned char nonce[NONCE], last = chunk->last;

    if (size < SEAL_TAG)
        return false;
    chunk_nonce(chunk, nonce);
    return message_open(&(struct message){ chunk->file_key, nonce, &last, 1, bytes, size - SEAL_TAG });
}
