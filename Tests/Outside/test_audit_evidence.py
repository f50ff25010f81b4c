"""What an auditor and a court ask for: one record proved without the others, how far copies from outside reach, a log that
its owner wrote anew with the key, and exports checked by somebody else's code."""
import base64
import contextlib
import hashlib
import json
import pathlib
import shutil
import sqlite3
import tempfile
import unittest

from authlib.jose import JsonWebKey, JsonWebSignature
from requirements_log import verifies
from server_under_test import ChaperoneUnderTest, basic, request
from smart_client import App, Person
from test_audit_trail import wait_for


class AuditEvidence(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-evidence-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        (self.folder / "chaperone.yaml").write_text(json.dumps({"audit": {"checkpoint-interval": 1, "feeds": [
            {"name": "anchors", "carries": "checkpoints", "file": str(self.folder / "anchors.log")}]}}))

    def anchors(self):
        file = self.folder / "anchors.log"
        return file.read_text().splitlines() if file.exists() else []

    def read_some(self, server, count=5):
        app = App(server.fhir)
        app.launch("launch/patient patient/*.rs", "patient-a")
        ids = []
        for _ in range(count):
            answer = app.get("Patient/patient-a")
            self.assertEqual(answer.status, 200)
            ids.append(answer.headers["X-Request-Id"])
        return ids

    def fails(self, server, *arguments):
        with self.assertRaises(AssertionError) as caught:
            server.command(*arguments)
        return str(caught.exception)

    @verifies("audit@inclusion-proof")
    def test_one_record_is_proved_without_the_others(self):
        with ChaperoneUnderTest(self.folder) as server:
            ids = self.read_some(server)
            (self.folder / "keys.json").write_text(server.command("audit", "keys", "--demo"))
            server.command("audit", "prove", ids[2], "--out", "proof.json", "--demo")
            self.assertTrue(wait_for(lambda: len(self.anchors()) >= 1, 20))
            fixed = json.loads((self.folder / "proof.json").read_text())["proofs"][0]["checkpoint"]
            self.assertTrue(wait_for(lambda: fixed in self.anchors(), 20))
            self.assertIn("no such thing", self.fails(server, "audit", "prove", "nothing", "--out", "none.json", "--demo"))
        text = (self.folder / "proof.json").read_text()
        self.assertIn(ids[2], text)
        for other in ids[:2] + ids[3:]:
            self.assertNotIn(other, text)
        verify = ("audit", "verify", "--proof", "proof.json", "--keys", "keys.json")
        shown = server.command(*verify)
        self.assertIn("stood in the log", shown)
        self.assertIn("Not shown: a mark that was made later", shown)
        self.assertIn("kept outside", server.command(*verify, "--anchor", "anchors.log"))
        # The chain worked out by other code: nothing but SHA-256 over the fields (docs/adr/0083).
        proof = json.loads(text)["proofs"][0]

        def link(sequence, at, previous, body_hash):
            node = proof["node"].encode()
            return hashlib.sha256(
                b"chaperone-audit-1" + len(node).to_bytes(8, "big") + node + sequence.to_bytes(8, "big")
                + at.to_bytes(8, "big") + previous + body_hash).digest()

        head = link(proof["sequence"], proof["recordedAt"], bytes.fromhex(proof["previous"]),
                    hashlib.sha256(proof["entry"].encode()).digest())
        for offset, each in enumerate(proof["following"]):
            at, digest = each.split(" ")
            head = link(proof["sequence"] + offset + 1, int(at), head, bytes.fromhex(digest))
        keys = JsonWebKey.import_key_set(json.loads((self.folder / "keys.json").read_text()))
        signed = JsonWebSignature(["ES256"]).deserialize_compact(proof["checkpoint"].encode(), keys.keys[0])
        self.assertEqual(json.loads(signed["payload"])["head"], head.hex())
        # Changed, it proves nothing; by a checkpoint that nobody kept outside it is not enough.
        (self.folder / "changed.json").write_text(text.replace("permitted", "refused__"))
        self.assertIn("proves nothing", self.fails(
            server, "audit", "verify", "--proof", "changed.json", "--keys", "keys.json"))
        (self.folder / "other.log").write_text("\n".join(each for each in self.anchors() if each != fixed)
                                               or base64.b64encode(b"x").decode())
        self.assertIn("not among the copies", self.fails(server, *verify, "--anchor", "other.log"))

    @verifies("audit@anchors", "audit@anchor-reach")
    def test_a_log_written_anew_by_its_owner_is_found_by_copies_from_outside(self):
        with ChaperoneUnderTest(self.folder) as server:
            self.read_some(server)
            (self.folder / "keys.json").write_text(server.command("audit", "keys", "--demo"))
            self.assertTrue(wait_for(lambda: len(self.anchors()) >= 1, 20))
        kept = self.anchors()
        (self.folder / "kept.log").write_text("".join(
            f"Nov 26 00:00:01 collector <109>1 - host chaperone local checkpoint - {each}\n" for each in kept)
            + "Nov 26 00:00:02 collector something else\n")
        verify = ("audit", "verify", "--log", "var/audit.db", "--keys", "keys.json", "--output", "json")
        whole = json.loads(server.command(*verify, "--anchor", "kept.log"))
        self.assertTrue(whole["whole"], whole)
        reach = whole["chains"][0]["anchored"]
        self.assertEqual(whole["anchors"], len(kept))
        self.assertLess(0, reach)
        self.assertLessEqual(reach, whole["chains"][0]["last"])
        # The owner of the machine has the key too: the server itself writes another history over the same places.
        for name in ("audit.db", "audit.db-wal", "audit.db-shm"):
            (self.folder / "var" / name).unlink(missing_ok=True)
        with ChaperoneUnderTest(self.folder) as server:
            self.read_some(server, 20)
            server.command("audit", "checkpoint", "--demo")
        alone = json.loads(server.command(*verify))
        self.assertTrue(alone["whole"], "without copies it cannot be told")
        self.assertEqual(alone["chains"][0]["anchored"], 0)
        found = json.loads(server.command(*verify, "--anchor", "kept.log", check=False))
        self.assertFalse(found["whole"])
        self.assertIn("checkpoint local/1", [each["place"] for each in found["findings"]])
        (self.folder / "empty.log").write_text("")
        self.assertIn("no checkpoint", self.fails(server, *verify, "--anchor", "empty.log"))

    @verifies("audit@export")
    def test_exports_are_checked_by_other_code(self):
        with ChaperoneUnderTest(self.folder) as server:
            self.read_some(server)
            keys = JsonWebKey.import_key_set(json.loads(server.command("audit", "keys", "--demo")))
            for form in ("ndjson", "csv", "bundle"):
                server.command("audit", "export", "--format", form, "--out", f"out.{form}", "--demo")
                signature = (self.folder / f"out.{form}.sig").read_text().strip()
                signed = JsonWebSignature(["ES256"]).deserialize_compact(signature.encode(), keys.keys[0])
                claims = json.loads(signed["payload"])
                content = (self.folder / f"out.{form}").read_bytes()
                self.assertEqual(claims["sha256"], hashlib.sha256(content).hexdigest())
                self.assertEqual(claims["bytes"], len(content))
                self.assertEqual(signed["header"]["typ"], "audit-export+jwt")
                entries = {
                    "ndjson": lambda text: text.count("\n"), "csv": lambda text: text.count("\r\n") - 1,
                    "bundle": lambda text: len(json.loads(text)["entry"])}[form](content.decode())
                self.assertEqual(claims["entries"], entries)
        with contextlib.closing(sqlite3.connect(self.folder / "var/audit.db")) as log:
            (noted,) = log.execute(
                "SELECT count(*) FROM audit_entry WHERE kind = 'audit-read' AND CAST(body AS TEXT) LIKE '%format=%'").fetchone()
        self.assertEqual(noted, 3)

    @verifies("audit@tried")
    def test_what_was_tried_about_a_patient_is_found_and_not_told_to_other_members(self):
        with ChaperoneUnderTest(self.folder) as server:
            app = App(server.fhir)
            app.launch("launch/patient patient/Patient.rs patient/Observation.rs", "patient-a")
            tried = {}
            for path, status in [("Patient/patient-b", 404), ("Observation?patient=patient-b", 403),
                                 ("Observation?subject=Patient/patient-b", 403),
                                 (f"Observation?subject={server.fhir}/Patient/patient-b", 403),
                                 ("Patient/patient-b/Observation", 403), ("Patient?_id=patient-b", 403)]:
                answer = app.get(path)
                self.assertEqual(answer.status, status, path)
                self.assertNotIn(b"Baptiste", answer.body)
                tried[answer.headers["X-Request-Id"]] = path
            rows = json.loads(server.command(
                "audit", "list", "--demo", "--patient", "patient-b", "--output", "json"))
            self.assertEqual({row["decision"] for row in rows if row["kind"] == "access"}, set(tried))
            # That somebody looks for it stands there too.
            self.assertEqual({row["kind"] for row in rows if row["decision"] not in tried}, {"audit-read"})
            report = json.loads(server.command(
                "audit", "report", "--demo", "patient-b", "--user", "patient-a", "--output", "json"))
            self.assertEqual(len(report), len(tried))
            nobody = json.loads(server.command(
                "audit", "report", "--demo", "patient-b", "--user", "clinician-a", "--output", "json"))
            self.assertEqual(nobody, [])
            self.assertEqual(app.get("Patient/patient-a").status, 200)
            sums = json.loads(server.command(
                "audit", "summary", "--demo", "--client", "demo-patient-app", "--output", "json"))
            mine = [row for row in sums if (row["patient"], row["resourceType"]) == ("patient-a", "Patient")]
            theirs = [row for row in sums if row["patient"] == "patient-b"]
            self.assertEqual([(row["released"], row["scopes"]) for row in mine], [(1, ["patient/Patient.rs"])])
            self.assertEqual(sum(row["refused"] + row["permitted"] for row in theirs), len(tried))
            self.assertEqual({row["released"] for row in theirs}, {0})
            query = "entity=Patient/patient-b&outcome=4&agent:identifier=demo-patient-app"
            found = request(server.admin, "GET", f"/audit/fhir/AuditEvent?{query}", headers=basic("auditor-a")).json
            posted = request(
                server.admin, "POST", "/audit/fhir/AuditEvent/_search", query,
                {**basic("auditor-a"), "Content-Type": "application/x-www-form-urlencoded"}).json
            self.assertEqual(len(found["entry"]), len(tried))
            self.assertEqual([each["resource"]["id"] for each in posted["entry"]],
                             [each["resource"]["id"] for each in found["entry"]])
            self.assertEqual(
                request(server.admin, "GET", "/audit/fhir/metadata", headers=basic("auditor-a")).json["fhirVersion"],
                "4.0.1")
            missing = request(server.admin, "GET", "/audit/fhir/AuditEvent/x", headers=basic("auditor-a"))
            self.assertEqual((missing.status, missing.json["resourceType"]), (404, "OperationOutcome"))
            for path in ("/audit/fhir/AuditEvent/x", "/audit/fhir/metadata"):
                self.assertEqual(request(server.admin, "GET", path).status, 401)
            # What one member's app tried is not told to another member.
            other = Person(server.issuer)
            self.assertEqual(other.send(
                "POST", f"{server.issuer}/account/login", {"username": "patient-b", "password": "demo"}).status, 303)
            page = other.send("GET", f"{server.issuer}/account/activity")
            self.assertEqual(page.status, 200)
            self.assertNotIn("My Health Shelf", page.text)
