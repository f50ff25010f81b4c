"""A real nginx that asks for decisions, and one that mirrors, in front of the sandbox."""
import json
import pathlib
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from requirements_log import verifies
from server_under_test import BINARY, ChaperoneUnderTest, free_ports, request
from smart_client import App

SCOPE = "openid fhirUser launch/patient offline_access patient/*.rs"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off; proxy_max_temp_file_size 0;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /fhir/ {{
            auth_request /_chaperone;
            auth_request_set $chaperone_path $upstream_http_x_chaperone_path;
            auth_request_set $chaperone_query $upstream_http_x_chaperone_query;
            proxy_pass http://127.0.0.1:{sandbox}/fhir$chaperone_path$chaperone_query;
            proxy_set_header Authorization "";
            proxy_set_header Prefer "handling=strict";
            proxy_set_header Accept "application/fhir+json";
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }}
        location = /_chaperone {{
            internal;
            proxy_pass http://127.0.0.1:{decisions}/authz/nginx;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Chaperone-Key "{key}";
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-Address $remote_addr;
        }}
    }}
    server {{
        listen 127.0.0.1:{mirrored};
        location /fhir/ {{
            mirror /_mirror;
            proxy_pass http://127.0.0.1:{sandbox};
        }}
        location = /_mirror {{
            internal;
            proxy_pass http://127.0.0.1:{mirror}$request_uri;
        }}
    }}
}}
"""


def wait_for(port, timeout=30):
    """Waits until something answers on a port."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            return request(f"http://127.0.0.1:{port}", "GET", "/nothing", timeout=5)
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing listens on {port}")


