/* SPDX-License-Identifier: PostgreSQL
 * profile - an interned set of startup parameters. A pooled server is opened with its clients' own set,
 * so that RESET returns to what they asked for; sets are compared by pointer. `application_name` is not
 * part of the set: it differs between clients that are otherwise alike and is replayed. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/table.h"
#include "gateway/wire/startup.h"

struct pairs;

/* What a client of this set is told at login: ParameterStatus messages as they lie on the wire. */
struct welcome {
    struct welcome *older; /* kept until the pool goes: readers hold no reference */
    size_t length;
    unsigned char bytes[];
};

struct profile {
    struct table_link link;
    struct startup_parameter *parameters; /* without user, database, replication, application_name, _pq_.* */
    size_t count;
    _Atomic uint64_t epoch; /* [a] pools->epoch of `welcome` */
    struct welcome *_Atomic welcome; /* [a] from the newest server of this set; NULL until one logged in */
};

struct profiles {
    pthread_mutex_t lock;
    struct table table; /* [l] */
};

enum { PROFILES_MAX = 1000 };

void profiles_open(struct profiles *profiles);
void profiles_close(struct profiles *profiles);

/* The set for this startup packet with the route's settings under it (the client's own win). The profile
 * lives as long as `profiles`. NULL when there are PROFILES_MAX sets already or memory ran out. */
struct profile *profiles_intern(struct profiles *profiles, const struct startup *startup,
                                const struct pairs *settings);

/* A client was told this by another process: the welcome that says the same, kept among the older ones when
 * it is new here; NULL when out of memory. */
const struct welcome *profile_remember_welcome(struct profiles *profiles, struct profile *profile,
                                               const void *bytes, size_t length);

/* Publishes a newer welcome (copied) if it differs. */
void profile_set_welcome(struct profiles *profiles, struct profile *profile, const void *bytes,
                         size_t length, uint64_t epoch);
