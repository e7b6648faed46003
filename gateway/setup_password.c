/* SPDX-License-Identifier: PostgreSQL
 * setup_password - the password of the role that `pgsluice setup` makes. */
#include "gateway/setup_password.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/base/random.h"
#include "gateway/wire/base64.h"
#include "gateway/wire/scram.h"

void setup_password_make(char *password, size_t room)
{
    unsigned char bytes[24];

    CHECK(room >= BASE64_ROOM(sizeof bytes));
    random_fill(bytes, sizeof bytes);
    base64_encode(bytes, sizeof bytes, password, room);
    explicit_bzero(bytes, sizeof bytes);
}

bool setup_password_read(const char *path, char *password, size_t room, struct fault *fault)
{
    FILE *file = fopen(path, "re");
    bool read;

    if (file == NULL)
        return fault_set(fault, "58P01", "the file of the password, \"%s\", cannot be read: %s", path,
                         strerror(errno));
    setvbuf(file, NULL, _IONBF, 0); /* no copy of it in a buffer */
    read = fgets(password, (int)room, file) != NULL;
    fclose(file);
    if (!read)
        password[0] = '\0';
    if (strlen(password) + 1 == room)
        return fault_set(fault, "54000", "expected a password below %zu bytes in \"%s\", found a longer one",
                         room - 1, path);
    password[strcspn(password, "\r\n")] = '\0';
    if (*password == '\0')
        return fault_set(fault, "F0000", "expected a password in the first line of \"%s\", found none", path);
    return true;
}

bool setup_password_matches(const char *password, const char *verifier)
{
    unsigned char salted[SCRAM_KEY_BYTES], server_key[SCRAM_KEY_BYTES];
    struct scram_verifier stored;
    unsigned made = 0;
    bool matches;

    if (!scram_verifier_parse(verifier, &stored))
        return false;
    matches = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), stored.salt, (int)stored.salt_bytes,
                                stored.iterations, EVP_sha256(), sizeof salted, salted) == 1 &&
              HMAC(EVP_sha256(), salted, sizeof salted, (const unsigned char *)"Server Key", 10, server_key,
                   &made) != NULL &&
              CRYPTO_memcmp(server_key, stored.server_key, sizeof server_key) == 0;
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(server_key, sizeof server_key);
    explicit_bzero(&stored, sizeof stored);
    return matches;
}

/* Each character of `special` comes with `escape` before it. */
static void escaped_print(const char *text, const char *special, char escape)
{
    for (; *text != '\0'; text++) {
        if (strchr(special, *text) != NULL)
            putchar(escape);
        putchar(*text);
    }
}

void setup_password_print(const char *prefix, const char *role, const char *password)
{
    printf("%sThe role's password is shown this once. A line for auth_file:\n%s\"", prefix, prefix);
    escaped_print(role, "\"", '"');
    printf("\" \"");
    escaped_print(password, "\"", '"');
    printf("\"\n%sor for passfile:\n%s*:*:*:", prefix, prefix);
    escaped_print(role, ":\\", '\\');
    putchar(':');
    escaped_print(password, ":\\", '\\');
    putchar('\n');
}
