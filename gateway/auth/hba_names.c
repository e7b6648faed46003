/* SPDX-License-Identifier: PostgreSQL
 * hba_names - the lists of databases and users in pg_hba.conf, and what they match. */
#include "gateway/auth/hba_names.h"

#include <string.h>

#include "gateway/auth/hba_regex.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

static enum hba_name_kind database_kind(const struct hba_token *token)
{
    static const struct { const char *word; enum hba_name_kind kind; } words[] = {
        { "all", HBA_ALL },           { "sameuser", HBA_SAMEUSER },       { "samerole", HBA_SAMEROLE },
        { "samegroup", HBA_SAMEROLE }, { "replication", HBA_REPLICATION },
    };

    if (token->text[0] == '/')
        return HBA_REGEX;
    for (size_t i = 0; i < sizeof words / sizeof *words && !token->quoted; i++) {
        if (strcmp(token->text, words[i].word) == 0)
            return words[i].kind;
    }
    return HBA_NAME;
}

static enum hba_name_kind user_kind(const struct hba_token *token)
{
    if (token->text[0] == '/')
        return HBA_REGEX;
    if (!token->quoted && token->text[0] == '+')
        return HBA_MEMBERS;
    return !token->quoted && strcmp(token->text, "all") == 0 ? HBA_ALL : HBA_NAME;
}

static bool names_make(struct hba_regexes *regexes, const struct hba_token *token, struct hba_name **at,
                       enum hba_name_kind (*kind)(const struct hba_token *), char *why, size_t room)
{
    for (; token != NULL; token = token->next, at = &(*at)->next) {
        struct hba_name *name = arena_alloc(regexes->arena, sizeof *name);

        *at = name;
        name->kind = kind(token);
        name->text = token->text + (name->kind == HBA_MEMBERS ? 1 : 0);
        if (name->kind == HBA_REGEX)
            name->regex = hba_regex_make(regexes, name->text + 1, why, room);
        if (name->kind == HBA_REGEX && name->regex == NULL)
            return false;
    }
    return true;
}

bool hba_names_of_databases(struct hba_regexes *regexes, const struct hba_token *tokens,
                            struct hba_name **names, char *why, size_t room)
{
    return names_make(regexes, tokens, names, database_kind, why, room);
}

bool hba_names_of_users(struct hba_regexes *regexes, const struct hba_token *tokens, struct hba_name **names,
                        char *why, size_t room)
{
    return names_make(regexes, tokens, names, user_kind, why, room);
}

static enum hba_answer member_ask(const struct hba_members *members, const char *role, const char *user)
{
    if (strcmp(role, user) == 0)
        return HBA_YES;
    return members == NULL || members->ask == NULL ? HBA_UNKNOWN : members->ask(members->context, role, user);
}

static enum hba_answer answer_of(bool yes)
{
    return yes ? HBA_YES : HBA_NO;
}

/* `text` is the database's name or the user's, whichever the list is about. */
static enum hba_answer name_match(const struct hba_name *name, const char *text, const char *user,
                                  const struct hba_members *members)
{
    switch (name->kind) {
    case HBA_NAME: return answer_of(strcmp(name->text, text) == 0);
    case HBA_ALL: return HBA_YES;
    case HBA_SAMEUSER: return answer_of(strcmp(text, user) == 0);
    case HBA_SAMEROLE: return member_ask(members, text, user);
    case HBA_REPLICATION: return HBA_NO;
    case HBA_MEMBERS: return member_ask(members, name->text, user);
    case HBA_REGEX: return answer_of(regexec(name->regex, text, 0, NULL, 0) == 0);
    }
    UNREACHABLE();
}

static enum hba_answer names_match(const struct hba_name *names, const char *text, const char *user,
                                   const struct hba_members *members)
{
    enum hba_answer all = HBA_NO;

    for (; names != NULL && all != HBA_YES; names = names->next) {
        enum hba_answer one = name_match(names, text, user, members);

        all = one == HBA_NO ? all : one;
    }
    return all;
}

enum hba_answer hba_names_match_user(const struct hba_name *names, const char *user,
                                     const struct hba_members *members)
{
    return names_match(names, user, user, members);
}

enum hba_answer hba_names_match_database(const struct hba_name *names, const char *database, const char *user,
                                         const struct hba_members *members)
{
    return names_match(names, database, user, members);
}

bool hba_names_match_replication(const struct hba_name *names)
{
    while (names != NULL && names->kind != HBA_REPLICATION)
        names = names->next;
    return names != NULL;
}

bool hba_names_ask(const struct hba_name *names)
{
    while (names != NULL && names->kind != HBA_MEMBERS && names->kind != HBA_SAMEROLE)
        names = names->next;
    return names != NULL;
}
