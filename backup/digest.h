/* SPDX-License-Identifier: PostgreSQL
 * digest - size and SHA-256 of stored bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault;
struct pulse;

enum { DIGEST_TEXT = 65 };

struct digest {
    uint64_t bytes;
    char sha256[DIGEST_TEXT]; /* lower-case hexadecimal */
};

/* Reads the regular file `path` below dir_fd to its end. `pulse` beats about every 16 MB and may be NULL. */
bool digest_file(int dir_fd, const char *path, const struct pulse *pulse, struct digest *digest,
                 struct fault *fault);
void digest_bytes(const void *data, size_t size, struct digest *digest);

/* A SHA-256 on its way; hash_finish frees it. */
struct hash;
struct hash *hash_start(void);
void hash_add(struct hash *hash, const void *data, size_t size);
void hash_finish(struct hash *hash, char text[DIGEST_TEXT]);
