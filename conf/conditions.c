/* SPDX-License-Identifier: PostgreSQL
 * conditions - the match group of a route, compiled: which connections the route is for. */
#include "conf/conditions.h"

#include <string.h>

#include "conf/conf.h"
#include "conf/options.h"
#include "gateway/base/arena.h"

enum { PARAMETERS_MAX = 32 };

typedef bool compile_function(struct pattern *, const char *, char *, size_t);

static void patterns_compile(struct conf_group *group, const char *key, const struct strings *texts,
                             compile_function *compile, struct patterns *patterns)
{
    char why[256];

    for (size_t i = 0; i < texts->count; i++) {
        if (compile(&patterns->items[patterns->count], texts->items[i], why, sizeof why))
            patterns->count++;
        else
            conf_problem(group, key, "%s, found \"%.80s\"", why, texts->items[i]);
    }
}

static struct patterns patterns_of(struct conf_group *group, const char *key, const struct strings *texts,
                                   compile_function *compile, struct arena *arena)
{
    struct patterns patterns = { 0 };

    if (texts->count > 0)
        patterns.items = arena_alloc(arena, texts->count * sizeof *patterns.items);
    patterns_compile(group, key, texts, compile, &patterns);
    return patterns;
}

/* Each value must be one of the words, or a pattern that at least one of them fits. */
static void patterns_check(struct conf_group *group, const char *key, const struct patterns *patterns,
                           const struct conf_word *words, const char *expected)
{
    for (size_t i = 0; i < patterns->count; i++) {
        const struct conf_word *word = words;

        while (word->word != NULL && !pattern_matches(&patterns->items[i], word->word))
            word++;
        if (word->word == NULL)
            conf_problem(group, key, "expected %s, found \"%.80s\"", expected, patterns->items[i].text);
    }
}

static void parameters_read(struct conf_group *group, struct match *match, struct arena *arena)
{
    struct conf_group parameters = conf_child(group, "parameters");
    const char *key;

    match->parameters = arena_alloc(arena, PARAMETERS_MAX * sizeof *match->parameters);
    for (size_t i = 0; (key = conf_key(&parameters, i)) != NULL; i++) {
        struct conf_row row = { .name = arena_string(arena, key), .type = CONF_TEXTS, .min = 1, .max = 64 };
        struct strings texts = { 0 };

        if (i == PARAMETERS_MAX) {
            conf_problem(&parameters, key, "expected at most %d parameters; remove some", PARAMETERS_MAX);
            return;
        }
        conf_read(&parameters, &row, 1, &texts);
        match->parameters[match->parameter_count++] = (struct parameter_condition){
            .name = row.name, .patterns = patterns_of(&parameters, row.name, &texts, pattern_compile, arena)
        };
    }
}

struct match *conditions_read(struct conf_group *route, struct arena *arena)
{
    static const struct conf_word flags[] = { { "true", 1 }, { "false", 0 }, { 0 } };
    static const struct conf_word kinds[] = {
        { "true", 1 }, { "false", 0 }, { "physical", 1 }, { "logical", 1 }, { 0 }
    };
    struct conf_group group = conf_child(route, "match");
    struct match *match = arena_alloc(arena, sizeof *match);
    struct match_options options = { 0 };
    size_t count;
    const struct conf_row *rows = options_rows(OPTIONS_match, &count);

    conf_read(&group, rows, count, &options);
    match->class = patterns_of(&group, "class", &options.class, pattern_compile, arena);
    match->user = patterns_of(&group, "user", &options.user, pattern_compile, arena);
    match->database = patterns_of(&group, "database", &options.database, pattern_compile, arena);
    match->application_name =
        patterns_of(&group, "application_name", &options.application_name, pattern_compile, arena);
    match->replication = patterns_of(&group, "replication", &options.replication, pattern_compile, arena);
    match->listener = patterns_of(&group, "listener", &options.listener, pattern_compile, arena);
    match->client_addr =
        patterns_of(&group, "client_addr", &options.client_addr, pattern_compile_address, arena);
    match->tls = patterns_of(&group, "tls", &options.tls, pattern_compile, arena);
    patterns_check(&group, "class", &match->class, class_words,
                   "one of app, dump, restore, backup, replication, maintenance, admin");
    patterns_check(&group, "replication", &match->replication, kinds,
                   "true, false, \"physical\" or \"logical\"");
    patterns_check(&group, "tls", &match->tls, flags, "true or false");
    parameters_read(&group, match, arena);
    conf_end(&group);
    return match;
}

static void patterns_free(struct patterns *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        pattern_free(&patterns->items[i]);
    patterns->count = 0;
}

void conditions_free(struct match *match)
{
    patterns_free(&match->class);
    patterns_free(&match->user);
    patterns_free(&match->database);
    patterns_free(&match->application_name);
    patterns_free(&match->replication);
    patterns_free(&match->listener);
    patterns_free(&match->client_addr);
    patterns_free(&match->tls);
    for (size_t i = 0; i < match->parameter_count; i++)
        patterns_free(&match->parameters[i].patterns);
}

bool conditions_name_class(const struct match *match, enum class class)
{
    for (size_t i = 0; i < match->class.count; i++)
        if (pattern_matches(&match->class.items[i], class_name(class)))
            return true;
    return false;
}
