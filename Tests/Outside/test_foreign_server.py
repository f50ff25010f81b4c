"""The gateway in front of a FHIR server that we did not write: fhirsnake, a small one from PyPI.

It knows no search parameter but `_id`, answers a search with everything of the type, keeps no versions, and has no
CapabilityStatement at `/metadata`. So it shows what the gateway is for: nothing of what it is asked for is trusted.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from requirements_log import verifies
from server_under_test import RESULTS, ChaperoneUnderTest, free_ports, request
from smart_client import App

# What it needs, pinned: the newest of each that works with the others.
PACKAGES = ["fhirsnake==1.1.0", "uvicorn==0.30.6"]
VENV = pathlib.Path(os.environ.get("CHAPERONE_FOREIGN_SERVER", RESULTS.parent / "foreign-server"))


def patient(identifier, family):
    return "Patient", identifier, {"name": [{"family": family}]}


def observation(identifier, subject, text):
    return "Observation", identifier, {
        "status": "final", "code": {"text": text}, "subject": {"reference": f"Patient/{subject}"}}


RECORDS = [
    patient("patient-a", "Rivera"), patient("patient-b", "Baptiste"),
    observation("a1", "patient-a", "own"), observation("a2", "patient-a", "own"),
    observation("b1", "patient-b", "SECRET"), observation("b2", "patient-b", "SECRET"),
    ("Group", "everybody", {"type": "person", "actual": True, "member": [{"entity": {"reference": "Patient/patient-b"}}]}),
]


def installed():
    """The interpreter of the server's own environment, made when it is not there; None where it cannot be had."""
    python = VENV / "bin/python"
    if (VENV / "complete").exists():
        return python
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True, capture_output=True, timeout=120)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        return None
    (VENV / "complete").touch()
    return python


class ForeignServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        python = installed()
        if python is None:
            raise unittest.SkipTest("fhirsnake cannot be installed here: no package registry")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-foreign-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        for kind, identifier, record in RECORDS:
            place = cls.folder / "foreign/resources" / kind
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{identifier}.json").write_text(json.dumps(record))
        port = free_ports(1)[0]
        cls.base = f"http://127.0.0.1:{port}"
        code = subprocess.run(
            [str(python), "-c", "import fhirsnake; print(list(fhirsnake.__path__)[0])"], check=True, capture_output=True,
            text=True).stdout.strip()
        cls.foreign = subprocess.Popen(
            [str(python), "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", str(port)],
            cwd=cls.folder / "foreign", env=dict(os.environ, PYTHONPATH=code), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.end, cls.foreign)
        cls.wait(lambda: request(cls.base, "GET", "/Patient/patient-a", timeout=2).status == 200)
        cls.server = ChaperoneUnderTest(cls.folder)
        cls.server.extra_environment = {"CHAPERONE_FHIR_SERVER_UPSTREAM": cls.base}
        # It is never ready, see below, but it lives.
        cls.server.start(path="/health/live")
        cls.addClassCleanup(cls.server.kill)
        cls.app = App(cls.server.fhir)
        cls.app.launch("launch/patient patient/*.rs", "patient-a")

    @staticmethod
    def end(process):
        process.terminate()
        process.wait(timeout=20)

    @staticmethod
    def wait(condition, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError("the foreign server did not start")

    def keys(self, answer):
        self.assertEqual(answer.status, 200, answer.text)
        self.assertNotIn("SECRET", answer.text)
        return sorted(
            entry["resource"]["id"] for entry in json.loads(answer.body).get("entry", [])
            if entry["resource"]["resourceType"] != "OperationOutcome")

    @verifies("house@FOREIGN-SERVER")
    def test_own_records_are_read_and_others_are_not_there(self):
        own = self.app.get("Observation/a1")
        self.assertEqual((own.status, own.json["id"]), (200, "a1"))
        faces = set()
        for path in ["Observation/b1", "Observation/none", "Patient/patient-b", "Patient/none"]:
            answer = self.app.get(path)
            faces.add((answer.status, answer.body))
        self.assertEqual(len(faces), 1, faces)
        self.assertEqual(next(iter(faces))[0], 404)

    @verifies("house@FOREIGN-SERVER")
    def test_a_search_that_the_server_does_not_narrow_shows_own_rows_only(self):
        everything = json.loads(request(self.base, "GET", "/Observation").body)
        self.assertEqual(everything["total"], 4, "the server itself narrows nothing")
        for query in ["Observation", "Observation?code=x", "Observation?patient=patient-a", "Observation?_id=b1,a1"]:
            found = self.keys(self.app.get(query))
            self.assertTrue(set(found) <= {"a1", "a2"}, (query, found))
        self.assertEqual(self.keys(self.app.get("Observation")), ["a1", "a2"])
        self.assertEqual(self.keys(self.app.get("Patient")), ["patient-a"])
        self.assertNotIn("total", self.app.get("Observation").json)
        self.assertEqual(self.app.get("Observation?_summary=count").status, 400)
        self.assertEqual(self.app.get("Observation?patient=patient-b").status, 403)
        self.assertNotEqual(self.app.get("Group/everybody").status, 200)

    @verifies("house@FOREIGN-SERVER", "house@CAP-02")
    def test_a_server_that_does_not_say_what_it_is_keeps_readiness_closed(self):
        self.assertEqual(request(self.server.issuer, "GET", "/health/ready").status, 503)
        self.assertEqual(request(self.server.fhir, "GET", "/metadata").status, 503)
        log = pathlib.Path(self.server.log.name)
        self.wait(lambda: "is no CapabilityStatement" in log.read_text())

    @verifies("house@FOREIGN-SERVER")
    def test_what_was_read_was_recorded(self):
        answer = self.app.get("Observation/a2")
        records = json.loads(self.server.command("audit", "list", "--limit", "1000", "--output", "json"))
        mine = [record for record in records if record["decision"] == answer.headers["X-Request-Id"]]
        self.assertEqual([(record["status"], record["phase"]) for record in mine], [(200, "closed")])
