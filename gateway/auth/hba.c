/* SPDX-License-Identifier: PostgreSQL
 * hba - rules in the format of pg_hba.conf: makes them from lines. */
#include "gateway/auth/hba.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/problems.h"
#include "gateway/auth/hba_collect.h"
#include "gateway/auth/hba_options.h"
#include "gateway/auth/hba_regex.h"
#include "gateway/base/arena.h"
#include "gateway/base/fault.h"

struct hba {
    struct arena *arena;
    struct hba_regexes regexes;
    struct hba_interfaces interfaces;
    struct hba_rule *first, *last;
    size_t count;
    bool asks_members;
};

/* A line on its way to a rule. */
struct maker {
    struct hba *hba;
    struct hba_draft draft;
    const struct hba_field *field; /* the next one */
};

static const struct { const char *word; enum hba_type type; } types[] = {
    { "local", HBA_LOCAL },         { "host", HBA_HOST },
    { "hostssl", HBA_HOSTSSL },     { "hostnossl", HBA_HOSTNOSSL },
    { "hostgssenc", HBA_HOSTGSSENC }, { "hostnogssenc", HBA_HOSTNOGSSENC },
};

static const struct { const char *word; enum auth_type method; } methods[] = {
#define HBA_METHOD(word, id) { word, AUTH_##id },
#define HBA_FOREIGN(word)
#define HBA_OPTION(name, takes, methods)
#include "gateway/auth/hba_methods.def"
#undef HBA_METHOD
#undef HBA_FOREIGN
};

static const char *const foreign[] = {
#define HBA_METHOD(word, id)
#define HBA_FOREIGN(word) word,
#include "gateway/auth/hba_methods.def"
};

static bool refuse(struct maker *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(struct maker *m, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(m->draft.why, sizeof m->draft.why, format, args);
    va_end(args);
    return false;
}

/* The tokens of the next field, NULL with a problem when there is none. */
static const struct hba_token *tokens_next(struct maker *m, const char *what)
{
    const struct hba_field *field = m->field;

    if (field == NULL) {
        refuse(m, "the line ends where %s is expected", what);
        return NULL;
    }
    m->field = field->next;
    return field->tokens;
}

static const struct hba_token *token_next(struct maker *m, const char *what)
{
    const struct hba_token *token = tokens_next(m, what);

    if (token == NULL || token->next == NULL)
        return token;
    refuse(m, "%s is expected, found a list; write one line for each", what);
    return NULL;
}

/* What is shown of a word that may be an option with a secret. */
static int shown(const char *text)
{
    size_t length = strcspn(text, "=");

    return length < 60 ? (int)length : 60;
}

static bool type_take(struct maker *m)
{
    const struct hba_token *token = token_next(m, "the type of connection");

    for (size_t i = 0; token != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcmp(token->text, types[i].word) == 0) {
            m->draft.rule->type = types[i].type;
            return true;
        }
    }
    return token != NULL && refuse(m, "expected local, host, hostssl, hostnossl, hostgssenc or hostnogssenc, "
                                      "found \"%.*s\"", shown(token->text), token->text);
}

static bool names_take(struct maker *m)
{
    struct hba_rule *rule = m->draft.rule;
    struct hba *hba = m->hba;
    char *why = m->draft.why;
    const struct hba_token *databases = tokens_next(m, "a database");
    const struct hba_token *users = databases == NULL ? NULL : tokens_next(m, "a user");

    if (users == NULL ||
        !hba_names_of_databases(&hba->regexes, databases, &rule->databases, why, sizeof m->draft.why) ||
        !hba_names_of_users(&hba->regexes, users, &rule->users, why, sizeof m->draft.why))
        return false;
    hba->asks_members = hba->asks_members || hba_names_ask(rule->databases) || hba_names_ask(rule->users);
    return true;
}

static bool addresses_take(struct maker *m)
{
    struct hba_addresses *addresses = &m->draft.rule->addresses;
    const struct hba_token *token;

    if (m->draft.rule->type == HBA_LOCAL)
        return true;
    token = token_next(m, "an address");
    if (token == NULL ||
        !hba_address_parse(addresses, &m->hba->interfaces, m->hba->arena, token, m->draft.why,
                           sizeof m->draft.why))
        return false;
    if (!addresses->wants_mask)
        return true;
    token = token_next(m, "the address's mask");
    return token != NULL && hba_address_mask(addresses, token->text, m->draft.why, sizeof m->draft.why);
}

