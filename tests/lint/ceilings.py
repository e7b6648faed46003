# SPDX-License-Identifier: PostgreSQL
"""ceilings - limits: .c files 400 lines, headers 120, functions 60 lines, 6 parameters, 3 levels, lines 110 columns."""

import re

import tree

FILE_LINES = {".c": 400, ".h": 120}
FUNCTION = re.compile(r"^(?!typedef|struct \w+ \{|enum|union)[\w][^\n;={}]*?(\w+)\(([^;{}]*)\)\s*\n\{", re.M)
FUNCTION_LINES, PARAMETERS, NESTING, COLUMNS = 60, 6, 3, 110


def blank(text):
    """The text with comments, strings and characters replaced by spaces, line breaks kept."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.S)


def functions(text):
    """(name, parameters, first line, last line, deepest nesting) of every function defined in the text."""
    code = blank(text)
    for match in FUNCTION.finditer(code):
        end = code.find("\n}", match.end())
        body = code[match.end():end]
        parameters = 0 if match[2].strip() in ("", "void") else split(match[2])
        first = code.count("\n", 0, match.start()) + 1
        yield match[1], parameters, first, first + code.count("\n", match.start(), end) + 1, depth(body)


def split(parameters):
    """How many parameters: commas outside parentheses, plus one."""
    level, count = 0, 1
    for character in parameters:
        level += (character == "(") - (character == ")")
        count += character == "," and level == 0
    return count



def depth(body):
    """How deep control structures nest, read from the indentation, which the formatter guarantees."""
    deepest = 0
    for line in body.split("\n"):
        found = re.match(r"( *)(?:\} )?(if|for|while|do|switch)\b", line)
        if found and not re.match(r" *\} while", line):
            deepest = max(deepest, len(found[1]) // 4)
    return deepest


def problems_of(path, text):
    found = []
    limit = next((lines for ending, lines in FILE_LINES.items() if path.endswith(ending)), None)
    lines = text.count("\n")
    if limit and lines > limit:
        found.append(f"{path}: {lines} lines, at most {limit}")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > COLUMNS:
            found.append(f"{path}:{number}: {len(line)} columns, at most {COLUMNS}")
        if line != line.rstrip():
            found.append(f"{path}:{number}: blanks at the end of the line")
    for name, parameters, first, last, nesting in functions(text):
        if last - first + 1 > FUNCTION_LINES:
            found.append(f"{path}:{first}: {name} has {last - first + 1} lines, at most {FUNCTION_LINES}")
        if parameters > PARAMETERS:
            found.append(f"{path}:{first}: {name} has {parameters} parameters, at most {PARAMETERS}")
        if nesting > NESTING:
            found.append(f"{path}:{first}: {name} nests {nesting} deep, at most {NESTING}")
    return found


def main():
    tree.report([problem for path in tree.files(".c", ".h") for problem in
                 problems_of(path, (tree.ROOT / path).read_text())])


if __name__ == "__main__":
    main()
