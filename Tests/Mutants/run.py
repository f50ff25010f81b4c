"""Breaks one rule of the policy after another and shows that tests see it (ADR 0050).

    python3 Tests/Mutants/run.py                    every rule, each by one test that is known to see it (the gate)
    python3 Tests/Mutants/run.py --all [--write]    every rule against every suite that has to look; with --write the
                                                    list of known tests and the evidence are written anew
    python3 Tests/Mutants/run.py --only NAME …      some rules
    python3 Tests/Mutants/run.py --product BINARY   that a release has nothing of it

Needs the debug build of the tests (`swift build --build-tests`). Ends with 1 when a rule can be broken unseen.
"""
import argparse
import concurrent.futures
import datetime
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = [
    ROOT / "Sources/AccessPolicy/Mutation/PolicyMutation.swift",
    ROOT / "Sources/Enforcement/Mutation/EnforcementMutation.swift",
]
KNOWN = ROOT / "Tests/Mutants/known.json"
SECONDS = 600
# Suites of many random or repeated cases: they see much, take long and tell little of which rule it was.
SLOW = ("Advertised", "Dialect", "Differential", "EveryInteraction", "Format", "HostFinder", "Hostile",
        "Indistinguishable", "NonInterference", "Properties", "SameInBoth", "Sandbox", "TrapSet")


def rules() -> dict[str, dict]:
    """Every rule that can be broken: where the digest states it, what is done instead, and whose it is."""
    found = {}
    for path in RULES:
        for place, text, name in re.findall(r"/// ([^:\n]+): (.+)\.\n\s+case (\w+)", path.read_text()):
            found[name] = {"place": place, "text": text, "module": path.parts[-3]}
    return found


def suites() -> list[str]:
    """The suites that run under a broken rule."""
    found = []
    for path in sorted(path for tests in ("AccessPolicyTests", "EnforcementTests")
                       for path in (ROOT / "Tests" / tests).rglob("*.swift")):
        for name in re.findall(r"^@Suite\(\.underMutation\) struct (\w+|`[^`]+`)", path.read_text(), re.M):
            found.append(f"{path.relative_to(ROOT).parts[1]}.{name}")
    return found


def stages(module: str) -> list[list[str]]:
    """Which suites are asked one after the other until one of them sees a broken rule."""
    quick = [name for name in suites() if not any(word in name for word in SLOW)]
    pure = [name for name in quick if name.startswith("AccessPolicyTests.")]
    whole = [name for name in quick if name.startswith("EnforcementTests.")]
    slow = [name for name in suites() if name not in quick]
    return [pure, whole, slow] if module == "AccessPolicy" else [whole, slow]


def pattern(names: list[str]) -> str:
    return "^(" + "|".join(re.escape(name) for name in names) + ")(/|$)"


def test_binary() -> pathlib.Path:
    given = os.environ.get("CHAPERONE_TEST_BINARY")
    if given:
        return pathlib.Path(given)
    shown = subprocess.run(["swift", "build", "--show-bin-path"], cwd=ROOT, check=True, capture_output=True, text=True)
    return pathlib.Path(shown.stdout.strip()) / "chaperonePackageTests.xctest"


