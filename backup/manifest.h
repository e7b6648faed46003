/* SPDX-License-Identifier: PostgreSQL
 * manifest - what one backup is: written last into its directory, as manifest.json; its presence makes the
 * backup. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/fingerprint.h"
#include "backup/options.h"

struct arena;
struct digest;
struct fault;

struct database_entry {
    const char *name, *path; /* path of its archive (file or directory) inside the backup */
    const char *encoding, *owner;
    const char *snapshot; /* pg_current_snapshot() of the exported snapshot */
    const char *lsn;
    const char *extensions; /* with their versions, for people */
    const char *left_out; /* names of schemas, for people; NULL = none */
    int64_t size_bytes; /* pg_database_size */
    int64_t stored_bytes;
    int64_t dump_us;
    struct fingerprint fingerprint;
};

struct file_entry {
    const char *path; /* relative to the backup's directory */
    int64_t bytes;
    const char *sha256;
};

struct warning_entry {
    const char *text;
};

/* Texts live in the arena that the manifest was made in. Times are seconds since 1970. */
struct manifest {
    const char *label, *job, *run_id, *kind, *format;
    const char *runner_version;
    const char *gateway; /* user@host:port */
    const char *server_version, *system_identifier, *bootstrap_role;
    int64_t server_version_number;
    bool standby;
    const char *tool_version; /* of pg_dump and pg_dumpall */
    int64_t tool_major;
    int64_t started, finished, duration_us;
    bool globals, role_passwords; /* saved? */
    int64_t stored_bytes;
    const char *compression;              /* "zstd:3"; NULL = the files are as the programs wrote them */
    const char *encryption, *key_id;      /* "aes-256-gcm" and the master key's identifier; NULL = none */
    const char *wrapped_key;              /* see seal.h; hexadecimal */
    const char *wal_start;     /* the first WAL segment that a physical backup needs; NULL = not known */
    const char *verify_wanted; /* the job's level; verification.json has what was reached */
    struct database_entry *databases;
    size_t database_count;
    struct file_entry *files;
    size_t file_count, file_room;
    struct warning_entry *warnings;
    size_t warning_count;
};

extern const char manifest_name[]; /* "manifest.json" */

/* Everything as JSON text with its own SHA-256 inside; malloc'ed. NULL with the fault set when a name is
 * not UTF-8. */
char *manifest_to_text(const struct manifest *manifest, struct fault *fault);

/* Checks the SHA-256 and every type, every path included. */
bool manifest_from_text(const char *text, size_t length, struct manifest *manifest, struct arena *arena,
                        struct fault *fault);

/* From and to the directory of a backup. */
bool manifest_write(int dir_fd, const struct manifest *manifest, struct fault *fault);
bool manifest_read(int dir_fd, struct manifest *manifest, struct arena *arena, struct fault *fault);

bool manifest_is_physical(const struct manifest *manifest);

/* Adds a file with its size and SHA-256; the path lives in the arena from now on. */
void manifest_add_file(struct manifest *manifest, struct arena *arena, const char *path,
                       const struct digest *digest);

/* Adds a warning that list and show will print. */
void manifest_warn(struct manifest *manifest, struct arena *arena, const char *text);
