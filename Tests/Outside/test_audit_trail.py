"""The audit trail from outside: proved by commands, fed to receivers that come and go, refused when it cannot be written."""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from local_server import LocalServer, QuietHandler
from requirements_log import verifies
from server_under_test import ChaperoneUnderTest, basic, free_ports, request
from smart_client import App


class Repository:
    """A FHIR repository for AuditEvents (ITI-20) that can be away, refuse, or take only a part of a batch."""

    def __init__(self):
        self.events, self.batches, self.mode = {}, 0, "works"
        repository = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                repository.batches += 1
                mode = repository.mode
                if mode == "refuses":
                    return self.answer(503, b"")
                if mode == "login":
                    return self.answer(200, b"<html><body>Please sign in</body></html>")
                if mode == "outcome":
                    return self.answer(200, b'{"resourceType": "OperationOutcome"}')
                entries = body["entry"]
                taken = entries[: len(entries) // 2] if mode == "half" else entries
                for entry in taken:
                    assert entry["request"] == {"method": "POST", "url": "AuditEvent"}
                    event = entry["resource"]
                    repository.events[event["id"]] = repository.events.get(event["id"], 0) + 1
                statuses = ["201 Created" if entry in taken else "500" for entry in entries]
                self.answer(200, json.dumps({
                    "resourceType": "Bundle", "type": "batch-response",
                    "entry": [{"response": {"status": status}} for status in statuses]}).encode())

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.Handler = Handler
        self.server = None

    def start(self, port):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self.Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class LineReceiver(LocalServer):
    """Takes lines over HTTP, and refuses the first two times."""

    def __init__(self):
        self.lines, self.requests = [], 0
        receiver = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.requests += 1
                taken = receiver.requests > 2
                if taken:
                    receiver.lines += body.splitlines()
                self.send_response(204 if taken else 500)
                self.send_header("Content-Length", "0")
                self.end_headers()

        super().__init__(Handler)


class SyslogReceiver:
    """Takes framed syslog messages over TLS (RFC 5425)."""

    def __init__(self, folder):
        self.messages = []
        key, self.certificate = folder / "syslog.key", folder / "syslog.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(self.certificate)],
            check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.listener = context.wrap_socket(listener, server_side=True)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.read, args=(connection,), daemon=True).start()

    def read(self, connection):
        data = b""
        with connection:
            while chunk := connection.recv(65536):
                data += chunk
                while b" " in data:
                    length, _, rest = data.partition(b" ")
                    if len(rest) < int(length):
                        break
                    self.messages.append(rest[: int(length)].decode())
                    data = rest[int(length):]

    def stop(self):
        self.listener.close()


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return condition()


