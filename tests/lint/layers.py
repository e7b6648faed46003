# SPDX-License-Identifier: PostgreSQL
"""layers - include lines may only point down: base, then wire, net and conf, then router, then the gateway."""

import re

import tree

# The first row that fits a file's path says which directories its quoted includes may come from.
ALLOWED = [
    ("gateway/base/", ["gateway/base/"]),
    ("conf/", ["conf/", "gateway/base/"]),
    ("gateway/wire/", ["gateway/wire/", "gateway/base/"]),
    ("gateway/net/", ["gateway/net/", "gateway/base/"]),
    ("gateway/session/", ["gateway/session/", "gateway/wire/", "gateway/net/", "gateway/base/", "conf/", "router/"]),
    ("router/", ["router/", "conf/", "gateway/wire/", "gateway/net/", "gateway/base/"]),
    ("gateway/", ["gateway/", "router/", "conf/"]),
    ("backup/", ["backup/", "conf/", "gateway/base/"]),
    ("tests/", ["tests/", "gateway/", "router/", "conf/", "backup/"]),
]
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)


def problems_of(path, text):
    allowed = next((targets for prefix, targets in ALLOWED if path.startswith(prefix)), [])
    found = []
    for match in INCLUDE.finditer(text):
        target, line = match[1], text.count("\n", 0, match.start()) + 1
        if "/" not in target or target.startswith("."):
            found.append(f'{path}:{line}: "{target}" is not a path from the root')
        elif not any(target.startswith(prefix) for prefix in allowed):
            found.append(f'{path}:{line}: "{target}" is not below {path}; allowed are {", ".join(allowed)}')
        elif not (tree.ROOT / target).exists():
            found.append(f'{path}:{line}: "{target}" does not exist')
    return found


def main():
    tree.report([problem for path in tree.files(".c", ".h", ".def") for problem in
                 problems_of(path, (tree.ROOT / path).read_text())])


if __name__ == "__main__":
    main()
