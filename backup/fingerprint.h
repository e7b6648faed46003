/* SPDX-License-Identifier: PostgreSQL
 * fingerprint - what a database holds, in numbers: rows and checksum of every table, sequences, large
 * objects.
 *
 * Taken once inside the dump's own snapshot and once in a restored copy; equal numbers prove the backup.
 * Checksums are sums of 64-bit hashes of each row's text form, computed by PostgreSQL, so the order of rows
 * does not matter. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct fault;
struct session;

struct table_print {
    const char *schema, *name, *kind; /* kind: "table" or "materialized view" */
    int64_t rows;
    const char *checksum; /* a decimal number of any length */
};

/* Sequences do not obey snapshots, so they are read before and after the dump. */
struct sequence_print {
    const char *schema, *name;
    int64_t before, after;
    bool called_before, called_after, cycles;
};

struct skipped_print {
    const char *schema, *name, *why;
};

struct object_print {
    const char *kind;
    int64_t count;
};

/* All of it lives in the arena that it was made in. */
struct fingerprint {
    struct table_print *tables;
    size_t table_count;
    struct sequence_print *sequences;
    size_t sequence_count;
    struct skipped_print *skipped; /* tables that a dump does not carry as they are */
    size_t skipped_count;
    struct object_print *objects; /* how many indexes, views, functions... */
    size_t object_count;
    bool has_large_objects; /* false when the role may not read them */
    int64_t large_objects;
    const char *large_object_checksum;
};

/* Fixes every setting that the text form of a value depends on, and lifts all time limits; before BEGIN.
 * lock_timeout_us as for lock_wait_timeout. */
bool fingerprint_prepare(struct session *session, uint64_t lock_timeout_us, struct fault *fault);

/* From now on the session's fingerprints leave these schemas out, as pg_dump does. */
bool fingerprint_leave_out(struct session *session, const char *const *schemas, size_t count,
                           struct arena *arena, struct fault *fault);

/* Step 1, quick: lists tables, sequences and objects of the transaction's snapshot and reads the sequences.
 */
bool fingerprint_list(struct session *session, struct fingerprint *print, struct arena *arena,
                      struct fault *fault);

/* Step 2: takes ACCESS SHARE locks on all tables, so that none can vanish before pg_dump locks them too. */
bool fingerprint_lock(struct session *session, const struct fingerprint *print, struct fault *fault);

/* Step 3, long: counts and checksums tables and large objects. */
bool fingerprint_count(struct session *session, struct fingerprint *print, struct arena *arena,
                       struct fault *fault);

/* Step 4: reads the sequences once more, into `after`. */
bool fingerprint_sequences_again(struct session *session, struct fingerprint *print, struct fault *fault);

/* Calls `report` with a sentence for everything that differs; `fatal` is false for what may differ. Returns
 * the number of fatal differences. `database` is for the sentences. */
size_t fingerprint_compare(const struct fingerprint *expected, const struct fingerprint *found,
                           const char *database,
                           void (*report)(void *context, bool fatal, const char *sentence), void *context);

int64_t fingerprint_rows(const struct fingerprint *print);

/* JSON and back; NULL when a name is not valid UTF-8. */
json_t *fingerprint_encode(const struct fingerprint *print);
bool fingerprint_decode(const json_t *object, struct fingerprint *print, struct arena *arena,
                        struct fault *fault);
