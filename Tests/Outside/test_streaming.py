"""Answers of 200 MB through the whole server: a bulk file and a searchset, whole, with a foreign row at their end, and
cut in the middle. The protected server makes them up while it sends them; the server's memory is read from /proc.
"""
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import secrets
import threading
import time
import unittest
import urllib.parse
import zlib

from authlib.jose import JsonWebKey, jwt

from requirements_log import verifies
from server_under_test import ROOT, ChaperoneUnderTest, request

MEGABYTES = int(os.environ.get("CHAPERONE_STREAM_MEGABYTES", "200"))
MOST_GROWTH = 64 << 20
PADDING = "x" * 2000


def observation(number, patient="patient-a", note=PADDING):
    return json.dumps({
        "resourceType": "Observation", "id": f"o{number}", "status": "final", "code": {"text": note},
        "subject": {"reference": f"Patient/{patient}"}}, separators=(",", ":")).encode()


class Shape:
    """One way of answering with about so many bytes."""

    def __init__(self, megabytes, foreign_end=False, cut=False, packed=False):
        self.rows = megabytes * (1 << 20) // (len(observation(1000000)) + 60)
        self.foreign_end, self.cut, self.packed = foreign_end, cut, packed

    def observations(self):
        for number in range(self.rows // 2 if self.cut else self.rows):
            # What is packed has to be of a kind that does not shrink beyond measure.
            note = hashlib.shake_256(b"%d" % number).hexdigest(1000) if self.packed else PADDING
            yield observation(number, note=note)
        if self.foreign_end:
            yield observation("-foreign", "patient-b", "SECRET")

    def lines(self):
        return (each + b"\n" for each in self.observations())

    def searchset(self):
        separator = b'{"resourceType":"Bundle","type":"searchset","entry":['
        for each in self.observations():
            yield separator + b'{"resource":' + each + b',"search":{"mode":"match"}}'
            separator = b","
        yield b']}'


def packed(pieces):
    """The pieces as gzip, though nobody asked for it."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


class Upstream(http.server.ThreadingHTTPServer):
    """A FHIR server that has nothing but one export and one search."""

    daemon_threads = True
    shape = Shape(1)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conduct)
        self.base = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Conduct(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/metadata":
            self.whole("application/fhir+json", CAPABILITIES)
        elif path == "/$export":
            self.send_response(202)
            self.send_header("Content-Location", f"{self.server.base}/job")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "/job":
            self.whole("application/json", {
                "transactionTime": "2026-01-01T00:00:00Z", "request": f"{self.server.base}/$export",
                "requiresAccessToken": True, "error": [],
                "output": [{"type": "Observation", "url": f"{self.server.base}/1.ndjson"}]})
        elif path == "/1.ndjson":
            self.stream("application/fhir+ndjson", self.server.shape.lines())
        elif path == "/Observation":
            self.stream("application/fhir+json", self.server.shape.searchset())
        else:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def whole(self, kind, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, kind, pieces):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        if self.server.shape.packed:
            self.send_header("Content-Encoding", "gzip")
            pieces = packed(pieces)
        self.end_headers()
        waiting = []
        size = 0
        try:
            for piece in pieces:
                waiting.append(piece)
                size += len(piece)
                if size > 60_000:
                    self.wfile.write(b"%x\r\n%b\r\n" % (size, b"".join(waiting)))
                    waiting, size = [], 0
            if not self.server.shape.cut:
                self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"".join(waiting)))
            self.close_connection = self.server.shape.cut
        except OSError:
            self.close_connection = True

    def log_message(self, *arguments):
        pass


CAPABILITIES = {
    "resourceType": "CapabilityStatement", "status": "active", "fhirVersion": "4.0.1", "format": ["json"],
    "rest": [{"mode": "server", "resource": [
        {"type": kind, "interaction": [{"code": "read"}, {"code": "search-type"}],
         "searchParam": [{"name": "patient", "type": "reference"}, {"name": "_id", "type": "token"}]}
        for kind in ["Patient", "Observation"]]}]}


class Received:
    """What came of a download: how many rows and bytes, what stood in it, and whether it had an end."""

    def __init__(self, connection, path, token):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": "*/*"})
        answer = connection.getresponse()
        self.status, self.headers = answer.status, answer.headers
        self.size, self.rows, self.secrets, self.is_whole = 0, 0, 0, True
        tail = b""
        try:
            while piece := answer.read1(1 << 16):
                self.size += len(piece)
                joined = tail + piece
                for name, mark in [("rows", b'"resourceType":"Observation"'), ("secrets", b"SECRET")]:
                    setattr(self, name, getattr(self, name) + joined.count(mark) - tail.count(mark))
                tail = joined[-40:]
        except (http.client.IncompleteRead, ConnectionError):
            self.is_whole = False
        self.tail = tail


class Streaming(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.upstream = Upstream()
        cls.addClassCleanup(cls.upstream.shutdown)
        cls.server = ChaperoneUnderTest()
        cls.server.extra_environment = {"CHAPERONE_FHIR_SERVER_UPSTREAM": cls.upstream.base}
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        # Whatever is made once is made before memory is measured.
        cls.upstream.shape = Shape(20)
        for path in [cls.file(cls.token()), "/fhir/Observation"]:
            cls.download(path)

    @classmethod
    def token(cls):
        """Of a client that may see patient-a and not patient-b."""
        client = "demo-provider-access"
        key = json.loads((ROOT / f"fixtures/keys/{client}.TEST-ONLY.jwk.json").read_text())["keys"][0]
        configuration = request(cls.server.fhir, "GET", "/.well-known/smart-configuration").json
        endpoint = urllib.parse.urlsplit(configuration["token_endpoint"])
        now = int(time.time())
        assertion = jwt.encode(
            {"alg": key["alg"], "kid": key["kid"], "typ": "JWT"},
            {"iss": client, "sub": client, "aud": configuration["token_endpoint"], "jti": secrets.token_hex(16),
             "iat": now, "exp": now + 120}, JsonWebKey.import_key(key)).decode()
        answer = request(cls.server.issuer, "POST", endpoint.path, urllib.parse.urlencode({
            "grant_type": "client_credentials", "scope": "system/Observation.rs",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion}), {"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status == 200, answer.text
        return answer.json["access_token"]

    @classmethod
    def file(cls, token):
        """The path of the one file of a new export."""
        bearer = {"Authorization": f"Bearer {token}"}
        started = request(
            cls.server.fhir, "GET", "/$export", headers={**bearer, "Prefer": "respond-async"})
        assert started.status == 202, started.text
        place = urllib.parse.urlsplit(started.headers["Content-Location"]).path
        manifest = request(cls.server.issuer, "GET", place, headers=bearer)
        assert manifest.status == 200, manifest.text
        return urllib.parse.urlsplit(manifest.json["output"][0]["url"]).path

    @classmethod
    def download(cls, path):
        connection = http.client.HTTPConnection("localhost", cls.server.public_port, timeout=120)
        try:
            return Received(connection, path, cls.token())
        finally:
            connection.close()

    def memory(self, field):
        """Kilobytes of the server's memory, in bytes."""
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith(field))) << 10

    def measured(self, shape, path):
        """Downloads and says by how much the server grew meanwhile."""
        self.upstream.shape = shape
        pathlib.Path(f"/proc/{self.server.process.pid}/clear_refs").write_text("5")
        before = self.memory("VmRSS")
        started = time.monotonic()
        received = self.download(path)
        growth = self.memory("VmHWM") - before
        print(
            f"{path.split('?')[0][:20]} {received.size >> 20} MB, {received.rows} rows, whole {received.is_whole}: "
            f"grew {growth >> 20} MB over {before >> 20} MB in {time.monotonic() - started:.0f} s", flush=True)
        self.assertEqual(received.status, 200)
        self.assertEqual(received.secrets, 0)
        self.assertLess(growth, MOST_GROWTH)
        return received

    def record(self, received):
        """The last word of the audit trail about a download."""
        records = json.loads(self.server.command("audit", "list", "--limit", "1000", "--output", "json"))
        mine = [each for each in records if each["decision"] == received.headers["X-Request-Id"]]
        return [(each["phase"], each["outcome"], each.get("released")) for each in mine]

    @verifies("house@STREAMING", "house@STREAMING-MEMORY")
    def test_a_file_of_200_megabytes(self):
        shape = Shape(MEGABYTES)
        received = self.measured(shape, self.file(self.token()))
        self.assertTrue(received.is_whole)
        self.assertEqual(received.rows, shape.rows)
        self.assertEqual(self.record(received), [("closed", "permitted", shape.rows)])

    @verifies("house@STREAMING", "house@STREAMING-MEMORY")
    def test_a_file_with_a_foreign_line_at_its_end(self):
        shape = Shape(MEGABYTES, foreign_end=True)
        received = self.measured(shape, self.file(self.token()))
        self.assertTrue(received.is_whole)
        self.assertEqual(received.rows, shape.rows)

    @verifies("house@STREAMING")
    def test_a_file_that_is_cut_in_the_middle(self):
        shape = Shape(MEGABYTES, cut=True)
        received = self.measured(shape, self.file(self.token()))
        self.assertFalse(received.is_whole)
        self.assertLessEqual(received.rows, shape.rows // 2)
        self.assertEqual([each[:2] for each in self.record(received)], [("interrupted", "interrupted")])

    @verifies("house@STREAMING", "house@STREAMING-MEMORY")
    def test_a_searchset_of_200_megabytes(self):
        shape = Shape(MEGABYTES)
        received = self.measured(shape, "/fhir/Observation")
        self.assertTrue(received.is_whole and received.tail.endswith(b"]}"))
        self.assertEqual(received.rows, shape.rows)
        self.assertEqual(self.record(received), [("closed", "permitted", shape.rows)])

    @verifies("house@STREAMING", "house@STREAMING-MEMORY")
    def test_a_searchset_with_a_foreign_entry_at_its_end(self):
        shape = Shape(MEGABYTES, foreign_end=True)
        received = self.measured(shape, "/fhir/Observation")
        self.assertTrue(received.is_whole)
        self.assertEqual(received.rows, shape.rows)

    @verifies("house@STREAMING-MEMORY", "house@CONTENT-CODING")
    def test_a_packed_file_and_a_packed_searchset(self):
        shape = Shape(MEGABYTES // 4, packed=True)
        for path in [self.file(self.token()), "/fhir/Observation"]:
            received = self.measured(shape, path)
            self.assertTrue(received.is_whole)
            self.assertEqual(received.rows, shape.rows)
            self.assertIsNone(received.headers["Content-Encoding"])
            self.assertEqual(self.record(received), [("closed", "permitted", shape.rows)])

    @verifies("house@STREAMING")
    def test_a_searchset_that_is_cut_in_the_middle(self):
        received = self.measured(Shape(MEGABYTES, cut=True), "/fhir/Observation")
        self.assertFalse(received.is_whole)
        self.assertEqual([each[:2] for each in self.record(received)], [("interrupted", "interrupted")])


if __name__ == "__main__":
    unittest.main()
