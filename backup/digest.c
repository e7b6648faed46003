/* SPDX-License-Identifier: PostgreSQL
 * digest - size and SHA-256 of stored bytes. */
#include "backup/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/pulse.h"
#include "gateway/base/check.h"

enum { READ_BYTES = 1 << 16, BEAT_BYTES = 1 << 24 };

struct hash *hash_start(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    CHECK(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    return (struct hash *)context;
}

void hash_add(struct hash *hash, const void *data, size_t size)
{
    CHECK(EVP_DigestUpdate((EVP_MD_CTX *)hash, data, size) == 1);
}

void hash_finish(struct hash *hash, char text[DIGEST_TEXT])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned length;

    CHECK(EVP_DigestFinal_ex((EVP_MD_CTX *)hash, raw, &length) == 1 && length * 2 + 1 == DIGEST_TEXT);
    for (unsigned i = 0; i < length; i++)
        snprintf(text + i * 2, 3, "%02x", raw[i]);
    EVP_MD_CTX_free((EVP_MD_CTX *)hash);
}

void digest_bytes(const void *data, size_t size, struct digest *digest)
{
    struct hash *hash = hash_start();

    hash_add(hash, data, size);
    digest->bytes = size;
    hash_finish(hash, digest->sha256);
}

static bool hash_descriptor(struct hash *hash, int fd, const char *path, const struct pulse *pulse,
                            uint64_t *bytes, struct fault *fault)
{
    char buffer[READ_BYTES];
    ssize_t count;

    while ((count = read(fd, buffer, sizeof buffer)) != 0) {
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return failure_storage(fault, "read", path);
        hash_add(hash, buffer, (size_t)count);
        *bytes += (uint64_t)count;
        if (*bytes % BEAT_BYTES < READ_BYTES && !pulse_beat(pulse, fault))
            return false;
    }
    return true;
}

static int file_open(int dir_fd, const char *path, struct fault *fault)
{
    /* O_NONBLOCK: a pipe put in the file's place must not hang the runner. */
    int fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat stat;

    if (fd < 0) {
        failure_storage(fault, "read", path);
        return -1;
    }
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode))
        return fd;
    close(fd);
    failure_set(fault, FAILURE_STORAGE, "\"%s\" is not a regular file.", path);
    return -1;
}

bool digest_file(int dir_fd, const char *path, const struct pulse *pulse, struct digest *digest,
                 struct fault *fault)
{
    int fd = file_open(dir_fd, path, fault);
    struct hash *hash;
    bool ok;

    if (fd < 0)
        return false;
    hash = hash_start();
    digest->bytes = 0;
    ok = hash_descriptor(hash, fd, path, pulse, &digest->bytes, fault);
    hash_finish(hash, digest->sha256);
    close(fd);
    return ok;
}
