# SPDX-License-Identifier: PostgreSQL
"""tree - which files of the checkout the rules are about."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".git", "build", "corpus", "__pycache__"}


def files(*endings, under=("gateway", "router", "conf", "backup", "tests", ".ci", "Makefile"), root=ROOT):
    """Paths relative to root, sorted, of the files with one of these endings."""
    found = []
    for top in under:
        if (root / top).is_file():
            found.append(top)
        for directory, names, inside in os.walk(root / top):
            names[:] = [name for name in names if name not in SKIPPED]
            found += [os.path.relpath(os.path.join(directory, name), root) for name in inside]
    return sorted(path for path in found if not endings or path.endswith(endings))


def report(problems):
    """Prints the problems and ends the program with 1 when there are any."""
    print("\n".join(problems))
    sys.exit(1 if problems else 0)
