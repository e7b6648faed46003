/* SPDX-License-Identifier: PostgreSQL
 * facts - what a PostgreSQL server said about itself at some moment. */
#include "router/facts.h"

#include <string.h>

static const struct fact {
    const char *name, *sql;
    size_t offset;
} all[] = {
#define FACT(field, sql, sentence) {#field, sql, offsetof(struct host_facts, field)},
#include "router/facts.def"
#undef FACT
};

bool facts_set(struct host_facts *facts, const char *name, int64_t value)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].name, name) != 0)
            continue;
        memcpy((char *)facts + all[i].offset, &value, sizeof value);
        return true;
    }
    return false;
}

const char *facts_name(size_t index, const char **sql)
{
    if (index >= sizeof all / sizeof *all)
        return NULL;
    *sql = all[index].sql;
    return all[index].name;
}
