/* SPDX-License-Identifier: PostgreSQL
 * hba_collect - reads a whole pg_hba.conf or pg_ident.conf, and collects everything that is wrong with it. */
#include "gateway/auth/hba_collect.h"

#include "conf/problems.h"
#include "gateway/auth/hba_tokens.h"
#include "gateway/base/fault.h"

static bool line_take(void *context, const struct hba_line *line)
{
    struct hba_collect *collect = context;

    return collect->take(collect, line);
}

/* The fault is the first problem; `others` gets all of them. */
static void problems_tell(const struct problems *mine, struct problems *others, bool unreadable,
                          struct fault *fault)
{
    const struct problem *first = mine->first;
    const char *sqlstate = unreadable ? "58P01" : "F0000";

    if (first->line > 0)
        fault_set(fault, sqlstate, "%.200s line %d: %s", first->file, first->line, first->text);
    else
        fault_set(fault, sqlstate, "%.200s: %s", first->file, first->text);
    if (mine->count > 1)
        fault_hint(fault, "It is the first of %zu problems; `pgsluice check` shows them.", mine->count);
    if (others == NULL)
        return;
    for (const struct problem *one = first; one != NULL; one = one->next)
        problems_add(others, one->file, one->line, "%s", one->text);
    if (mine->count > PROBLEMS_MAX)
        others->count += mine->count - PROBLEMS_MAX;
}

/* The file at path, or the text when there is no path. */
static bool collect_run(struct hba_collect *collect, const char *path, const char *text, size_t length,
                        const char *where, struct fault *fault)
{
    struct problems mine, *others = collect->problems;
    struct hba_reader reader = { .arena = collect->arena, .problems = &mine, .take = line_take,
                                 .context = collect };
    bool good;

    if (!problems_init(&mine))
        return fault_set(fault, "53200", "out of memory while reading \"%.200s\"", where);
    collect->problems = &mine;
    if (path != NULL)
        hba_tokens_of_file(&reader, path);
    else
        hba_tokens_of_text(&reader, text, length, where);
    collect->problems = others;
    good = mine.count == 0;
    if (!good)
        problems_tell(&mine, others, reader.unreadable, fault);
    problems_free(&mine);
    return good;
}

bool hba_collect_file(struct hba_collect *collect, const char *path, struct fault *fault)
{
    return collect_run(collect, path, NULL, 0, path, fault);
}

bool hba_collect_text(struct hba_collect *collect, const char *text, size_t length, const char *where,
                      struct fault *fault)
{
    return collect_run(collect, NULL, text, length, where, fault);
}
