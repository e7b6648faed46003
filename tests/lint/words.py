# SPDX-License-Identifier: PostgreSQL
"""words - every source file begins with its licence and `name - one sentence.`, and none says that it is unfinished."""

import os
import re

import tree

LICENCE = "SPDX-License-Identifier: PostgreSQL"
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|place" r"holder|not " r"implemented)\b")
TYPEDEF = re.compile(r"^\s*typedef\s+(struct|union|enum)\b", re.M)
SOURCES = (".c", ".h", ".py", ".sh", ".def")


def problems_of(path, text):
    found = []
    head = text.split("\n")[:4]
    name = os.path.splitext(os.path.basename(path))[0]
    if not path.endswith(".def") or name == "options":
        if LICENCE not in "\n".join(head[:2]):
            found.append(f"{path}:1: expected `{LICENCE}` in the first lines")
        if not re.search(rf"\b{re.escape(name)} - \S.*", "\n".join(head)):
            found.append(f"{path}:2: expected `{name} - one sentence.` at the top")
    for match in UNFINISHED.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.append(f"{path}:{line}: `{match[0]}` says that something is unfinished")
    if path.endswith((".c", ".h")):
        found += [f"{path}:{text.count(chr(10), 0, match.start()) + 1}: structs are not typedef'd"
                  for match in TYPEDEF.finditer(text)]
    if path.endswith(".h") and "#pragma once" not in text:
        found.append(f"{path}: expected #pragma once")
    return found


def main():
    tree.report([problem for path in tree.files(*SOURCES) for problem in
                 problems_of(path, (tree.ROOT / path).read_text())])


if __name__ == "__main__":
    main()
