/* SPDX-License-Identifier: PostgreSQL
 * catalog - what is known of one database's functions, shared by all its pools and workers. Known only
 * while it is sure to be no older than catalog_refresh; what is not known is NULL, and then every statement
 * may do anything. catalog_read asks PostgreSQL. Letters: [s] constant after start, [l] the struct's lock,
 * [a] atomic. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/table.h"
#include "gateway/catalog_names.h"

struct pool;
struct pool_shard;
struct routines;
struct statement_facts;
struct upstream;

enum { CATALOG_FINGERPRINT_BYTES = 64 };

/* Numbers for the console. */
struct catalog_counts {
    uint64_t reads, checks, failures;
    uint64_t read_us;            /* how long the last read took */
    uint64_t read_bytes;         /* and what PostgreSQL sent */
    uint64_t known_since_us;     /* when the last read ended */
};

/* What a question brought. */
struct catalog_answer {
    struct routines *routines;   /* NULL: what is known is still true */
    uint64_t changes;            /* as catalog_state said before it was asked */
    uint64_t asked_us, refresh_us, bytes;
    char fingerprint[CATALOG_FINGERPRINT_BYTES];
};

struct catalog {
    struct table_link link;
    struct catalogs *catalogs;   /* [s] */
    int references;              /* pools; the lock of catalogs */
    const struct upstream *upstream; /* [s] */
    char *database;              /* [s] */
    _Atomic uint64_t version;    /* [a] moves whenever what shards are shown changes */
    _Atomic uint64_t expires_us; /* [a] what is shown is believed until then, or while it is asked about */
    _Atomic uint64_t due_us;     /* [a] when to ask whether it is still true, if it is used */
    _Atomic uint64_t retry_us;   /* [a] no question before this */
    _Atomic bool used;           /* [a] since the last question */
    _Atomic bool asking;         /* [a] one question at a time */
    pthread_mutex_t lock;
    struct routines *known;      /* [l] what was read last; NULL: nothing, or it was changed since */
    struct routines *before;     /* [l] what was known before `known` was changed; retained */
    char fingerprint[CATALOG_FINGERPRINT_BYTES]; /* [l] of `known` */
    bool shown;                  /* [l] `known` is believed */
    bool complained;             /* [l] a failure was logged and nothing was read since */
    uint64_t changes;            /* [l] how often this gateway saw it changed */
    struct catalog_names names;  /* [l] */
    struct catalog_counts counts; /* [l] */
};

/* The registry. */
struct catalogs {
    pthread_mutex_t lock;
    struct table table; /* [l] */
};

void catalogs_open(struct catalogs *catalogs);
void catalogs_close(struct catalogs *catalogs);

/* What is known of the shard's database, or NULL. The worker that owns the shard; good until its next call.
 * Hot path: takes no lock while nothing changed. Has PostgreSQL asked when nothing is known. */
const struct routines *catalog_routines(struct pool_shard *shard);

/* What statement_classify says with what is known of the shard's database, and PIN_ANYTHING where that does
 * not suffice: nothing is known, or the text itself makes what nobody has looked into. */
void catalog_classify(struct pool_shard *shard, const char *text, size_t length, bool standard_strings,
                      struct statement_facts *facts);

/* A transaction that may have changed the catalogs was committed (or nobody knows): nothing is known until
 * they were read again, which begins at once. To be called before its client hears of the commit. */
void catalog_changed(struct pool_shard *shard);

/* Moves whenever what is known changes: facts of a text that was classified before hold no longer. */
uint64_t catalog_version(struct pool_shard *shard);

/* Calls see for each catalog with its lock held, and so sees one state of it. */
void catalogs_each(struct catalogs *catalogs, void (*see)(const struct catalog *catalog, void *owner),
                   void *owner);

/* For catalog_read, which is the only one that asks. */
struct catalog *catalog_of(struct pool_shard *shard); /* found or made; NULL when out of memory */
bool catalog_begin(struct catalog *catalog);          /* false: somebody asks already */
/* How many changes were seen, and the fingerprint of what is known ("": nothing is). A question begins. */
uint64_t catalog_state(struct catalog *catalog, char fingerprint[CATALOG_FINGERPRINT_BYTES]);
/* Takes the answer's routines. False: the catalogs changed since, they have to be read again. */
bool catalog_publish(struct catalog *catalog, const struct catalog_answer *answer);
/* Nothing is shown until it is read. */
void catalog_hide(struct catalog *catalog);
/* True when this failure is the first since something was read, and to be logged. */
bool catalog_failed(struct catalog *catalog, uint64_t retry_us);
void catalog_end(struct catalog *catalog);
/* No question before that. */
void catalog_pause(struct catalog *catalog, uint64_t until_us);
/* Drops the reference that a shard which is not used holds of what was shown before. */
void catalog_forget(struct pool_shard *shard);
