/* SPDX-License-Identifier: PostgreSQL
 * probe - the question to PostgreSQL what a session left behind, and its answer. Every name and operator in
 * it is qualified, because it runs under the session's own search_path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/settings.h"

struct suspicion;

enum { PROBE_LIST_MAX = 1000, PROBE_TEXT_MAX_BYTES = 1 << 20 };

/* One question and what was answered so far; made for each question. */
struct probe {
    uint32_t suspects;             /* PIN_BITs that it is about */
    bool all;                      /* it lists every setting: what it does not list is not set */
    bool nameless;                 /* what it cannot ask for by name may be set */
    bool broken;                   /* an answer that cannot be, or too long a one */
    uint32_t found;                /* PIN_BITs of what exists */
    bool temporary_schema;         /* the backend has a pg_temp of its own, empty or not */
    struct setting items[SETTINGS_MAX]; /* owned texts; value NULL: there is no such setting */
    size_t count;
    char **channels;               /* owned: what the session listens to */
    size_t channel_count;
    bool asks_names;               /* about statements of the protocol, too: the next two tell */
    size_t shared_count;           /* statements under names of ours */
    char **names;                  /* owned: the others */
    size_t name_count;
};

/* The question for everything that was raised; known: the session's settings until now; user: as whom its
 * servers log in. NULL when out of memory. *sql is to be freed by the caller. */
struct probe *probe_new(const struct suspicion *suspicion, const struct settings *known, const char *user,
                        char **sql);
void probe_free(struct probe *probe);

/* One DataRow body of the answer. */
void probe_row(struct probe *probe, const unsigned char *body, size_t size);

/* The session's settings by the answer, retained for the caller. False: out of memory or too many. */
bool probe_settings(struct probe *probe, struct settings_home *home, const struct settings *known,
                    const char *user, const struct settings **set);
