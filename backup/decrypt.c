/* SPDX-License-Identifier: PostgreSQL
 * decrypt - one encrypted file back to what it was, without a backup around it; and the exchange of a
 * backup's master key. */
#include "backup/decrypt.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/filter.h"
#include "backup/keyring.h"
#include "backup/manifest.h"
#include "backup/options.h"
#include "backup/pulse.h"
#include "backup/repository.h"
#include "backup/text.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

/* The wrapped key of the manifest in that directory; false when there is none, which is no fault. */
static bool wrap_find(const char *directory, unsigned char wrap[SEAL_WRAP])
{
    struct arena *arena = arena_new();
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct manifest manifest;
    struct fault ignored;
    bool found;

    CHECK(arena != NULL);
    found = fd >= 0 && manifest_read(fd, &manifest, arena, &ignored) && manifest.wrapped_key != NULL &&
            seal_unhex(manifest.wrapped_key, wrap, SEAL_WRAP);
    if (fd >= 0)
        close(fd);
    arena_free(arena);
    return found;
}

static bool wrap_find_around(const char *path, unsigned char wrap[SEAL_WRAP])
{
    char copy[PATH_MAX], above[PATH_MAX + 4];
    const char *beside;

    if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
        return false;
    beside = dirname(copy);
    snprintf(above, sizeof above, "%s/..", beside);
    return wrap_find(beside, wrap) || wrap_find(above, wrap);
}

static bool bytes_print(const unsigned char *bytes, size_t size, struct fault *fault)
{
    while (size > 0) {
        ssize_t count = write(STDOUT_FILENO, bytes, size);

        if (count < 0)
            return failure_storage(fault, "write", "standard output");
        bytes += count;
        size -= (size_t)count;
    }
    return true;
}

bool decrypt_file(const char *path, const char *key_file, const struct runner_options *options,
                  struct fault *fault)
{
    unsigned char wrap[SEAL_WRAP], bytes[FILTER_BYTES];
    struct key_search search = { options, key_file, NULL };
    struct seal_opener opener = { key_search_open, &search };
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct filter *chain;
    size_t count = 1;
    bool ok = true;

    if (fd < 0)
        return failure_storage(fault, "read", path);
    if (wrap_find_around(path, wrap))
        search.wrap = wrap;
    chain = filter_unseal(filter_source(fd, path, NULL), &opener);
    while (ok && count > 0)
        ok = filter_pull(chain, bytes, sizeof bytes, &count, fault) && bytes_print(bytes, count, fault);
    filter_free(chain);
    return ok;
}

static bool key_exchange(const struct runner_options *options, struct manifest *manifest,
                         struct arena *arena, struct fault *fault)
{
    const struct job_options *job = options_job(options, manifest->job);
    struct key_search search = { .options = options };
    char wrap[SEAL_WRAP_TEXT];
    struct seal_key key;
    struct keyring ring;
    bool ok;

    if (manifest->wrapped_key == NULL || !seal_unhex(manifest->wrapped_key, key.wrap, SEAL_WRAP))
        return failure_set(fault, FAILURE_CRYPTO, "The backup %s is not encrypted.", manifest->label);
    if (job == NULL || !keyring_is_wanted(job))
        return failure_set(fault, FAILURE_CONFIG,
                           "The configuration has no job \"%s\" that encrypts, so there is no new key.",
                           manifest->job);
    ok = key_search_unwrap(&search, &key, fault) && keyring_read(&ring, job, fault);
    if (ok) {
        seal_key_rewrap(&key, ring.keys[0]);
        seal_hex(key.wrap, SEAL_WRAP, wrap);
        manifest->wrapped_key = arena_string(arena, wrap);
        manifest->key_id = arena_format(arena, "%.*s", SEAL_ID_TEXT - 1, wrap);
        keyring_wipe(&ring);
    }
    seal_key_wipe(&key);
    return ok;
}

static bool place_rekey(const struct runner_options *options, const struct backup_place *place,
                        struct fault *fault)
{
    struct arena *arena = arena_new();
    struct manifest manifest;
    bool ok;

    CHECK(arena != NULL);
    ok = manifest_read(place->dir_fd, &manifest, arena, fault) &&
         key_exchange(options, &manifest, arena, fault) && manifest_write(place->dir_fd, &manifest, fault);
    if (ok)
        text_print(stdout, "rekeyed   %s in %s: master key %s\n", place->label, place->repository->name,
                   manifest.key_id);
    arena_free(arena);
    return ok;
}

bool decrypt_rekey(const struct runner_options *options, const char *repository, const char *label,
                   struct fault *fault)
{
    struct arena *arena = arena_new();
    size_t found = 0;
    bool ok = true;

    CHECK(arena != NULL);
    for (size_t i = 0; ok && i < options->repository_count; i++) {
        const char *name = options->repositories[i].name;
        struct backup_place place;

        if (repository != NULL && strcmp(name, repository) != 0)
            continue;
        if (!repository_find(options, name, label, &place, arena, fault)) {
            ok = failure_of(fault) == FAILURE_NOT_FOUND;
            continue;
        }
        found++;
        ok = place_rekey(options, &place, fault);
        close(place.dir_fd);
        close(place.job_fd);
    }
    arena_free(arena);
    if (ok && found == 0)
        return failure_set(fault, FAILURE_NOT_FOUND, "There is no backup \"%s\" in any repository.", label);
    return ok;
}