def run(binary: pathlib.Path, rule: str | None, filters: list[str]) -> tuple[bool, list[str]]:
    """Whether all tests passed under a broken rule, and the names of those that did not."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as work:
        stream = pathlib.Path(work) / "events"
        command = [str(binary), "--testing-library", "swift-testing", "--event-stream-output-path", str(stream),
                   "--event-stream-version", "0"]
        for one in filters:
            command += ["--filter", one]
        environment = dict(os.environ)
        environment.pop("CHAPERONE_REQUIREMENTS_LOG", None)
        environment.pop("CHAPERONE_MUTANT", None)
        if rule:
            environment["CHAPERONE_MUTANT"] = rule
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return False, ["(no end within ten minutes)"]
        failed, started = set(), 0
        names = {}
        for line in stream.read_text(errors="replace").splitlines() if stream.exists() else []:
            event = json.loads(line)
            payload = event["payload"]
            if event["kind"] == "test":
                names[payload["id"]] = payload.get("displayName") or payload.get("name")
            elif payload["kind"] == "testStarted":
                started += 1
            elif payload["kind"] == "issueRecorded" and not payload["issue"].get("isKnown"):
                failed.add(payload.get("testID", "(outside of a test)"))
        if started == 0:
            sys.exit(f"{rule}: no test was run\n" + done.stdout[-2000:])
        if done.returncode not in (0, 1):
            failed.add(f"(ended with {done.returncode})")
        return done.returncode == 0, sorted(failed)


def short(test: str) -> str:
    """The name of a test as a filter takes it: without the place in the source."""
    return re.sub(r"/[^/]+\.swift:\d+:\d+$", "", test)


def check_known(binary: pathlib.Path, chosen: list[str], jobs: int) -> int:
    known = json.loads(KNOWN.read_text())
    if set(known) != set(rules()):
        print("rules without a known test, or tests of rules that are gone:", set(known) ^ set(rules()))
        return 1
    is_sound, failed = run(binary, None, ["^" + re.escape(test) for test in sorted(set(known.values()))])
    if not is_sound:
        print("with no rule broken these fail:", failed)
        return 1
    survivors = []

    def seen(name: str) -> bool:
        passed, _ = run(binary, name, ["^" + re.escape(known[name])])
        return not passed

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for name, is_seen in zip(chosen, pool.map(seen, chosen)):
            if not is_seen:
                survivors.append(name)
                print(f"{name}: not seen by `{known[name]}`", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} broken rules were seen")
    return 1 if survivors else 0


def check_all(binary: pathlib.Path, chosen: list[str], jobs: int, write: bool) -> int:
    table = rules()

    @functools.cache
    def must_pass(stage: tuple[str, ...]) -> None:
        is_sound, failed = run(binary, None, [pattern(list(stage))])
        if not is_sound:
            sys.exit(f"with no rule broken these fail: {failed}")

    def killers(name: str) -> list[str]:
        for stage in stages(table[name]["module"]):
            must_pass(tuple(stage))
            _, failed = run(binary, name, [pattern(stage)])
            if failed:
                return failed
        return []

    for stage in stages("AccessPolicy")[:2]:
        must_pass(tuple(stage))

    result = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for name, failed in zip(chosen, pool.map(killers, chosen)):
            result[name] = failed
            print(f"{name}: " + (f"{len(failed)} tests" if failed else "SURVIVES"), flush=True)
    survivors = [name for name, failed in result.items() if not failed]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} broken rules were seen; survivors: {survivors or 'none'}")
    if write:
        keep(result)
        evidence(table, result)
    return 1 if survivors else 0


def keep(result: dict[str, list[str]]) -> None:
    known = json.loads(KNOWN.read_text()) if KNOWN.exists() else {}
    for name, failed in result.items():
        tests = [short(test) for test in failed if not test.startswith("(")]
        if not tests or known.get(name) in tests:
            continue
        known[name] = min(tests, key=lambda test: (any(word in test for word in SLOW), test))
    KNOWN.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n")


def evidence(table: dict[str, dict], result: dict[str, list[str]]) -> None:
    today = datetime.date.today().isoformat()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    lines = [
        "# Broken rules", "",
        f"`python3 Tests/Mutants/run.py --all --write` at commit {commit.stdout.strip()}, {today}: each rule of the",
        "policy and of the gateway below was broken by itself, by a switch in the debug build, and the suites marked",
        "`.underMutation` were run: tables of the policy first, then the gateway's, then those of many cases, until a test",
        "failed. With no rule broken the suites that were run pass.", "",
        f"{sum(1 for failed in result.values() if failed)} of {len(result)} were seen.", "",
        "| rule broken | against | what is done instead | seen by |", "|---|---|---|---|",
    ]
    for name, failed in result.items():
        tests = sorted({short(test).split(".", 1)[-1] for test in failed})
        shown = "; ".join(test.replace("|", "\\|") for test in tests)
        text = table[name]["text"].replace("|", "\\|")
        lines.append(f"| {name} | {table[name]['place']} | {text} | {shown or '**nothing**'} |")
    path = ROOT / "docs/evidence" / f"{today}-mutants.md"
    path.write_text("\n".join(lines) + "\n")
    print(f"written: {path.relative_to(ROOT)}")


def check_product(binary: str) -> int:
    """A release holds neither the switch nor the name of a rule."""
    data = pathlib.Path(binary).read_bytes()
    # The names of the sources' files may stand there for the debugger.
    words = {"PolicyMutation": rb"PolicyMutation(?!\.swift)", "EnforcementMutation": rb"EnforcementMutation(?!\.swift)",
             "CHAPERONE_MUTANT": b"CHAPERONE_MUTANT", "POLICY_MUTANTS": b"POLICY_MUTANTS"}
    sources = "".join(re.sub(r"mutated\(\.\w+\)", "", path.read_text())
                      for path in (ROOT / "Sources").rglob("*.swift") if path not in RULES)
    for name in rules():
        # A name that is something else's as well says nothing.
        if not re.search(rf"\b{name}\b", sources):
            words[name] = name.encode()
    found = [word for word, text in words.items() if re.search(text, data)]
    print(f"{binary}: " + (f"holds {found}" if found else "has no switch that breaks a rule"))
    return 1 if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--product")
    asked = parser.parse_args()
    if asked.product:
        return check_product(asked.product)
    chosen = asked.only or list(rules())
    unknown = [name for name in chosen if name not in rules()]
    if unknown:
        parser.error(f"no such rule: {', '.join(unknown)}")
    if asked.all or asked.only:
        return check_all(test_binary(), chosen, asked.jobs, asked.write)
    return check_known(test_binary(), chosen, asked.jobs)


if __name__ == "__main__":
    sys.exit(main())