static bool method_fits(struct maker *m, const char *word)
{
    const struct hba_rule *rule = m->draft.rule;

    if (rule->method == AUTH_PEER && rule->type != HBA_LOCAL)
        return strcmp(word, "ident") == 0
                   ? refuse(m, "the method ident is supported on local lines only, where it means peer: over "
                               "a network the client's own machine would say who the client is")
                   : refuse(m, "the method peer is for local lines only, as a network has no peer to ask");
    if (rule->method == AUTH_CERT && rule->type != HBA_HOSTSSL)
        return refuse(m, "the method cert is for hostssl lines only, as certificates come with TLS");
    return true;
}

static bool method_take(struct maker *m)
{
    const struct hba_token *token = token_next(m, "a method of authentication");

    if (token == NULL)
        return false;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(token->text, methods[i].word) == 0) {
            m->draft.rule->method = methods[i].method;
            return method_fits(m, token->text);
        }
    }
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (strcmp(token->text, foreign[i]) == 0)
            return refuse(m, "the method %s is not supported here; PostgreSQL itself can do it behind the "
                             "method relay", foreign[i]);
    }
    return refuse(m, "expected a method such as scram-sha-256, found \"%.*s\"", shown(token->text),
                  token->text);
}

static bool line_take(struct hba_collect *collect, const struct hba_line *line)
{
    struct hba *hba = collect->result;
    struct hba_rule *rule;
    struct maker m = { .hba = hba, .field = line->fields };

    if (hba->count == HBA_RULES_MAX) {
        problems_add(collect->problems, line->file, line->number, "there are more than 10000 rules");
        return false;
    }
    rule = arena_alloc(hba->arena, sizeof *rule);
    rule->file = line->file;
    rule->line = line->number;
    m.draft.rule = rule;
    m.draft.arena = hba->arena;
    hba->count++;
    if (!type_take(&m) || !names_take(&m) || !addresses_take(&m) || !method_take(&m) ||
        !hba_options_take(&m.draft, m.field)) {
        problems_add(collect->problems, line->file, line->number, "%s", m.draft.why);
        return true;
    }
    if (hba->last == NULL)
        hba->first = rule;
    else
        hba->last->next = rule;
    hba->last = rule;
    return true;
}

static struct hba *hba_new(struct fault *fault)
{
    struct hba *hba = calloc(1, sizeof *hba);

    if (hba != NULL)
        hba->arena = arena_new();
    if (hba == NULL || hba->arena == NULL) {
        free(hba);
        fault_set(fault, "53200", "out of memory while reading the rules of authentication");
        return NULL;
    }
    hba->regexes.arena = hba->arena;
    return hba;
}

/* Nothing is half loaded, and a file without a rule would only lock everybody out. */
static struct hba *hba_finish(struct hba *hba, bool good, const char *where, struct problems *problems,
                              struct fault *fault)
{
    static const char empty[] = "at least one rule is expected, found none: nobody could log in";

    if (good && hba->count > 0)
        return hba;
    if (good) {
        fault_set(fault, "F0000", "%.200s: %s", where, empty);
        if (problems != NULL)
            problems_add(problems, where, 0, "%s", empty);
    }
    hba_free(hba);
    return NULL;
}

struct hba *hba_load(const char *path, struct problems *problems, struct fault *fault)
{
    struct hba *hba = hba_new(fault);
    struct hba_collect collect = { .result = hba, .take = line_take, .problems = problems };

    if (hba == NULL)
        return NULL;
    collect.arena = hba->arena;
    return hba_finish(hba, hba_collect_file(&collect, path, fault), path, problems, fault);
}

struct hba *hba_parse(const char *text, size_t length, const char *where, struct problems *problems,
                      struct fault *fault)
{
    struct hba *hba = hba_new(fault);
    struct hba_collect collect = { .result = hba, .take = line_take, .problems = problems };

    if (hba == NULL)
        return NULL;
    collect.arena = hba->arena;
    return hba_finish(hba, hba_collect_text(&collect, text, length, where, fault), where, problems, fault);
}

void hba_free(struct hba *hba)
{
    if (hba == NULL)
        return;
    hba_regexes_free(&hba->regexes);
    arena_free(hba->arena);
    free(hba);
}

const struct hba_rule *hba_first(const struct hba *hba)
{
    return hba->first;
}

size_t hba_count(const struct hba *hba)
{
    return hba->count;
}

bool hba_asks_members(const struct hba *hba)
{
    return hba->asks_members;
}
