/* SPDX-License-Identifier: PostgreSQL
 * hba_names - the lists of databases and users in pg_hba.conf, and what they match. */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/auth/hba_tokens.h"

struct hba_regexes;

/* Whether a user is a member, directly or not, of a role; being a superuser makes nobody a member. */
enum hba_answer { HBA_NO, HBA_YES, HBA_UNKNOWN };

/* Who is asked for memberships. A role is a member of itself: that is never asked. */
struct hba_members {
    enum hba_answer (*ask)(void *context, const char *role, const char *user); /* NULL: all are unknown */
    void *context;
};

enum hba_name_kind {
    HBA_NAME, HBA_ALL, HBA_SAMEUSER, HBA_SAMEROLE, HBA_REPLICATION, HBA_MEMBERS, HBA_REGEX
};

struct hba_name {
    struct hba_name *next;
    enum hba_name_kind kind;
    const char *text;     /* HBA_NAME: the name; HBA_MEMBERS: the role */
    const regex_t *regex; /* HBA_REGEX */
};

/* Makes the names of a field; they live in the regexes' arena. A word that begins with a slash is a regular
 * expression even within quotes. False: why says what is wrong. */
bool hba_names_of_databases(struct hba_regexes *regexes, const struct hba_token *tokens,
                            struct hba_name **names, char *why, size_t room);
bool hba_names_of_users(struct hba_regexes *regexes, const struct hba_token *tokens, struct hba_name **names,
                        char *why, size_t room);

/* Whether one of them fits, in the order of the list; HBA_UNKNOWN when that hangs on a membership alone which
 * is not known. members may be NULL. */
enum hba_answer hba_names_match_user(const struct hba_name *names, const char *user,
                                     const struct hba_members *members);
enum hba_answer hba_names_match_database(const struct hba_name *names, const char *database, const char *user,
                                         const struct hba_members *members);

/* Physical replication has no database: only the keyword fits it. */
bool hba_names_match_replication(const struct hba_name *names);

/* Whether a match may have to ask. */
bool hba_names_ask(const struct hba_name *names);
