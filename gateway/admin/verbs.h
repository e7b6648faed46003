/* SPDX-License-Identifier: PostgreSQL
 * verbs - what the console can be told to do (PgBouncer's words), and what each does in which thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fault;
struct gateway;
struct order;
struct order_words;
struct worker;

enum verb_argument { ARGUMENT_NONE, ARGUMENT_MAY_DATABASE, ARGUMENT_DATABASE, ARGUMENT_NUMBER };

/* What it means for direct sessions: backups, replication. */
enum verb_hits { HITS_NOBODY, HITS_TELL, HITS_NEED_FORCE };

struct verb {
    const char *name;
    enum verb_argument argument;
    enum verb_hits hits;
    bool (*begin)(struct order *order, struct fault *fault); /* main, when nobody is hit that must not be */
    void (*act)(struct order *order, struct worker *worker); /* every worker, in each round */
    bool waits;                                              /* rounds go on until one finds nothing left */
    bool (*end)(struct order *order, struct fault *fault);   /* main, after the last round */
    void (*after)(struct gateway *gateway, bool force);      /* main, when the answer is on its way home */
    const char *hit_sentence, *hit_hint;
    const char *sentence;
};

/* The verb that a tidy command begins with, and its words; NULL: none does. False in *understood, with a
 * fault: what follows is not what it takes. */
const struct verb *verb_read(const char *command, struct order_words *words, bool *understood,
                             struct fault *fault);
/* The i-th, or NULL. */
const struct verb *verb_at(size_t i);
