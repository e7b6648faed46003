/* SPDX-License-Identifier: PostgreSQL
 * pipeline - what happens to the bytes between PostgreSQL's programs and the files of a backup: compressed,
 * encrypted, slowed down, hashed; and back. */
#include "backup/pipeline.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/filter.h"
#include "backup/keyring.h"
#include "backup/manifest.h"
#include "backup/work.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

static const struct {
    const char *word, *suffix, *sealed_suffix;
    int standard, min, max; /* levels */
} kinds[] = {
    [COMPRESSION_NONE] = { "none", "", ".enc", 0, 0, 0 },
    [COMPRESSION_GZIP] = { "gzip", ".gz", ".gz.enc", 6, 1, 9 },
    [COMPRESSION_ZSTD] = { "zstd", ".zst", ".zst.enc", 3, 1, 19 },
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const char cipher[] = "aes-256-gcm";

bool compression_parse(const char *text, enum compression *compression, int *level)
{
    size_t word = strcspn(text, ":");
    char *end;
    long number;

    for (int i = 0; i < KINDS; i++) {
        if (strlen(kinds[i].word) != word || strncmp(kinds[i].word, text, word) != 0)
            continue;
        *compression = (enum compression)i;
        *level = kinds[i].standard;
        if (text[word] == '\0')
            return true;
        number = strtol(text + word + 1, &end, 10);
        *level = (int)number;
        return text[word + 1] >= '0' && text[word + 1] <= '9' && *end == '\0' && number >= kinds[i].min &&
               number <= kinds[i].max && kinds[i].max > 0;
    }
    return false;
}

bool pipeline_of_job(struct pipeline *pipeline, const struct job_options *job, struct fault *fault)
{
    struct keyring ring;
    bool ok;

    memset(pipeline, 0, sizeof *pipeline);
    if (job->format == FORMAT_DIRECTORY)
        return true;
    CHECK(compression_parse(job->compress == NULL ? "zstd:3" : job->compress, &pipeline->compression,
                            &pipeline->level));
    pipeline->threads = job->compress_threads;
    pipeline->rate = (uint64_t)job->rate_limit;
    if (!keyring_is_wanted(job))
        return true;
    ok = keyring_read(&ring, job, fault);
    if (ok) {
        pipeline->sealed = true;
        seal_key_make(&pipeline->key, ring.keys[0]);
    }
    keyring_wipe(&ring);
    return ok;
}

void pipeline_note(const struct pipeline *pipeline, struct manifest *manifest, struct arena *arena)
{
    char wrap[SEAL_WRAP_TEXT];

    if (pipeline->compression != COMPRESSION_NONE)
        manifest->compression =
            arena_format(arena, "%s:%d", kinds[pipeline->compression].word, pipeline->level);
    if (!pipeline->sealed)
        return;
    seal_hex(pipeline->key.wrap, SEAL_WRAP, wrap);
    manifest->encryption = cipher;
    manifest->key_id = arena_format(arena, "%.*s", SEAL_ID_TEXT - 1, wrap);
    manifest->wrapped_key = arena_string(arena, wrap);
}

bool pipeline_of_manifest(struct pipeline *pipeline, const struct manifest *manifest,
                          const struct key_search *search, struct fault *fault)
{
    memset(pipeline, 0, sizeof *pipeline);
    if (manifest->compression != NULL &&
        !compression_parse(manifest->compression, &pipeline->compression, &pipeline->level))
        return failure_set(fault, FAILURE_VERIFY,
                           "The backup is compressed by \"%s\", which this version cannot read.",
                           manifest->compression);
    if (manifest->encryption == NULL)
        return true;
    if (strcmp(manifest->encryption, cipher) != 0 || manifest->wrapped_key == NULL ||
        !seal_unhex(manifest->wrapped_key, pipeline->key.wrap, SEAL_WRAP))
        return failure_set(fault, FAILURE_VERIFY,
                           "The backup is encrypted by \"%s\", which this version cannot read.",
                           manifest->encryption);
    pipeline->sealed = true;
    return key_search_unwrap(search, &pipeline->key, fault);
}

void pipeline_wipe(struct pipeline *pipeline)
{
    seal_key_wipe(&pipeline->key);
}

const char *pipeline_suffix(const struct pipeline *pipeline)
{
    return pipeline->sealed ? kinds[pipeline->compression].sealed_suffix
                            : kinds[pipeline->compression].suffix;
}

bool pipeline_is_plain(const struct pipeline *pipeline)
{
    return pipeline->compression == COMPRESSION_NONE && !pipeline->sealed;
}

static struct filter *writer_make(const struct pipeline *pipeline, int from_fd, const char *what,
                                  struct digest *digest, const struct pulse *pulse)
{
    struct filter *chain = filter_source(from_fd, what, pulse);

    if (pipeline->compression == COMPRESSION_ZSTD)
        chain = filter_zstd(chain, pipeline->level, pipeline->threads);
    if (pipeline->compression == COMPRESSION_GZIP)
        chain = filter_gzip(chain, pipeline->level);
    if (pipeline->sealed)
        chain = filter_seal(chain, &pipeline->key);
    if (pipeline->rate > 0)
        chain = filter_rate(chain, pipeline->rate, pulse);
    return filter_measure(chain, digest);
}

/* The manifest's key is found before anything starts; what the file says about it is older or the same. */
static bool key_give(void *context, const unsigned char *header, struct seal_key *key, struct fault *fault)
{
    (void)header;
    (void)fault;
    *key = *(const struct seal_key *)context;
    return true;
}

static int stored_open(const struct stored *stored, int flags, struct fault *fault)
{
    int fd = openat(stored->dir_fd, stored->path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

    if (fd < 0)
        failure_storage(fault, (flags & O_CREAT) != 0 ? "write" : "read", stored->path);
    return fd;
}

static struct filter *reader_make(struct filter *chain, enum compression compression,
                                  const struct seal_opener *opener)
{
    if (opener != NULL)
        chain = filter_unseal(chain, opener);
    if (compression == COMPRESSION_ZSTD)
        chain = filter_unzstd(chain);
    if (compression == COMPRESSION_GZIP)
        chain = filter_gunzip(chain);
    return chain;
}

struct filter *pipeline_reader(const struct pipeline *pipeline, const struct stored *stored,
                               const struct pulse *pulse, struct fault *fault)
{
    struct seal_opener opener = { key_give, (void *)(size_t)&pipeline->key };
    int fd = stored_open(stored, O_RDONLY, fault);

    return fd < 0 ? NULL
                  : reader_make(filter_source(fd, stored->path, pulse), pipeline->compression,
                                pipeline->sealed ? &opener : NULL);
}

static bool name_ends(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);

    return length >= end && strcmp(name + length - end, suffix) == 0;
}

struct filter *pipeline_reader_by_name(const struct stored *stored, const struct key_search *search,
                                       const struct pulse *pulse, struct fault *fault)
{
    struct seal_opener opener = { key_search_open, (void *)(size_t)search };
    bool sealed = name_ends(stored->path, kinds[COMPRESSION_NONE].sealed_suffix);
    enum compression compression = COMPRESSION_NONE;
    int fd = stored_open(stored, O_RDONLY, fault);

    for (int i = COMPRESSION_GZIP; i < KINDS; i++)
        if (name_ends(stored->path, sealed ? kinds[i].sealed_suffix : kinds[i].suffix))
            compression = (enum compression)i;
    return fd < 0 ? NULL
                  : reader_make(filter_source(fd, stored->path, pulse), compression,
                                sealed ? &opener : NULL);
}

bool pipeline_pack(const struct pipeline *pipeline, struct work *work, int from_fd, struct stored *stored,
                   struct fault *fault)
{
    int fd = stored_open(stored, O_WRONLY | O_CREAT | O_EXCL, fault);

    if (fd < 0) {
        close(from_fd);
        return false;
    }
    pump_start(&work->pump,
               writer_make(pipeline, from_fd, stored->path, &stored->digest, &work->pump.pulse), fd,
               stored->path);
    return true;
}

/* The program's end of the pipe is closed here, so that its death is the end of the stream. */
static bool program_start(struct work *work, const struct command *command, enum failure otherwise,
                          int its_end, struct fault *fault)
{
    bool ok = work_start(work, command, otherwise, fault);

    close(its_end);
    return ok;
}

static bool pipe_make(int ends[2], const char *what, struct fault *fault)
{
    return pipe2(ends, O_CLOEXEC) == 0 || failure_storage(fault, "make a pipe for", what);
}

bool pipeline_store(const struct pipeline *pipeline, struct work *work, const struct command *command,
                    enum failure otherwise, struct stored *stored, struct fault *fault)
{
    struct command piped = *command;
    int fd = stored_open(stored, O_WRONLY | O_CREAT | O_EXCL, fault);
    int ends[2];

    if (fd < 0)
        return false;
    if (!pipe_make(ends, stored->path, fault)) {
        close(fd);
        return false;
    }
    piped.output_fd = ends[1];
    if (!program_start(work, &piped, otherwise, ends[1], fault)) {
        close(ends[0]);
        close(fd);
        return false;
    }
    pump_start(&work->pump, writer_make(pipeline, ends[0], command->path, &stored->digest,
                                        &work->pump.pulse),
               fd, stored->path);
    return true;
}

bool pipeline_fetch(const struct pipeline *pipeline, struct work *work, const struct command *command,
                    enum failure otherwise, const struct stored *stored, struct fault *fault)
{
    struct filter *chain = pipeline_reader(pipeline, stored, &work->pump.pulse, fault);
    struct command piped = *command;
    int ends[2];

    if (chain == NULL)
        return false;
    if (!pipe_make(ends, stored->path, fault)) {
        filter_free(chain);
        return false;
    }
    piped.input_fd = ends[0];
    if (!program_start(work, &piped, otherwise, ends[0], fault)) {
        close(ends[1]);
        filter_free(chain);
        return false;
    }
    pump_start(&work->pump, chain, ends[1], command->path);
    return true;
}
