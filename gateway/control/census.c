/* SPDX-License-Identifier: PostgreSQL
 * census - PostgreSQL's answer to the control question, row by row. */
#include "gateway/control/census.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/fault.h"

#define ANNOUNCEMENT_FORMAT "pgsluice control %016llx want=%d use=%d"

enum { GATEWAYS_MAX = 1000, SLOTS_MAX = 1000000 };

/* Only who logs in as this gateway does can claim to be one. What may not be seen of other roles' backends
 * is their kind: those in a database are taken for clients. */
static const char query[] =
    "SELECT 'fact', 'announced', '0', set_config('application_name', $1, false), NULL "
#define FACT(field, sql, sentence) "UNION ALL SELECT 'fact', '" #field "', (" sql ")::text, NULL, NULL "
#include "router/facts.def"
#undef FACT
    "UNION ALL SELECT 'backend', a.pid::text, coalesce(a.backend_type, 'client backend'), a.datname::text, "
    "a.usename::text FROM pg_stat_activity a WHERE a.backend_type IN ('client backend', 'walsender') "
    "OR (a.backend_type IS NULL AND a.usesysid IS NOT NULL AND a.datid IS NOT NULL) "
    "UNION ALL SELECT 'gateway', a.pid::text, a.application_name, NULL, NULL FROM pg_stat_activity a "
    "WHERE a.application_name LIKE 'pgsluice control %' AND a.pid <> pg_backend_pid() "
    "AND a.usename = session_user "
    "UNION ALL SELECT 'role', rolname::text, rolconnlimit::text, NULL, NULL FROM pg_roles "
    "WHERE rolconnlimit >= 0 AND NOT rolsuper "
    "UNION ALL SELECT 'database', datname::text, datconnlimit::text, NULL, NULL FROM pg_database "
    "WHERE datconnlimit >= 0";

const char *census_query(void)
{
    return query;
}

struct census *census_new(void)
{
    struct arena *arena = arena_new();
    struct census *census = arena == NULL ? NULL : arena_alloc(arena, sizeof *census);

    if (census != NULL)
        census->arena = arena;
    return census;
}

void census_free(struct census *census)
{
    if (census != NULL)
        arena_free(census->arena);
}

/* The next free one of a growing array; what it grew out of stays in the arena. */
static void *add(struct census *census, void *items, size_t *count, size_t *room, size_t size)
{
    void **array = items;

    if (*count == *room) {
        size_t wider = *room == 0 ? 64 : *room * 2;
        void *moved = arena_alloc(census->arena, wider * size);

        if (*count > 0)
            memcpy(moved, *array, *count * size);
        *array = moved;
        *room = wider;
    }
    return (char *)*array + size * (*count)++;
}

static bool number(const char *text, int64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static void backend_add(struct census *census, const char *const texts[5], uint32_t pid)
{
    struct budget_backend *backend = add(census, &census->backends, &census->backend_count,
                                         &census->backend_room, sizeof *backend);

    *backend = (struct budget_backend){.pid = pid,
                                       .walsender = strcmp(texts[2], "walsender") == 0,
                                       .database = arena_string(census->arena, texts[3]),
                                       .user = arena_string(census->arena, texts[4])};
}

static void gateway_add(struct census *census, const char *announcement, uint32_t pid)
{
    struct census_gateway found;
    struct census_gateway *gateway;

    if (census->gateway_count >= GATEWAYS_MAX || !announcement_read(announcement, &found))
        return;
    gateway = add(census, &census->gateways, &census->gateway_count, &census->gateway_room, sizeof *gateway);
    *gateway = found;
    gateway->pid = pid;
}

static void limit_add(struct census *census, bool role, const char *name, int64_t value)
{
    struct budget_limit *limit = add(census, &census->limits, &census->limit_count, &census->limit_room,
                                     sizeof *limit);

    *limit = (struct budget_limit){role ? PARTY_USER : PARTY_DATABASE, arena_string(census->arena, name),
                                   value > SLOTS_MAX ? SLOTS_MAX : (int)value};
}

static bool row_take(struct census *census, const char *const texts[5])
{
    bool fact = strcmp(texts[0], "fact") == 0, role = strcmp(texts[0], "role") == 0;
    bool named = fact || role || strcmp(texts[0], "database") == 0;
    int64_t value;

    if (!number(texts[named ? 2 : 1], &value))
        return false;
    if (fact)
        return strcmp(texts[1], "announced") == 0 || facts_set(&census->facts, texts[1], value);
    if (named)
        limit_add(census, role, texts[1], value);
    else if (value <= 0 || value > UINT32_MAX)
        return false;
    else if (strcmp(texts[0], "backend") == 0)
        backend_add(census, texts, (uint32_t)value);
    else
        gateway_add(census, texts[2], (uint32_t)value);
    return true;
}

bool census_row(struct census *census, const char *const texts[5], struct fault *fault)
{
    if (++census->rows > CENSUS_ROWS_MAX)
        return fault_set(fault, "54000", "PostgreSQL named more than %d backends and limits",
                         CENSUS_ROWS_MAX);
    if (row_take(census, texts))
        return true;
    return fault_set(fault, "42804",
                     "PostgreSQL answered \"%.40s %.80s %.80s\" about itself, which makes no sense", texts[0],
                     texts[1], texts[2]);
}

void announcement_print(char text[ANNOUNCEMENT_BYTES], uint64_t id, int want, int use)
{
    snprintf(text, ANNOUNCEMENT_BYTES, ANNOUNCEMENT_FORMAT, (unsigned long long)id, want, use);
}

bool announcement_read(const char *text, struct census_gateway *gateway)
{
    unsigned long long id;
    int want, use, end = 0;

    if (strlen(text) >= ANNOUNCEMENT_BYTES ||
        sscanf(text, "pgsluice control %16llx want=%7d use=%7d%n", &id, &want, &use, &end) != 3 ||
        text[end] != '\0' || want < 0 || use < 0 || want > SLOTS_MAX || use > SLOTS_MAX)
        return false;
    *gateway = (struct census_gateway){.id = id, .want = want, .use = use};
    return true;
}
