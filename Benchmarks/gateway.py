"""CPU per request and rate of gateway reads and 50 kB searches, beside nginx `proxy_pass` before the same upstream.

usage: gateway.py [--seconds 5] [--rounds 3] [--connections 64]

Needs a release build (`swift build -c release --product chaperone`), nginx and wrk. The server under test runs on core
0; the upstream (nginx, static files) and the load on core 1. Both proxies are measured in turn, in the same run; the
figures to quote are CPU per request and the ratio, rates on a shared machine are not.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("CHAPERONE_BINARY", str(ROOT / ".build/release/chaperone"))
sys.path.insert(0, str(ROOT / "Tests/Outside"))
from server_under_test import ChaperoneUnderTest, free_ports, request  # noqa: E402
from smart_client import App  # noqa: E402

NGINX = """
daemon off; master_process off; worker_processes 1; error_log stderr crit; pid {folder}/{name}.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 10000000; keepalive_timeout 60s;
  client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  {content}
}}
"""
STATIC = """
  server {{
    listen 127.0.0.1:{port}; root {folder}/www; default_type application/fhir+json;
    location = /fhir/Observation {{ try_files /observations.json =404; }}
    location = /fhir/Patient/patient-a {{ try_files /patient.json =404; }}
    location = /fhir/metadata {{ try_files /metadata.json =404; }}
  }}
"""
PROXY = """
  upstream fhir {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 10000000; }}
  proxy_buffers 16 64k; proxy_buffer_size 64k; proxy_max_temp_file_size 0;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://fhir; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
"""


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pin(pid, core):
    subprocess.run(["taskset", "-acp", str(core), str(pid)], check=True, stdout=subprocess.DEVNULL)


def start_nginx(folder, name, content, core):
    file = folder / f"{name}.conf"
    file.write_text(NGINX.format(folder=folder, name=name, content=content))
    process = subprocess.Popen(["taskset", "-c", str(core), "nginx", "-c", str(file), "-p", str(folder)])
    time.sleep(0.5)
    if process.poll() is not None:
        raise SystemExit(f"nginx ({name}) did not start")
    return process


def search_bundle(sandbox):
    """A searchset of about 50 kB of the demo member's observations, as the sandbox answers it."""
    bundle = request(sandbox, "GET", "/Observation?patient=patient-a&_count=200").json
    entries, size = [], 0
    while size < 50_000:
        for entry in bundle["entry"]:
            copy = json.loads(json.dumps(entry))
            copy["resource"]["id"] = f"{entry['resource']['id']}-{len(entries)}"
            copy["fullUrl"] = f"{sandbox}/Observation/{copy['resource']['id']}"
            entries.append(copy)
            size += len(json.dumps(copy))
            if size >= 50_000:
                break
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries}


def load(url, token, seconds, connections):
    """One wrk run on core 1; returns requests, seconds and the number of answers that were not 2xx."""
    text = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Authorization: Bearer {token}",
         "-H", "Accept: application/fhir+json", url], check=True, capture_output=True, text=True).stdout
    done = re.search(r"(\d+) requests in ([\d.]+)(m?s)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return int(done[1]), float(done[2]), int(bad[1]) if bad else 0


def measure(name, pid, base, token, options):
    rows = {}
    for label, path in (("read 1 kB", "/Patient/patient-a"), ("search 50 kB", "/Observation?patient=patient-a")):
        samples = []
        load(base + path, token, 1, options.connections)
        for _ in range(options.rounds):
            before = cpu_seconds(pid)
            requests, elapsed, bad = load(base + path, token, options.seconds, options.connections)
            if bad:
                raise SystemExit(f"{name}, {label}: {bad} of {requests} answers were not 200")
            samples.append(((cpu_seconds(pid) - before) / requests * 1e6, requests / elapsed))
        rows[label] = (statistics.median(s[0] for s in samples), statistics.median(s[1] for s in samples))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-bench-"))
    (folder / "www").mkdir()
    os.chmod(folder, 0o755)
    processes = []
    try:
        with ChaperoneUnderTest() as source:
            for name, path in (("patient.json", "/Patient/patient-a"), ("metadata.json", "/metadata")):
                (folder / "www" / name).write_bytes(request(source.sandbox, "GET", path).body)
            bundle = search_bundle(source.sandbox)
        upstream, proxy = free_ports(2)
        text = json.dumps(bundle, separators=(",", ":")).replace(source.sandbox, f"http://127.0.0.1:{upstream}/fhir")
        (folder / "www/observations.json").write_text(text)
        processes.append(start_nginx(folder, "static", STATIC.format(port=upstream, folder=folder), 1))
        peer = start_nginx(folder, "peer", PROXY.format(port=proxy, upstream=upstream), 0)
        processes.append(peer)
        server = ChaperoneUnderTest()
        server.extra_environment = {"CHAPERONE_FHIR_SERVER_UPSTREAM": f"http://127.0.0.1:{upstream}/fhir"}
        with server:
            app = App(server.fhir)
            token = app.launch("launch/patient patient/*.rs", "patient-a")["access_token"]
            pin(server.process.pid, 0)
            ours = measure("chaperone", server.process.pid, server.fhir, token, options)
            theirs = measure("nginx", peer.pid, f"http://127.0.0.1:{proxy}/fhir", token, options)
    finally:
        for process in processes:
            process.terminate()
    print(f"{options.connections} connections, median of {options.rounds} × {options.seconds} s; server on one core, load on the other")
    print(f"{'':14}{'chaperone':>26}{'nginx proxy_pass':>26}{'CPU ratio':>12}")
    for label in ours:
        left, right = ours[label], theirs[label]
        print(f"{label:14}{left[0]:9.1f} µs {left[1]:10.0f}/s{right[0]:11.1f} µs {right[1]:10.0f}/s{left[0] / right[0]:11.1f}×")


main()
