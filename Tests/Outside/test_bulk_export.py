"""A bulk export through the whole server: its file on a storage host, its job over a restart, its end by revocation."""
import http.server
import json
import pathlib
import shutil
import tempfile
import threading
import time
import unittest
import urllib.parse

import test_streaming
from requirements_log import verifies
from server_under_test import ChaperoneUnderTest, request
from test_streaming import CAPABILITIES, observation


class Host(http.server.ThreadingHTTPServer):
    """A server that writes down what it is asked and answers as it is told."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conduct)
        self.base = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked, self.answers, self.deleting = [], {}, 500
        # The path that is asked for and not answered until the event is set.
        self.silent, self.goes_on, self.is_asked = None, threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Conduct(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(("GET", self.path, dict(self.headers)))
        if self.server.silent and self.path.startswith(self.server.silent):
            self.server.is_asked.set()
            self.server.goes_on.wait(60)
        status, fields, body = self.server.answers.get(urllib.parse.urlsplit(self.path).path, (404, {}, b""))
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        try:
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # Whoever asked is gone: a test has killed it.

    def do_DELETE(self):
        self.server.asked.append(("DELETE", self.path, dict(self.headers)))
        self.send_response(self.server.deleting)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


class BulkExport(unittest.TestCase):
    def setUp(self):
        self.upstream, self.storage = Host(), Host()
        for host in [self.upstream, self.storage]:
            self.addCleanup(host.shutdown)
        file = f"{self.storage.base}/exports/1.ndjson?signature=abc"
        manifest = {
            "transactionTime": "2026-01-01T00:00:00Z", "request": "x", "requiresAccessToken": False, "error": [],
            "output": [{"type": "Observation", "url": file}]}
        json_type = {"Content-Type": "application/json"}
        self.upstream.answers = {
            "/metadata": (200, {"Content-Type": "application/fhir+json"}, json.dumps(CAPABILITIES).encode()),
            "/$export": (202, {"Content-Location": f"{self.upstream.base}/job"}, b""),
            "/job": (200, json_type, json.dumps(manifest).encode())}
        self.storage.answers = {"/exports/1.ndjson": (
            200, {"Content-Type": "application/octet-stream"},
            observation(1) + b"\n" + observation(2, "patient-b", "SECRET") + b"\n")}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-export-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        (self.folder / "chaperone.yaml").write_text(
            f"fhir-server:\n  storage-hosts: [{{address: '{self.storage.base}/exports'}}]\n")
        self.server = ChaperoneUnderTest(self.folder)
        self.server.extra_environment = {"CHAPERONE_FHIR_SERVER_UPSTREAM": self.upstream.base}
        self.server.start()
        self.addCleanup(lambda: self.server.kill())

    def get(self, place, token):
        return request(self.server.issuer, "GET", place, headers={"Authorization": f"Bearer {token}"})

    def token(self):
        # By the module's name: a test case that is imported by its own would be run again here.
        test_streaming.Streaming.server = self.server
        return test_streaming.Streaming.token()

    def deletions(self):
        return [path for method, path, _ in self.upstream.asked if method == "DELETE"]

    def wait(self, condition, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it does not come")
            time.sleep(0.2)

    @verifies("house@STORAGE-HOSTS", "house@EXPORT-JOBS")
    def test_an_export_outlives_a_restart_and_ends_with_its_client(self):
        started = request(self.server.fhir, "GET", "/$export", headers={"Authorization": f"Bearer {self.token()}"})
        self.assertEqual(started.status, 202, started.text)
        job = urllib.parse.urlsplit(started.headers["Content-Location"]).path
        self.server.kill()
        self.server.start()

        manifest = self.get(job, self.token())
        self.assertEqual(manifest.status, 200, manifest.text)
        self.assertNotIn("signature", manifest.text)
        file = urllib.parse.urlsplit(manifest.json["output"][0]["url"]).path
        lines = self.get(file, self.token())
        self.assertEqual([json.loads(each)["id"] for each in lines.text.splitlines()], ["o1"])
        self.assertNotIn("SECRET", lines.text)
        self.assertEqual([path for _, path, _ in self.storage.asked], ["/exports/1.ndjson?signature=abc"])
        self.assertNotIn("Authorization", self.storage.asked[0][2])
        self.assertEqual(self.deletions(), [])

        token = self.token()
        self.server.command("revoke", "client", "demo-provider-access")
        self.assertEqual([self.get(place, token).status for place in [job, file]], [401, 401])
        self.wait(lambda: self.deletions())
        # The protected server refused; it is asked until it has done it, over a restart as well.
        self.server.kill()
        before = len(self.deletions())
        self.upstream.deleting = 202
        self.server.start()
        self.wait(lambda: len(self.deletions()) > before, 60)
        done = len(self.deletions())
        time.sleep(5)
        self.assertEqual(self.deletions(), ["/job"] * done)

    @verifies("house@EXPORT-JOBS")
    def test_an_export_that_was_being_asked_for_at_a_kill_is_reported_at_the_next_start(self):
        self.upstream.silent = "/$export"
        self.addCleanup(self.upstream.goes_on.set)
        token = self.token()

        def ask():
            try:
                request(self.server.fhir, "GET", "/$export", headers={"Authorization": f"Bearer {token}"})
            except OSError:
                pass  # The server is killed under it.

        asking = threading.Thread(target=ask)
        asking.start()
        self.assertTrue(self.upstream.is_asked.wait(30), "the export was never asked for")
        self.server.kill()
        self.upstream.goes_on.set()
        asking.join(30)
        self.upstream.silent = None

        for starts in [1, 2]:
            self.server.start()
            events = json.loads(self.server.command("audit", "list", "--limit", "1000", "--output", "json"))
            found = [event for event in events if "export-address-unknown" in json.dumps(event)]
            self.assertEqual(len(found), 1, f"after {starts} starts: {events}")
            if starts == 1:
                self.server.kill()
        self.server.command("audit", "verify")
        self.assertEqual(self.deletions(), [])


if __name__ == "__main__":
    unittest.main()
