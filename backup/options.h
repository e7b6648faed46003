/* SPDX-License-Identifier: PostgreSQL
 * options - the runner's configuration file, read whole and validated before anything starts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/retention.h"
#include "backup/schedule.h"
#include "conf/types.h"

struct arena;

enum job_kind { KIND_LOGICAL, KIND_PHYSICAL };
enum dump_format { FORMAT_CUSTOM, FORMAT_DIRECTORY };
enum verify_level { VERIFY_NONE, VERIFY_CHECKSUM, VERIFY_ARCHIVE, VERIFY_RESTORE, VERIFY_CONTENT };

struct repository_options {
    const char *name, *path;
    int line;
    struct retention keep; /* goes before that of the job when given */
};

struct job_options {
    const char *name;
    enum job_kind kind;
    struct strings databases, exclude, schemas, exclude_schemas;
    enum dump_format format;
    int jobs;
    struct strings repository;
    enum verify_level verify;
    bool globals, fast_checkpoint, wal;
    int64_t wal_lag_warn; /* bytes */
    uint64_t lock_wait_timeout; /* microseconds */
    const char *compress;       /* as compression_parse reads it; NULL = the format's own */
    int compress_threads;
    int64_t rate_limit; /* bytes per second; 0 = none */
    const char *encrypt_key_file, *encrypt_key_env, *encrypt_key_command;
    const char *hook_before, *hook_after, *hook_failure; /* shell commands; NULL = none */
    const char *schedule, *time_zone; /* NULL = only when asked; NULL = the machine's */
    uint64_t jitter;                  /* microseconds */
    bool catch_up;
    int retries;
    struct schedule plan; /* of the four above, when schedule is given */
    struct retention keep;
};

struct runner_options {
    const char *gateway, *bin_directory, *scratch_directory, *run_as, *run_log;
    struct repository_options *repositories;
    size_t repository_count;
    struct job_options *jobs;
    size_t job_count;
};

/* Reads and validates path. On failure every problem was printed to standard error as FILE:LINE: sentence.
 * What it fills lives in the arena. */
bool options_load(const char *path, struct arena *arena, struct runner_options *options);

/* NULL when there is none of that name. */
const struct job_options *options_job(const struct runner_options *options, const char *name);
const struct repository_options *options_repository(const struct runner_options *options, const char *name);

const char *kind_name(enum job_kind kind);
const char *format_name(enum dump_format format);
const char *level_name(enum verify_level level);
bool level_from_name(const char *name, enum verify_level *level);

/* All keys with type, default and meaning, for --help. */
void options_print_manual(void);
