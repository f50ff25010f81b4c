"""Checks docs/smart-conformance.md: every requirement on a server stands there once, and what is named exists.

usage: smart_table_check.py
"""
import pathlib
import re
import sys

TABLE = pathlib.Path("docs/smart-conformance.md")
TESTS = pathlib.Path("Tests")

# The numbers of the requirements on servers in hl7.fhir.uv.smart-app-launch_2.2.0.
NUMBERS = """
    14-19 24 30-31 48-49 53-54 56-59 73-89 91-92 94-96 99-104 109-116 118-119 123 126-130 134 136 138-140 142
    144-145 149 154 159-160 163-165 167-190 192 194 197-200 203-210 212-214 217 228 231 240-241 243-262 265-266
    269 271-283 285-289 296-297 305-306 310-311 316 326 335-342 344 346 348-374 376-378 380-412 417-419 421-424
    427-434 436-439
"""
# A requirement on servers that the set counts among those on apps.
MISPLACED = {42}


def numbers():
    found = set(MISPLACED)
    for word in NUMBERS.split():
        first, _, last = word.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def rows():
    """The cells of each row of a table whose first column holds numbers."""
    for line in TABLE.read_text().splitlines():
        if re.match(r"\| \d", line):
            yield cells(line)


def test_file(name):
    """The file of a test, named by its end; None for what is no test."""
    if not re.fullmatch(r"[\w/.]*(?:Tests|Properties|test_\w+\.py)", name):
        return None
    suffix = name if name.endswith(".py") else name + ".swift"
    matches = [path for path in TESTS.rglob(suffix.split("/")[-1]) if str(path).endswith("/" + suffix)]
    return matches or []


def check():
    problems, seen = [], []
    for row in rows():
        if len(row) != 4 or not row[3]:
            problems.append(f"a row is not explained: {row}")
            continue
        seen += [int(number) for number in row[0].split(", ")]
    for number in sorted(numbers() - set(seen)):
        problems.append(f"requirement {number} is not in the table")
    for number in sorted(set(seen) - numbers()):
        problems.append(f"{number} is no requirement on a server")
    for number in sorted({number for number in seen if seen.count(number) > 1}):
        problems.append(f"requirement {number} stands there twice")
    for line in TABLE.read_text().splitlines():
        if not line.startswith("|"):
            continue
        files = []
        for name, sentence in re.findall(r"`([^`]+)`|“([^”]+)”", line):
            if name:
                found = test_file(name)
                if found is None:
                    continue
                files = found
                if len(found) != 1:
                    problems.append(f"`{name}` is {len(found)} files")
            elif files and not any(f"`{sentence}`" in path.read_text() for path in files):
                problems.append(f"{files[0]} has no test “{sentence}”")
    return problems


def main():
    problems = check()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


sys.exit(main())
