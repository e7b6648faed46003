/* SPDX-License-Identifier: PostgreSQL
 * seal - the format of encrypted files, which whoever has the key can read without this program.
 *
 * A file is a header of 112 bytes and chunks:
 *
 *   0    8  "PGSLUICE"
 *   8    1  version, 1
 *   9    1  n = 20: every chunk but the last holds 2^n bytes
 *   10   2  zero
 *   12   8  identifier of the master key: the first bytes of SHA-256("pgsluice master key" || master key)
 *   20  12  nonce, 32 encrypted data key, 16 tag: AES-256-GCM(master key), AAD = bytes 0 to 19
 *   80  32  salt
 *
 * The file's key is HKDF-SHA256(data key, salt = bytes 80 to 111, info = bytes 0 to 79), so changing the
 * header makes every chunk unreadable. Chunk i is AES-256-GCM(file's key): nonce = 4 zero bytes and i as 64
 * bits, the highest first; AAD = one byte, 1 for the last chunk and 0 for the others; the bytes, then a tag
 * of 16. Only the last chunk is shorter than 2^n (it may be empty), so a file that was cut has no last
 * chunk.
 *
 * One backup has one data key. Its manifest holds bytes 12 to 79 once more: those are what a new master key
 * replaces, while the files stay as they are. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault;

enum {
    SEAL_KEY = 32,
    SEAL_ID = 8,
    SEAL_ID_TEXT = 2 * SEAL_ID + 1,
    SEAL_TAG = 16,
    SEAL_WRAP = SEAL_ID + 12 + SEAL_KEY + SEAL_TAG,
    SEAL_WRAP_TEXT = 2 * SEAL_WRAP + 1,
    SEAL_WRAP_AT = 12,
    SEAL_HEADER = 112,
    SEAL_CHUNK_LOG = 20
};

/* A data key and how it is wrapped. Wipe it with seal_key_wipe. */
struct seal_key {
    unsigned char data[SEAL_KEY];
    unsigned char wrap[SEAL_WRAP];
};

/* What one chunk is encrypted with. */
struct seal_chunk {
    const unsigned char *file_key;
    uint64_t index;
    bool last;
};

/* The identifier of a master key as 16 hexadecimal digits. */
void seal_master_id(const unsigned char master[SEAL_KEY], char text[SEAL_ID_TEXT]);

/* A new random data key, wrapped by the master key. */
void seal_key_make(struct seal_key *key, const unsigned char master[SEAL_KEY]);

/* Wraps the same data key by another master key. */
void seal_key_rewrap(struct seal_key *key, const unsigned char master[SEAL_KEY]);

/* Takes the data key out of key->wrap; false when the master key does not fit or the wrap was changed. */
bool seal_key_unwrap(struct seal_key *key, const unsigned char master[SEAL_KEY]);
void seal_key_wipe(struct seal_key *key);

/* Bytes to lower-case hexadecimal text with a NUL, and back; false for anything but `size` bytes of it. */
void seal_hex(const unsigned char *bytes, size_t size, char *text);
bool seal_unhex(const char *text, unsigned char *bytes, size_t size);

/* A new header for one file, and that file's key. */
void seal_header_make(unsigned char header[SEAL_HEADER], const struct seal_key *key,
                      unsigned char file_key[SEAL_KEY]);

/* Checks magic, version and chunk size: FAILURE_VERIFY. */
bool seal_header_check(const unsigned char header[SEAL_HEADER], struct fault *fault);
void seal_file_key(const unsigned char header[SEAL_HEADER], const unsigned char data[SEAL_KEY],
                   unsigned char file_key[SEAL_KEY]);

/* Encrypts size bytes in place and puts the tag after them; back, `size` includes the tag. */
void seal_chunk_close(const struct seal_chunk *chunk, unsigned char *bytes, size_t size);
bool seal_chunk_open(const struct seal_chunk *chunk, unsigned char *bytes, size_t size);
