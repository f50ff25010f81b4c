"""Looks in a release build for code that copies what cannot be copied.

usage: noncopyable_check.py BINARY

Our types `~Copyable` are proofs: a receipt answers one decision. The optimiser of Swift 6.3.1 has once made a copy of
such a value while it moved code about; what it emits for that is a trap, on every request that passes there. Debug builds
have nothing of it, so no other test sees it.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
DECLARED = re.compile(r"^\s*(?:(?:public|package|private|fileprivate|final)\s+)*(?:struct|enum)\s+(\w+)[^{\n]*~Copyable", re.M)
COPIES = re.compile(r"(?:outlined (?:init with )?copy of|initializeWithCopy for) (?:\w+\.)*(\w+)\??$")


def main():
    names = {name for file in (ROOT / "Sources").rglob("*.swift") for name in DECLARED.findall(file.read_text())}
    if "OpeningReceipt" not in names or "Action" not in names:
        raise SystemExit(f"the types that cannot be copied were not found, only {sorted(names)}")
    symbols = subprocess.run(["nm", sys.argv[1]], check=True, capture_output=True, text=True).stdout.split("\n")
    mangled = [line.split()[-1] for line in symbols if line]
    readable = subprocess.run(
        ["swift", "demangle", "--simplified"], input="\n".join(mangled), check=True, capture_output=True, text=True).stdout
    lines = [line.strip() for line in readable.split("\n")]
    seen = [COPIES.search(line) for line in lines]
    if not any(seen):
        raise SystemExit(f"{sys.argv[1]} has no symbols to look at")
    bad = sorted({line for line, found in zip(lines, seen) if found and found[1] in names and is_ours(line, found[1])})
    for line in bad:
        print(f"cannot be copied, and is: {line}", file=sys.stderr)
    raise SystemExit(1 if bad else 0)


def is_ours(line, name):
    """`Action`, `Event` and `Step` are common names: those of ours that cannot be copied stand in these types."""
    return name not in ("Action", "Event", "Step") or re.search(r"(GatewayExchange|GatewayHarness)\.", line) is not None


main()