class ForeignGateway(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-nginx-"))
        # nginx's workers run as another user when the tests run as root.
        cls.folder.chmod(0o711)
        cls.port, cls.mirrored, cls.decisions, cls.mirror_port = free_ports(4)
        key = secrets.token_hex(32)
        key_file = cls.folder / "gateway.key"
        key_file.write_text(key + "\n")
        key_file.chmod(0o600)
        cls.server = ChaperoneUnderTest()
        cls.server.extra_environment = {
            "CHAPERONE_LISTENERS_DECISIONS_PORT": str(cls.decisions),
            "CHAPERONE_LISTENERS_DECISIONS_KEY_FILE": str(key_file)}
        cls.server.start()
        configuration = cls.folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(
            folder=cls.folder, port=cls.port, mirrored=cls.mirrored, decisions=cls.decisions, mirror=cls.mirror_port,
            sandbox=cls.server.sandbox_port, key=key))
        cls.nginx = subprocess.Popen(
            [NGINX, "-p", str(cls.folder), "-c", str(configuration)], stderr=subprocess.DEVNULL)
        wait_for(cls.port)
        cls.app = App(cls.server.fhir)
        cls.app.launch(SCOPE, "patient-a")
        cls.bearer = {"Authorization": f"Bearer {cls.app.token['access_token']}"}

    @classmethod
    def tearDownClass(cls):
        cls.nginx.send_signal(signal.SIGTERM)
        cls.nginx.wait(timeout=30)
        cls.server.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def get(self, path, headers=None, method="GET", body=None):
        return request(f"http://127.0.0.1:{self.port}", method, path, body=body, headers=headers or self.bearer)

    @verifies("house@gateway-nginx")
    def test_a_search_without_a_patient_finds_only_the_member(self):
        answer = self.get("/fhir/Observation?_count=50")
        self.assertEqual(answer.status, 200, answer.text)
        entries = answer.json["entry"]
        self.assertGreater(len(entries), 5)
        for entry in entries:
            self.assertEqual(entry["resource"]["subject"]["reference"], "Patient/patient-a")

    @verifies("house@gateway-nginx")
    def test_what_is_refused_is_not_forwarded(self):
        for path in ("/fhir/Observation?patient=patient-b", "/fhir/Patient/patient-b", "/fhir/Condition",
                     "/fhir/Observation?_include=Observation:performer", "/fhir/$export", "/fhir/Patient/patient-a/$everything",
                     "/fhir/Observation?_cursor=00", "/fhir/Patient/patient-a/_history", "/fhir/%50atient/patient-b",
                     "/fhir//Patient/patient-b", "/fhir/../fhir/Patient/patient-b", "/fhir/Patient/patient-a/../patient-b"):
            with self.subTest(path):
                self.assertEqual(self.get(path).status, 403)
        self.assertEqual(self.get("/fhir/Patient/patient-a", method="DELETE").status, 403)
        self.assertEqual(self.get("/fhir/Patient", method="POST", body="{}").status, 403)
        self.assertEqual(self.get("/fhir/Patient/patient-a", headers={"Accept": "*/*"}).status, 401)

    @verifies("house@gateway-nginx")
    def test_a_client_cannot_speak_for_the_gateway(self):
        forged = dict(self.bearer, **{"X-Original-URI": "/fhir/Patient/patient-a", "X-Original-Method": "GET"})
        self.assertEqual(self.get("/fhir/Patient/patient-b", headers=forged).status, 403)
        overridden = dict(self.bearer, **{"X-HTTP-Method-Override": "DELETE"})
        self.assertEqual(self.get("/fhir/Patient/patient-a", headers=overridden).status, 403)
        self.assertEqual(self.get("/fhir/Patient/patient-a").json["id"], "patient-a")

    @verifies("house@gateway-nginx")
    def test_the_record_says_that_a_decision_was_given(self):
        self.get("/fhir/Coverage")
        listed = json.loads(self.server.command("audit", "list", "--patient", "patient-a", "--output", "json"))
        outcomes = {row["outcome"] for row in listed if row.get("request") == "GET /Coverage"}
        self.assertEqual(outcomes, {"decision-given"}, listed[:3])

    @verifies("house@mirror-silent")
    def test_the_mirror_answers_nothing_and_reports_what_leaks(self):
        report = self.folder / "report"
        mirror = subprocess.Popen(
            [str(BINARY), "mirror", "--demo", "--report", str(report), "--listen", f"127.0.0.1:{self.mirror_port}"],
            cwd=self.server.folder, env=self.server.environment, stdout=subprocess.DEVNULL)
        try:
            silent = wait_for(self.mirror_port)
            self.assertEqual((silent.status, silent.body), (204, b""))
            through = f"http://127.0.0.1:{self.mirrored}"
            everything = request(through, "GET", "/fhir/Observation?_count=1000", headers=self.bearer)
            subjects = {entry["resource"]["subject"]["reference"] for entry in everything.json["entry"]}
            self.assertGreater(len(subjects), 1, "the sandbox alone filters nothing")
            request(through, "GET", "/fhir/Observation?patient=patient-a", headers=self.bearer)
            request(through, "GET", "/fhir/Patient/patient-b")
            # A copy is sent beside its request; the answer to a later one shows that it has come.
            time.sleep(1)
        finally:
            mirror.send_signal(signal.SIGTERM)
            self.assertEqual(mirror.wait(timeout=30), 0)
        rows = json.loads((report / "mirror.json").read_text())["rows"]
        kinds = {(row["finding"], row["client"], row["type"], row["reason"]) for row in rows}
        self.assertIn(("leaks", "demo-patient-app", "Observation", "not-narrowed-to-token"), kinds)
        self.assertIn(("passes", "demo-patient-app", "Observation", "-"), kinds)
        self.assertTrue(any(row["reason"] == "token-missing" for row in rows), rows)
        self.assertIn("demo-patient-app", (report / "mirror.html").read_text())

    @verifies("house@explain-command")
    def test_explain_asks_the_running_server(self):
        token_file = self.folder / "token"
        token_file.write_text(self.app.token["access_token"] + "\n")
        told = json.loads(self.server.command(
            "explain", "--token", f"@{token_file}", "--output", "json", "GET /fhir/Observation?code=1"))
        self.assertEqual(told["verdict"], "permitted")
        self.assertEqual(told["patient"], "patient-a")
        self.assertIn("patient-a", told["forwarded"])
        text = self.server.command("explain", "--token", "-", "GET /fhir/Observation", stdin=token_file.read_text())
        self.assertIn("allowed by", text)
        refused = subprocess.run(
            [str(BINARY), "explain", "--token", f"@{token_file}", "GET /fhir/Observation?patient=patient-b"],
            cwd=self.server.folder, env=self.server.environment, capture_output=True, text=True)
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("other-patient-named", refused.stdout)
        usage = subprocess.run(
            [str(BINARY), "explain", "GET /elsewhere"], cwd=self.server.folder, env=self.server.environment,
            capture_output=True, text=True)
        self.assertEqual(usage.returncode, 2, usage.stderr)


if __name__ == "__main__":
    unittest.main()
