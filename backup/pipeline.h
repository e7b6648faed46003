/* SPDX-License-Identifier: PostgreSQL
 * pipeline - what happens to the bytes between PostgreSQL's programs and the files of a backup: compressed,
 * encrypted, slowed down, hashed; and back. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backup/digest.h"
#include "backup/failure.h"
#include "backup/seal.h"

struct arena;
struct command;
struct filter;
struct job_options;
struct key_search;
struct manifest;
struct pulse;
struct work;

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

struct pipeline {
    enum compression compression;
    int level, threads;
    bool sealed;
    struct seal_key key; /* when sealed; wipe with pipeline_wipe */
    uint64_t rate;       /* stored bytes per second; 0 = no limit */
};

/* A file that is being written; digest is valid after work_finish. */
struct stored {
    int dir_fd;
    const char *path; /* relative to it; lives until work_finish */
    struct digest digest;
};

/* "zstd:3", "zstd", "gzip:6", "gzip" or "none"; false for anything else. */
bool compression_parse(const char *text, enum compression *compression, int *level);

/* What the job wants, with a new data key when it encrypts. Nothing is streamed with format = "directory",
 * whose archives pg_dump writes itself. */
bool pipeline_of_job(struct pipeline *pipeline, const struct job_options *job, struct fault *fault);

/* Tells the manifest how its files were made. */
void pipeline_note(const struct pipeline *pipeline, struct manifest *manifest, struct arena *arena);

/* How to read the files of a backup, with its data key from the search. */
bool pipeline_of_manifest(struct pipeline *pipeline, const struct manifest *manifest,
                          const struct key_search *search, struct fault *fault);
void pipeline_wipe(struct pipeline *pipeline);

/* What the names of the files end with: "", ".zst", ".gz.enc"... */
const char *pipeline_suffix(const struct pipeline *pipeline);

/* True when the files are just what the program wrote. */
bool pipeline_is_plain(const struct pipeline *pipeline);

/* Starts the program with its standard output going through the pipeline into a new file of mode 0600. End
 * with work_finish, which fails when either of them failed, or with work_abandon. */
bool pipeline_store(const struct pipeline *pipeline, struct work *work, const struct command *command,
                    enum failure otherwise, struct stored *stored, struct fault *fault);

/* Starts the program with the file, undone, as its standard input. */
bool pipeline_fetch(const struct pipeline *pipeline, struct work *work, const struct command *command,
                    enum failure otherwise, const struct stored *stored, struct fault *fault);

/* Starts the pump from a descriptor, which it takes over, into a new file; end with pump_finish. */
bool pipeline_pack(const struct pipeline *pipeline, struct work *work, int from_fd, struct stored *stored,
                   struct fault *fault);

/* The chain that undoes a file by the end of its name, with the key that its own header asks for. The search
 * must live as long as the chain. */
struct filter *pipeline_reader_by_name(const struct stored *stored, const struct key_search *search,
                                       const struct pulse *pulse, struct fault *fault);

/* The chain that undoes the file; NULL with the fault set when it cannot be opened. */
struct filter *pipeline_reader(const struct pipeline *pipeline, const struct stored *stored,
                               const struct pulse *pulse, struct fault *fault);
