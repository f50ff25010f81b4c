#!/usr/bin/env python3
"""CPU and latency of reads with the audit trail durable beside none, at 1, 8 and 64 connections, and appends a second ÷
what SQLite alone does with the same rows, all in one run.

usage: audit.py [SECONDS]      after `swift build -c release --package-path Benchmarks --product audit-benchmark`
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
BINARY = pathlib.Path(os.environ.get("AUDIT_BENCHMARK", HERE / ".build/release/audit-benchmark"))
SECONDS = int(sys.argv[1]) if sys.argv[1:] else 5


def start(*arguments):
    return subprocess.Popen([str(BINARY), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(process):
    process.stdin.write("\n")
    process.stdin.flush()
    cpu, recorded, appends = process.stdout.readline().split()
    return float(cpu), int(recorded), int(appends)


def load(port, token, connections, seconds):
    text = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", "Host: gw.test", "-H",
         f"Authorization: Bearer {token}", f"http://127.0.0.1:{port}/fhir/Patient/pA"],
        check=True, capture_output=True, text=True).stdout
    latency = {percentile: value for percentile, value in re.findall(r"(50|99)%\s+(\S+)", text)}
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    if "Non-2xx" in text:
        raise SystemExit(text)
    return requests, latency


def main():
    upstream = start("upstream")
    upstream_port = upstream.stdout.readline().strip()
    print("| connections | audit | CPU µs a read | reads/s | p50 | p99 | records a commit |")
    print("|---|---|---|---|---|---|---|")
    for connections in (1, 8, 64):
        for mode in ("durable", "off", "durable", "off"):
            with tempfile.TemporaryDirectory(dir=HERE) as folder:
                server = start("serve", mode, folder, upstream_port)
                port, token = server.stdout.readline().split()
                load(port, token, connections, 1)
                before = ask(server)
                requests, latency = load(port, token, connections, SECONDS)
                after = ask(server)
                server.stdin.close()
                server.wait()
            cpu = (after[0] - before[0]) / requests * 1e6
            shared = (after[1] - before[1]) / max(1, after[2] - before[2])
            print(f"| {connections} | {mode} | {cpu:.0f} | {requests / SECONDS:.0f} | {latency.get('50')} | "
                  f"{latency.get('99')} | {shared:.1f} |", flush=True)
    upstream.stdin.close()
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        print(subprocess.run([str(BINARY), "append", folder, "100000"], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
