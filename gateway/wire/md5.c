/* SPDX-License-Identifier: PostgreSQL
 * md5 - PostgreSQL's MD5 hashes of passwords, and the answers that are made of them. */
#include "gateway/wire/md5.h"

#include <string.h>

#include <openssl/evp.h>

enum { PREFIX_BYTES = 3, DIGEST_BYTES = 16, DIGITS = 2 * DIGEST_BYTES };

static const char prefix[] = "md5";

bool md5_is_hash(const char *text)
{
    return strncmp(text, prefix, PREFIX_BYTES) == 0 && strlen(text) == PREFIX_BYTES + DIGITS
           && strspn(text + PREFIX_BYTES, "0123456789abcdefABCDEF") == DIGITS;
}

static bool text_make(const void *a, size_t a_bytes, const void *b, size_t b_bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[DIGEST_BYTES];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool made = context != NULL && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1
                && EVP_DigestUpdate(context, a, a_bytes) == 1 && EVP_DigestUpdate(context, b, b_bytes) == 1
                && EVP_DigestFinal_ex(context, digest, NULL) == 1;

    EVP_MD_CTX_free(context);
    memcpy(out, prefix, sizeof prefix);
    for (size_t i = 0; made && i < sizeof digest; i++) {
        out[PREFIX_BYTES + 2 * i] = digits[digest[i] >> 4];
        out[PREFIX_BYTES + 2 * i + 1] = digits[digest[i] & 15];
    }
    out[PREFIX_BYTES + (made ? DIGITS : 0)] = '\0';
    explicit_bzero(digest, sizeof digest);
    return made;
}

bool md5_hash(const char *password, const char *user, char *out)
{
    return text_make(password, strlen(password), user, strlen(user), out);
}

bool md5_answer(const char *hash, const void *salt, char *out)
{
    return text_make(hash + PREFIX_BYTES, DIGITS, salt, MD5_SALT_BYTES, out);
}
