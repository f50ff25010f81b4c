"""One record that a repository will not take: the others arrive once, it is recorded that the one did not, and the feed
goes on."""
import contextlib
import json
import pathlib
import shutil
import sqlite3
import tempfile
import unittest

from local_server import LocalServer, QuietHandler
from requirements_log import verifies
from server_under_test import ChaperoneUnderTest, basic, request
from smart_client import App
from test_audit_trail import wait_for


class Fastidious(LocalServer):
    """Takes AuditEvents but for those with a word in them; `how` says how it refuses: each by its status, or the batch."""

    def __init__(self, how, refused):
        self.got, self.asked, self.how, self.refused = {}, 0, how, refused
        receiver = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked += 1
                if receiver.how == "entry":
                    events = [entry["resource"] for entry in json.loads(body)["entry"]]
                else:
                    events = [json.loads(line) for line in body.decode().splitlines()]
                bad = [receiver.refused in json.dumps(event) for event in events]
                if receiver.how == "batch" and any(bad):
                    return self.answer(422, b"")
                for event, is_bad in zip(events, bad):
                    if not is_bad:
                        receiver.got[event["id"]] = receiver.got.get(event["id"], 0) + 1
                self.answer(200, b"" if receiver.how == "batch" else json.dumps({
                    "resourceType": "Bundle", "type": "batch-response", "entry": [
                        {"response": {"status": "422 Unprocessable" if each else "201 Created"}} for each in bad]}).encode())

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler)


class FeedRefused(unittest.TestCase):
    @verifies("audit@feed-refused", "audit@feeds")
    def test_a_record_that_a_receiver_will_not_take_does_not_hold_the_others(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-refused-"))
        self.addCleanup(shutil.rmtree, folder, True)
        receivers = {"repository": Fastidious("entry", "poison-1"), "lines": Fastidious("batch", "poison-1")}
        for each in receivers.values():
            self.addCleanup(each.stop)
        (folder / "chaperone.yaml").write_text(json.dumps({"audit": {"checkpoint-interval": 3600, "feeds": [
            {"name": "repository", "fhir": receivers["repository"].url},
            {"name": "lines", "http": receivers["lines"].url}]}}))

        def hashes():
            with contextlib.closing(sqlite3.connect(folder / "var/audit.db")) as log:
                rows = log.execute("SELECT hash, kind, body FROM audit_entry").fetchall()
            poison = {row[0].hex() for row in rows if row[1] == "access" and b"poison-1" in row[2]}
            return {row[0].hex() for row in rows}, poison, [row for row in rows if row[1] == "feed-refused"]

        with ChaperoneUnderTest(folder) as server:
            app = App(server.fhir)
            app.launch("launch/patient patient/*.rs", "patient-a")
            self.assertEqual(app.get("Patient/patient-a").status, 200)
            self.assertEqual(app.get("Observation/poison-1").status, 404)
            for _ in range(5):
                self.assertEqual(app.get("Patient/patient-a").status, 200)
            self.assertTrue(wait_for(lambda: len(hashes()[2]) == 2, 120), "nothing was given up")
            self.assertEqual(app.get("Observation?_count=1").status, 200)
            everything, poison, records = hashes()
            self.assertEqual(len(poison), 1)
            for name, receiver in receivers.items():
                self.assertTrue(wait_for(lambda: everything - poison <= set(receiver.got), 60), f"{name} lacks some")
                self.assertFalse(poison & set(receiver.got))
                self.assertEqual(set(receiver.got.values()), {1}, f"{name} got something twice")
            details = {json.loads(row[2])["authorization"]["detail"].split(":")[0] for row in records}
            self.assertEqual(details, {"feed repository", "feed lines"})
            feeds = json.loads(server.command("audit", "feeds", "--demo", "--output", "json"))
            self.assertEqual([feed["refused"] for feed in feeds], [1, 1])
            self.assertTrue(wait_for(lambda: all(
                "problem" not in feed for feed in json.loads(
                    server.command("audit", "feeds", "--demo", "--output", "json"))), 30))
            metrics = request(server.admin, "GET", "/metrics", headers=basic("auditor-a")).text
            self.assertIn('chaperone_audit_feed_refused{feed="repository"} 1', metrics)
            found = request(
                server.admin, "GET", "/audit/fhir/AuditEvent?subtype=feed-refused", headers=basic("auditor-a")).json
            self.assertEqual(len(found["entry"]), 2)
