/* SPDX-License-Identifier: PostgreSQL
 * lookup_place - how a look-up, or a control connection, reaches PostgreSQL: libpq's parameters, from the
 * configuration. What the configuration leaves open gets a value too, so that no file in a home directory
 * decides. Source: PostgreSQL manual "Database Connection Control Functions". */
#pragma once

#include <stdbool.h>

struct budget;
struct fault;
struct generation;
struct upstream;
struct upstream_place;

enum { LOOKUP_PLACE_PARAMETERS = 24 };

/* For PQconnectStartParams; values point into it, the generation and the upstream. */
struct lookup_place {
    const char *names[LOOKUP_PLACE_PARAMETERS + 1], *values[LOOKUP_PLACE_PARAMETERS + 1];
    int count;
    char address[64], port[8];
    struct budget *budget; /* the ledger of that server's connections */
};

/* Takes the PGxxx variables, which libpq would go by, out of the environment. Before other threads start. */
void lookup_place_isolate(void);

/* The place for the attempt-th try: each of the upstream's addresses has its turn. auth_user must be set; its
 * password is that of auth_file, else of passfile. False with a fault while no address is known. */
bool lookup_place_find(struct lookup_place *place, const struct generation *generation,
                       struct upstream *upstream, unsigned attempt, struct fault *fault);

/* The same at one address; application_name must stay as long as the place. */
bool lookup_place_at(struct lookup_place *place, const struct generation *generation,
                     const struct upstream *upstream, const struct upstream_place *where,
                     const char *application_name, struct fault *fault);
