/* SPDX-License-Identifier: PostgreSQL
 * options - the rows of options.def by scope, and the words that options may have. */
#include "conf/options.h"

#include "conf/conditions.h"
#include "conf/snapshot.h"

const struct conf_word log_level_words[] = {
    { "error", 0 }, { "warn", 1 }, { "info", 2 }, { "debug", 3 }, { 0 }
};

#define HOLDER_process struct snapshot
#define HOLDER_listener struct listener_options
#define HOLDER_upstream struct upstream_options
#define HOLDER_route struct route_options
#define HOLDER_match struct match_options
#define HOLDER_pool struct pool_options
#define HOLDER_auth struct auth_options
#define HOLDER_tls struct tls_options
#define HOLDER_budget struct snapshot
#define HOLDER_limits struct snapshot
#define HOLDER_admin struct snapshot
/* The function that `pgsluice setup` makes; who may not log in has no row there. */
#define AUTH_QUERY_DEFAULT "SELECT name, secret FROM pgsluice.user_secret($1)"
#define DAYS(n) ((n) * INT64_C(86400000000))

static const struct conf_row rows[] = {
#define OPTION(scope, field, type, name, fallback, min, max, words, unit, reload, doc)                     \
    { name, CONF_##type, offsetof(HOLDER_##scope, field), fallback, min, max, words, unit,                 \
      CONF_##reload, doc },
#include "conf/options.def"
#undef OPTION
};

static const enum option_scope scopes[] = {
#define OPTION(scope, ...) OPTIONS_##scope,
#include "conf/options.def"
#undef OPTION
};

/* A row whose type does not fit its field would write beside it. */
#define FIELD_INT int
#define FIELD_BOOL bool
#define FIELD_DURATION uint64_t
#define FIELD_SIZE int64_t
#define FIELD_STRING const char *
#define FIELD_WORD const char *
#define FIELD_PATH const char *
#define FIELD_ENUM int
#define FIELD_STRINGS struct strings
#define FIELD_TEXTS struct strings
#define FIELD_PAIRS struct pairs
#define FIELD_STATE struct session_state
#define OPTION(scope, field, type, name, ...)                                                              \
    _Static_assert(sizeof(((HOLDER_##scope *)0)->field) == sizeof(FIELD_##type), "the field of " name);
#include "conf/options.def"
#undef OPTION

static const struct {
    const char *place, *doc;
} places[] = {
#define SCOPE(scope, place, doc) { place, doc },
#include "conf/scopes.def"
#undef SCOPE
};

const struct conf_row *options_rows(enum option_scope scope, size_t *count)
{
    size_t first = 0, end;

    while (scopes[first] != scope)
        first++;
    for (end = first; end < sizeof rows / sizeof rows[0] && scopes[end] == scope; end++)
        continue;
    *count = end - first;
    return &rows[first];
}

const char *option_scope_place(enum option_scope scope)
{
    return places[scope].place;
}

const char *option_scope_doc(enum option_scope scope)
{
    return places[scope].doc;
}
