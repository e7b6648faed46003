# SPDX-License-Identifier: PostgreSQL
"""selftest - each rule is shown something that breaks it and something that does not."""

import ceilings
import layers
import words

GOOD = '/* SPDX-License-Identifier: PostgreSQL\n * pool - servers. */\n#include "router/pool.h"\n'


def function(lines=1, parameters="void", inside="    work();\n"):
    return f"static int long_one({parameters})\n{{\n" + inside * lines + "}\n"


def nested(levels):
    return "".join("    " * n + "if (x)\n" for n in range(1, levels + 1)) + "    " * (levels + 1) + "work();\n"


BREAKS = [
    layers.problems_of("gateway/base/list.c", '#include "gateway/net/stream.h"'),
    layers.problems_of("router/pool.c", '#include "gateway/session/statement.h"'),
    layers.problems_of("conf/conf.c", '#include "router/pool.h"'),
    layers.problems_of("backup/main.c", '#include "gateway/wire/frame.h"'),
    layers.problems_of("gateway/wire/frame.c", '#include "gateway/net/stream.h"'),
    layers.problems_of("router/pool.c", '#include "pool.h"'),
    ceilings.problems_of("a.c", "\n" * 401),
    ceilings.problems_of("a.h", "\n" * 121),
    ceilings.problems_of("a.c", "x" * 111),
    ceilings.problems_of("a.c", function(lines=58)),
    ceilings.problems_of("a.c", function(parameters="int a, int b, int c, int d, int e, int f, int g")),
    ceilings.problems_of("a.c", function(inside=nested(4))),
    ceilings.problems_of("a.c", "int x; \n"),
    words.problems_of("router/pool.c", "int x;\n"),
    words.problems_of("router/pool.c", GOOD.replace("pool - servers.", "another - thing.")),
    words.problems_of("router/pool.c", GOOD + "/* TO" "DO: more */"),
    words.problems_of("router/pool.c", GOOD + "typedef struct pool pool;"),
    words.problems_of("router/pool.h", GOOD),
]
KEEPS = [
    layers.problems_of("router/pool.c", '#include <ev.h>\n#include "gateway/base/list.h"\n#include "conf/types.h"'),
    layers.problems_of("gateway/base/list.h", '#include "gateway/base/check.h"'),
    ceilings.problems_of("a.c", "\n" * 400),
    ceilings.problems_of("a.c", function(lines=57)),
    ceilings.problems_of("a.c", function(parameters="int a, void (*b)(int, int), int c, int d, int e, int f")),
    ceilings.problems_of("a.c", function(inside=nested(3))),
    ceilings.problems_of("a.c", 'static const char text[] = "{ if ( } ";\n/* } */\n' + function()),
    words.problems_of("router/pool.c", GOOD),
    words.problems_of("router/pool.h", GOOD + "#pragma once\n"),
]

for number, found in enumerate(BREAKS):
    assert found, f"case {number} breaks a rule and nobody noticed"
for number, found in enumerate(KEEPS):
    assert not found, f"case {number} keeps the rules and was accused: {found}"
