/* SPDX-License-Identifier: PostgreSQL
 * ident - maps in the format of pg_ident.conf: which database users a name from outside may be. */
#include "gateway/auth/ident.h"

#include <stdlib.h>
#include <string.h>

#include "conf/problems.h"
#include "gateway/auth/hba_collect.h"
#include "gateway/auth/hba_regex.h"
#include "gateway/base/arena.h"
#include "gateway/base/fault.h"

enum { WHY_BYTES = 300 };

struct ident_line {
    struct ident_line *next;
    const char *map, *system_user;
    const regex_t *regex;   /* of a system user that begins with a slash; NULL = the name itself */
    struct hba_name *names; /* one: the database's user */
    const char *insert;     /* where that name has \1, for what the regex's first group matched; or NULL */
};

struct ident {
    struct arena *arena;
    struct hba_regexes regexes;
    struct ident_line *first, **end;
    size_t count;
    bool asks_members;
};

static bool line_parse(struct ident *ident, struct ident_line *line, const struct hba_field *fields,
                       char why[WHY_BYTES])
{
    const struct hba_token *tokens[3];

    for (size_t i = 0; i < 3; i++, fields = fields->next) {
        if (fields == NULL || fields->tokens->next != NULL) {
            strcpy(why, fields == NULL ? "expected a map, a system's user and a database's user"
                                       : "one name is expected in each column, found a list");
            return false;
        }
        tokens[i] = fields->tokens;
    }
    line->map = tokens[0]->text;
    line->system_user = tokens[1]->text;
    if (line->system_user[0] == '/') {
        line->regex = hba_regex_make(&ident->regexes, line->system_user + 1, why, WHY_BYTES);
        if (line->regex == NULL)
            return false;
    }
    if (!hba_names_of_users(&ident->regexes, tokens[2], &line->names, why, WHY_BYTES))
        return false;
    if (line->regex != NULL && line->names->kind == HBA_NAME)
        line->insert = strstr(line->names->text, "\\1");
    if (line->insert == NULL || line->regex->re_nsub > 0)
        return true;
    strcpy(why, "\\1 stands for the first group of the regular expression, which has none; put one in "
                "parentheses");
    return false;
}

static bool line_take(struct hba_collect *collect, const struct hba_line *line)
{
    struct ident *ident = collect->result;
    struct ident_line *made = arena_alloc(ident->arena, sizeof *made);
    char why[WHY_BYTES];

    if (ident->count++ == IDENT_LINES_MAX) {
        problems_add(collect->problems, line->file, line->number, "there are more than 10000 lines");
        return false;
    }
    if (!line_parse(ident, made, line->fields, why)) {
        problems_add(collect->problems, line->file, line->number, "%s", why);
        return true;
    }
    *ident->end = made;
    ident->end = &made->next;
    ident->asks_members = ident->asks_members || hba_names_ask(made->names);
    return true;
}

static struct ident *ident_new(struct fault *fault)
{
    struct ident *ident = calloc(1, sizeof *ident);

    if (ident != NULL)
        ident->arena = arena_new();
    if (ident == NULL || ident->arena == NULL) {
        free(ident);
        fault_set(fault, "53200", "out of memory while reading the maps of users");
        return NULL;
    }
    ident->regexes.arena = ident->arena;
    ident->end = &ident->first;
    return ident;
}

struct ident *ident_load(const char *path, struct problems *problems, struct fault *fault)
{
    struct ident *ident = ident_new(fault);
    struct hba_collect collect = { .result = ident, .take = line_take, .problems = problems };

    if (ident == NULL)
        return NULL;
    collect.arena = ident->arena;
    if (hba_collect_file(&collect, path, fault))
        return ident;
    ident_free(ident);
    return NULL;
}

struct ident *ident_parse(const char *text, size_t length, const char *where, struct problems *problems,
                          struct fault *fault)
{
    struct ident *ident = ident_new(fault);
    struct hba_collect collect = { .result = ident, .take = line_take, .problems = problems };

    if (ident == NULL)
        return NULL;
    collect.arena = ident->arena;
    if (hba_collect_text(&collect, text, length, where, fault))
        return ident;
    ident_free(ident);
    return NULL;
}

void ident_free(struct ident *ident)
{
    if (ident == NULL)
        return;
    hba_regexes_free(&ident->regexes);
    arena_free(ident->arena);
    free(ident);
}

bool ident_asks_members(const struct ident *ident)
{
    return ident->asks_members;
}

/* Whether `text` is `pattern` with the bytes from `group` in place of the \1 at `insert`. */
static bool inserted_equals(const char *pattern, const char *insert, const char *group, size_t group_length,
                            const char *text)
{
    size_t before = (size_t)(insert - pattern);

    return strlen(text) == before + group_length + strlen(insert + 2) && memcmp(text, pattern, before) == 0
           && memcmp(text + before, group, group_length) == 0
           && strcmp(text + before + group_length, insert + 2) == 0;
}

/* Only the first \1 counts, and what it becomes is a name, never a keyword or a role's. HBA_UNKNOWN when the
 * group took no part in the match: as in PostgreSQL, no later line is looked at then. */
static enum hba_answer line_match(const struct ident_line *line, const struct ident_question *question)
{
    const char *system_user = question->system_user;
    regmatch_t groups[2];
    bool same;

    if (line->regex == NULL && strcmp(line->system_user, system_user) != 0)
        return HBA_NO;
    if (line->regex != NULL && regexec(line->regex, system_user, 2, groups, 0) != 0)
        return HBA_NO;
    if (line->insert == NULL)
        return hba_names_match_user(line->names, question->database_user, &question->members) == HBA_YES
                   ? HBA_YES : HBA_NO;
    if (groups[1].rm_so < 0)
        return HBA_UNKNOWN;
    same = inserted_equals(line->names->text, line->insert, system_user + groups[1].rm_so,
                           (size_t)(groups[1].rm_eo - groups[1].rm_so), question->database_user);
    return same ? HBA_YES : HBA_NO;
}

bool ident_match(const struct ident *ident, const char *map, const struct ident_question *question)
{
    const struct ident_line *line = ident == NULL ? NULL : ident->first;
    enum hba_answer answer = HBA_NO;

    if (strlen(question->system_user) > IDENT_NAME_MAX_BYTES)
        return false;
    if (map == NULL)
        return strcmp(question->system_user, question->database_user) == 0;
    for (; line != NULL && answer == HBA_NO; line = line->next) {
        if (strcmp(line->map, map) == 0)
            answer = line_match(line, question);
    }
    return answer == HBA_YES;
}
