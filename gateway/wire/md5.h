/* SPDX-License-Identifier: PostgreSQL
 * md5 - PostgreSQL's MD5 hashes of passwords, and the answers that are made of them.
 * Source: PostgreSQL manual, "Message Flow", AuthenticationMD5Password. Who knows such a hash can log in with
 * it: it is as secret as a password. */
#pragma once

#include <stdbool.h>

enum { MD5_SALT_BYTES = 4, MD5_TEXT_ROOM = 36 };

/* Whether text is "md5" and 32 hexadecimal digits of either case, and nothing else. */
bool md5_is_hash(const char *text);

/* "md5" and the digits of MD5(password user), as pg_authid.rolpassword has it; out has MD5_TEXT_ROOM bytes.
 * False when the cryptographic library has no MD5 (FIPS), as for md5_answer. */
bool md5_hash(const char *password, const char *user, char *out);

/* "md5" and the digits of MD5(digits of hash, salt): what a client sends. hash is one that md5_is_hash
 * accepts, in lower case; salt has MD5_SALT_BYTES. */
bool md5_answer(const char *hash, const void *salt, char *out);