class AuditTrail(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-audit-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def reader(self, server):
        app = App(server.fhir)
        app.launch("launch/patient patient/*.rs", "patient-a")
        return app

    def events_in_log(self):
        with contextlib.closing(sqlite3.connect(self.folder / "var/audit.db")) as log:
            return {row[0].hex(): row[1] for row in log.execute("SELECT hash, position FROM audit_entry")}

    @verifies("audit@feeds")
    def test_receivers_get_everything_however_often_they_are_away(self):
        repository, syslog = Repository(), SyslogReceiver(self.folder)
        lines, copies = LineReceiver(), LineReceiver()
        for each in (syslog, lines, copies):
            self.addCleanup(each.stop)
        (port,) = free_ports(1)
        (self.folder / "chaperone.yaml").write_text(json.dumps({"audit": {"checkpoint-interval": 1, "feeds": [
            {"name": "repository", "fhir": f"http://127.0.0.1:{port}", "batch": 10},
            {"name": "syslog", "syslog": f"localhost:{syslog.port}", "ca-file": str(syslog.certificate)},
            {"name": "file", "file": str(self.folder / "records.ndjson")},
            {"name": "lines", "http": lines.url, "batch": 7},
            {"name": "anchors", "carries": "checkpoints", "file": str(self.folder / "anchors.log")},
            {"name": "copies", "carries": "checkpoints", "http": copies.url},
            {"name": "syslog-copies", "carries": "checkpoints", "syslog": f"localhost:{syslog.port}",
             "ca-file": str(syslog.certificate)},
        ]}}))
        with ChaperoneUnderTest(self.folder) as server:
            app = self.reader(server)
            # The repository is not there at all, then it refuses, then it takes halves, then it works.
            for _ in range(15):
                self.assertEqual(app.get("Patient/patient-a").status, 200)
            feeds = json.loads(server.command("audit", "feeds", "--demo", "--output", "json"))
            waiting = {feed["name"]: feed for feed in feeds}
            self.assertGreater(waiting["repository"]["waiting"], 15)
            self.assertTrue(wait_for(lambda: "problem" in {
                name for feed in json.loads(server.command("audit", "feeds", "--demo", "--output", "json"))
                if feed["name"] == "repository" for name in feed}))
            repository.mode = "refuses"
            repository.start(port)
            self.addCleanup(repository.stop)
            self.assertTrue(wait_for(lambda: repository.batches > 0, 120))
            # A proxy's login page, and a repository that only says something, have taken nothing.
            for mode in ("login", "outcome"):
                repository.mode = mode
                seen = repository.batches
                self.assertTrue(wait_for(lambda: repository.batches > seen, 120))
            repository.mode = "half"
            self.assertTrue(wait_for(lambda: repository.events, 120))
            repository.mode = "works"
            for _ in range(15):
                self.assertEqual(app.get("Observation?_count=1").status, 200)
            written = self.events_in_log()
            self.assertTrue(wait_for(lambda: set(written) <= set(repository.events), 180))
            self.assertTrue(wait_for(lambda: all(any(each in m for m in syslog.messages) for each in written)))
            file = (self.folder / "records.ndjson").read_text()
            self.assertTrue(all(each in file for each in written))
            self.assertTrue(wait_for(lambda: all(any(each in line for line in lines.lines) for each in written)))
            anchors = (self.folder / "anchors.log").read_text().splitlines()
            self.assertTrue(wait_for(lambda: set(anchors) <= set(copies.lines)))
            self.assertTrue(wait_for(lambda: all(any(m.endswith(each) for m in syslog.messages) for each in anchors)))
        self.assertTrue(all(message.startswith(("<108>1 ", "<109>1 ")) for message in syslog.messages))
        # What the file of anchors has, and what was sent over HTTP, verification takes.
        (self.folder / "copies.log").write_text("".join(f"{each}\n" for each in copies.lines))
        for anchors in ("anchors.log", "copies.log"):
            server = ChaperoneUnderTest(self.folder)
            verified = json.loads(server.command(
                "audit", "verify", "--demo", "--anchor", anchors, "--output", "json"))
            self.assertTrue(verified["whole"], verified)
            self.assertGreater(verified["anchors"], 0)

    @verifies("audit@junk-bounded")
    def test_a_flood_without_tokens_is_told_what_is_wrong_and_summed_up(self):
        with ChaperoneUnderTest(self.folder) as server:
            statuses = [request(server.fhir, "GET", f"/Patient/p{number}").status for number in range(200)]
            self.assertEqual(set(statuses), {401})
            metrics = request(server.admin, "GET", "/metrics", headers=basic("auditor-a")).text
            self.assertIn("chaperone_audit_flood_bytes_per_day", metrics)
        with contextlib.closing(sqlite3.connect(self.folder / "var/audit.db")) as log:
            (alone,) = log.execute(
                "SELECT count(*) FROM audit_entry WHERE kind = 'access' AND outcome = 'refused'").fetchone()
            sums = [json.loads(body)["authorization"] for (body,) in log.execute(
                "SELECT body FROM audit_entry WHERE kind = 'refusals-summed'")]
        # Twenty of one network in one minute.
        self.assertIn(alone, (20, 40))
        summed = [int(each["detail"].split(": ")[1].split(" ")[0]) for each in sums]
        self.assertEqual(alone + sum(summed), 200, sums)
        self.assertEqual({each["address"] for each in sums}, {"127.0.0.0/24"})

    @verifies("audit@verify-command")
    def test_the_command_finds_what_was_changed_without_a_server(self):
        with ChaperoneUnderTest(self.folder) as server:
            app = self.reader(server)
            for _ in range(5):
                app.get("Patient/patient-a")
            keys = server.command("audit", "keys")
            server.command("audit", "export", "--format", "bundle", "--out", "out.json", "--patient", "patient-a")
            self.assertIn("local", server.command("audit", "verify", "--export", "out.json"))
            report = json.loads(server.command("audit", "report", "patient-a", "--output", "json"))
            self.assertEqual({row["outcome"] for row in report}, {"permitted"})
            self.assertIn("156.221", report[0]["legalBasis"])
            shown = json.loads(server.command("audit", "show", report[0]["decision"], "--output", "json"))
            self.assertEqual(shown[0]["event"]["resourceType"], "AuditEvent")
        (self.folder / "keys.json").write_text(keys)
        bundle = json.loads((self.folder / "out.json").read_text())
        self.assertEqual(bundle["type"], "collection")
        server = ChaperoneUnderTest(self.folder)
        arguments = ("audit", "verify", "--log", "var/audit.db", "--keys", "keys.json", "--output", "json")
        self.assertTrue(json.loads(server.command(*arguments))["whole"])
        with contextlib.closing(sqlite3.connect(self.folder / "var/audit.db")) as log:
            (trigger,) = log.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_entry_fixed'").fetchone()
            log.execute("DROP TRIGGER audit_entry_fixed")
            log.execute(
                "UPDATE audit_entry SET body = CAST(replace(body, 'permitted', 'refusedxx') AS BLOB) WHERE sequence = "
                "(SELECT max(sequence) FROM audit_entry WHERE kind = 'access')")
            (changed,) = log.execute("SELECT max(sequence) FROM audit_entry WHERE kind = 'access'").fetchone()
            log.execute(trigger)
            log.commit()
        found = json.loads(server.command(*arguments, check=False))
        self.assertFalse(found["whole"])
        self.assertIn(f"entry local/{changed}", [finding["place"] for finding in found["findings"]])

    @verifies("audit@cannot-be-written")
    def test_while_another_process_holds_the_log_no_data_leaves(self):
        with ChaperoneUnderTest(self.folder) as server:
            app = self.reader(server)
            self.assertEqual(app.get("Patient/patient-a").status, 200)
            holder = sqlite3.connect(self.folder / "var/audit.db", isolation_level=None, timeout=30)
            holder.execute("BEGIN IMMEDIATE")
            refused = app.get("Patient/patient-a", timeout=60)
            self.assertEqual(refused.status, 503)
            self.assertNotIn(b"patient-a", refused.body)
            self.assertEqual(request(server.issuer, "GET", "/health/ready").status, 503)
            holder.execute("ROLLBACK")
            holder.close()
            self.assertTrue(wait_for(lambda: app.get("Patient/patient-a", timeout=60).status == 200))
            self.assertEqual(request(server.issuer, "GET", "/health/ready").status, 200)
            verified = json.loads(server.command("audit", "verify", "--output", "json"))
            self.assertTrue(verified["whole"], verified)

    @verifies("audit@cannot-be-written")
    def test_on_a_full_disk_no_data_leaves_and_afterwards_all_is_well(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=700", "tmpfs", str(disk)], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("a small file system can only be mounted by root")
        self.addCleanup(subprocess.run, ["umount", "-l", str(disk)], check=True)
        server = ChaperoneUnderTest(self.folder)
        server.extra_environment["CHAPERONE_AUDIT_DATABASE"] = f"sqlite:{disk}/audit.db"
        with server:
            app = self.reader(server)
            filler = disk / "filler"
            with open(filler, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                        file.flush()
                except OSError:
                    pass
            received, refused = [], None
            for _ in range(2000):
                answer = app.get("Patient/patient-a", timeout=60)
                if answer.status != 200:
                    refused = answer
                    break
                received.append(answer.headers["X-Request-Id"])
            self.assertIsNotNone(refused, "the disk never became full")
            self.assertEqual(refused.status, 503)
            self.assertNotIn(b"patient-a", refused.body)
            self.assertEqual(request(server.issuer, "GET", "/health/ready").status, 503)
            filler.unlink()
            self.assertTrue(wait_for(lambda: app.get("Patient/patient-a", timeout=60).status == 200))
            # The disk is looked at once a minute.
            self.assertTrue(wait_for(lambda: request(server.issuer, "GET", "/health/ready").status == 200, 90))
            rows = json.loads(server.command("audit", "list", "--limit", "100000", "--output", "json"))
            closed = [row["decision"] for row in rows if row["phase"] == "closed"]
            for decision in received:
                self.assertEqual(closed.count(decision), 1, decision)
            verified = json.loads(server.command("audit", "verify", "--output", "json"))
            self.assertTrue(verified["whole"], verified)
