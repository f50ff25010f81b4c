"""Fuzzes each parser with coverage guidance and keeps what was found worth keeping in fixtures/fuzz.

    python3 Tests/Fuzzing/run.py [--seconds N] [--keep] [PROPERTY …]

Ends with 1 when an input breaks a property, and prints it in the corpus's own form. With --keep the smallest corpus
with the same coverage, up to a limit of inputs, replaces the kept one.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "Tests" / "Fuzzing"
CORPUS = ROOT / "fixtures" / "fuzz"
KEPT = 400
LONGEST = 400


def encoded(data: bytes) -> str:
    return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x25 else f"%{b:02X}" for b in data)


def decoded(line: str) -> bytes:
    out, place = bytearray(), 0
    while place < len(line):
        if line[place] == "%":
            out.append(int(line[place + 1:place + 3], 16))
            place += 3
        else:
            out.append(ord(line[place]))
            place += 1
    return bytes(out)


def build() -> pathlib.Path:
    command = ["swift", "build", "-c", "release", "--package-path", str(PACKAGE), "--sanitize", "fuzzer",
               "--product", "fuzz"]
    subprocess.run(command, check=True)
    shown = subprocess.run(command + ["--show-bin-path"], check=True, capture_output=True, text=True)
    return pathlib.Path(shown.stdout.strip()) / "fuzz"


def fuzz(binary: pathlib.Path, name: str, seconds: int, keep: bool) -> bool:
    kept = CORPUS / f"{name}.txt"
    with tempfile.TemporaryDirectory(prefix="fuzz-") as work:
        corpus = pathlib.Path(work) / "corpus"
        corpus.mkdir()
        for place, line in enumerate(kept.read_text().splitlines()):
            (corpus / f"kept-{place}").write_bytes(decoded(line))
        environment = dict(os.environ, FUZZ_PROPERTY=name)
        run = subprocess.run(
            [str(binary), str(corpus), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
             "-max_len=2048", "-print_final_stats=1", f"-artifact_prefix={work}/"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        found = [p for p in pathlib.Path(work).iterdir() if p.is_file()]
        stats = [line for line in run.stdout.splitlines() if "number_of_executed_units" in line or " DONE " in line]
        print(f"{name}: {'; '.join(s.strip() for s in stats)}", flush=True)
        if run.returncode != 0 or found:
            print("\n".join(run.stdout.splitlines()[-30:]))
            for path in found:
                print(f"{name}: {path.name}: {encoded(path.read_bytes())}")
            return False
        if keep:
            merged = pathlib.Path(work) / "merged"
            merged.mkdir()
            subprocess.run([str(binary), "-merge=1", str(merged), str(corpus)], env=environment, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            inputs = {p.read_bytes() for p in merged.iterdir()}
            hand = {decoded(line) for line in kept.read_text().splitlines()}
            chosen = sorted((i for i in inputs - hand if len(i) <= LONGEST), key=lambda i: (len(i), i))
            room = max(0, KEPT - len(hand))
            step = -(-len(chosen) // room) if room else 0
            lines = {encoded(i) for i in list(hand) + (chosen[::step] if step else []) if i}
            kept.write_text("\n".join(sorted(lines)) + "\n")
            print(f"{name}: {len(lines)} inputs kept")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("properties", nargs="*")
    chosen = parser.parse_args()
    names = chosen.properties or sorted(p.stem for p in CORPUS.glob("*.txt"))
    binary = build()
    return 0 if all([fuzz(binary, name, chosen.seconds, chosen.keep) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main())
