/* SPDX-License-Identifier: PostgreSQL
 * prepared_set - which shared statements a server has under names of ours. Bookkeeping is done when a message
 * is sent and taken back when PostgreSQL turns out not to have executed it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/table.h"
#include "gateway/session/prepared.h"

/* What a server has prepared, least recently used last. All zero is empty, except for `recent`. */
struct prepared_set {
    struct table table;
    struct list recent;
};

struct prepared_entry {
    struct table_link link;
    struct list recency;
    struct statement *statement;
    uint64_t batch;  /* in which its Parse was sent */
    uint64_t number; /* of that Parse */
    uint64_t shape;  /* of its rows; 0: not known */
    bool confirmed;  /* ParseComplete came */
    bool described;  /* we asked for the shape */
};

void set_init(struct prepared_set *set);
void set_clear(struct prepared_set *set);
/* SET_MISSING: the server surely does not have it. SET_READY: it does, parsed after `number`. SET_DOUBTFUL:
 * it may, or has an older one: to be closed and parsed again. */
enum set_state { SET_MISSING, SET_READY, SET_DOUBTFUL };
enum set_state set_look(struct prepared_set *set, const struct statement *statement, uint64_t batch,
                        uint64_t number);
/* Its Parse is being sent; false: out of memory. */
bool set_add(struct prepared_set *set, struct statement *statement, uint64_t batch, uint64_t number);
/* NULL: the server does not have it. */
struct prepared_entry *set_find(struct prepared_set *set, const struct statement *statement);
void set_confirm(struct prepared_set *set, const struct statement *statement); /* ParseComplete came */
/* A Parse or Close of it was skipped or failed: it is there or not. False: out of memory. */
bool set_doubt(struct prepared_set *set, struct statement *statement);
void set_remove(struct prepared_set *set, const struct statement *statement); /* its Close is being sent */
size_t set_confirmed(const struct prepared_set *set); /* so many are surely there */
void set_doubt_all(struct prepared_set *set);
/* The least recently used one, when there are more than `limit`; NULL otherwise. */
struct statement *set_surplus(struct prepared_set *set, size_t limit);
