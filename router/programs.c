/* SPDX-License-Identifier: PostgreSQL
 * programs - which class an application_name belongs to. */
#include "router/programs.h"

#include <stddef.h>

#include "conf/pattern.h"

static const struct {
    const char *pattern;
    enum class class;
} programs[] = {
#define PROGRAM(pattern, class) { pattern, CLASS_##class },
#include "router/programs.def"
#undef PROGRAM
};

bool program_class(const char *application_name, enum class *class)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (!glob_matches(programs[i].pattern, application_name))
            continue;
        *class = programs[i].class;
        return true;
    }
    return false;
}
