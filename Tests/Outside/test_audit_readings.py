"""Who looked into the trail is in the trail: every command of `chaperone audit`, beside a server and without one. And what
needs no record shows nothing of what records say."""
import contextlib
import json
import pathlib
import random
import shutil
import sqlite3
import tempfile
import unittest

from requirements_log import verifies
from server_under_test import ChaperoneUnderTest, basic, request
from smart_client import App

# Each command, how many records of a reading it leaves, and words that one of them has.
READINGS = [
    (("list", "--patient", "patient-a", "--limit", "3"), 1, "limit=3&patient=patient-a"),
    (("list", "--limit", "1001"), None, "limit="),
    (("summary", "--client", "demo-patient-app"), None, "client=demo-patient-app"),
    (("show", "DECISION"), 1, "decision=DECISION"),
    (("report", "Patient/patient-a"), 1, "patient=Patient/patient-a"),
    (("report", "patient-a", "--accounting", "--output", "json"), 1, "accounting=true"),
    (("export", "--format", "ndjson", "--out", "out.ndjson"), 1, "format=ndjson"),
    (("export", "--format", "csv", "--patient", "patient-a", "--out", "out.csv"), 1, "format=csv&patient=patient-a"),
    (("export", "--format", "bundle", "--out", "out.json"), 1, "format=bundle"),
    (("prove", "DECISION", "--out", "proof.json"), 1, "proof of decision=DECISION"),
    (("keys",), 1, "keys to verify with"),
    (("verify",), 1, "keys to verify with"),
    (("verify", "--export", "out.csv"), 1, "keys to verify with"),
    (("hold", "list"), 1, "holds"),
]
# What shows nothing that a record says, or has a record of another kind.
SILENT = [
    ("verify", "--keys", "keys.json"),
    ("verify", "--keys", "keys.json", "--output", "json"),
    ("verify", "--keys", "keys.json", "--export", "out.ndjson"),
    ("feeds",),
    # What it makes has its own record; where nothing was written since the last one it makes none.
    ("checkpoint",),
]
CHANGES = [
    (("hold", "add", "--patient", "patient-b", "--reason", "claim"), "hold-placed"),
    (("retain", "--rehearsal"), "records-removed"),
]


class AuditReadings(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-readings-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def records(self, kind):
        """The bodies of a kind of step, oldest first."""
        with contextlib.closing(sqlite3.connect(self.folder / "var/audit.db")) as log:
            rows = log.execute(
                "SELECT CAST(body AS TEXT) FROM audit_entry WHERE kind = ? ORDER BY position", (kind,)).fetchall()
        return [json.loads(row[0])["authorization"] for row in rows]

    def read_some(self, server):
        app = App(server.fhir)
        app.launch("launch/patient patient/*.rs", "patient-a")
        for path in ("Patient/patient-a", "Observation?patient=patient-a", "Patient/patient-a"):
            answer = app.get(path)
            self.assertEqual(answer.status, 200)
        return answer.headers["X-Request-Id"]

    def run_all(self, server, decision, mode):
        def command(words):
            return server.command("audit", *(decision if word == "DECISION" else word for word in words), "--demo")
        (self.folder / "keys.json").write_text(command(("keys",)))
        for words, count, asked in READINGS:
            before = self.records("audit-read")
            command(words)
            added = self.records("audit-read")[len(before):]
            with self.subTest(mode=mode, command=words):
                self.assertGreater(len(added), 0)
                if count is not None:
                    self.assertEqual(len(added), count)
                self.assertEqual({each["actor"] for each in added}, {"local"})
                self.assertTrue(
                    any(asked.replace("DECISION", decision) in each["detail"] for each in added), added)
                if {"patient-a", "Patient/patient-a", "DECISION"} & set(words):
                    self.assertEqual({each.get("patient") for each in added}, {"patient-a"})
        for words in SILENT:
            before = self.records("audit-read")
            shown = command(words)
            with self.subTest(mode=mode, command=words):
                self.assertEqual(self.records("audit-read"), before)
                self.assertNotIn("patient-a", shown)
                self.assertNotIn("demo-patient-app", shown)
        for words, kind in CHANGES:
            before = len(self.records(kind))
            command(words)
            with self.subTest(mode=mode, command=words):
                self.assertGreater(len(self.records(kind)), before)

    @verifies("audit@readings")
    def test_every_command_that_shows_records_leaves_one(self):
        with ChaperoneUnderTest(self.folder) as server:
            decision = self.read_some(server)
            self.run_all(server, decision, "beside a server")
        self.run_all(server, decision, "without a server")

    @verifies("audit@readings")
    def test_verification_shows_nothing_of_what_records_say_whatever_was_done_to_them(self):
        with ChaperoneUnderTest(self.folder) as server:
            self.read_some(server)
            (self.folder / "keys.json").write_text(server.command("audit", "keys", "--demo"))
            server.command("audit", "hold", "add", "--patient", "patient-b", "--reason", "a secret claim", "--demo")
        with contextlib.closing(sqlite3.connect(self.folder / "var/audit.db")) as log:
            triggers = log.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            rows = log.execute("SELECT position, body FROM audit_entry").fetchall()
        chance = random.Random(11)
        for round_ in range(12):
            copy = self.folder / f"copy-{round_}.db"
            with contextlib.closing(sqlite3.connect(self.folder / "var/audit.db")) as log, \
                    contextlib.closing(sqlite3.connect(copy)) as other:
                log.backup(other)
                for name, _ in triggers:
                    other.execute(f"DROP TRIGGER {name}")
                for position, body in chance.sample(rows, 3):
                    body = bytearray(body)
                    body[chance.randrange(len(body))] ^= 1 << chance.randrange(7)
                    other.execute("UPDATE audit_entry SET body = ? WHERE position = ?", (bytes(body), position))
                other.execute("UPDATE audit_patient SET patient = 'patient-z' WHERE place = 0"
                              if round_ == 0 else "UPDATE audit_entry SET client_id = 'other' WHERE position = 5")
                other.execute("UPDATE audit_hold SET reason = 'another secret claim'")
                for _, sql in triggers:
                    other.execute(sql)
                other.commit()
            copy.chmod(0o600)
            for form in ("table", "json"):
                shown = server.command(
                    "audit", "verify", "--log", str(copy), "--keys", "keys.json", "--output", form, check=False)
                self.assertIn("changed", shown)
                for secret in ("patient-", "demo-patient-app", "Observation", "claim", "scopes"):
                    self.assertNotIn(secret, shown)

    @verifies("audit@read-by-id")
    def test_what_a_feed_or_an_export_has_is_read_by_its_id(self):
        with ChaperoneUnderTest(self.folder) as server:
            self.read_some(server)
            server.command("audit", "export", "--format", "ndjson", "--out", "out.ndjson", "--demo")
            events = [json.loads(line) for line in (self.folder / "out.ndjson").read_text().splitlines()]
            self.assertGreater(len(events), 5)
            for event in events[:10]:
                read = request(server.admin, "GET", f"/audit/fhir/AuditEvent/{event['id']}", headers=basic("auditor-a"))
                self.assertEqual((read.status, read.json), (200, event))
                self.assertEqual(read.headers["ETag"], 'W/"1"')
                for version, status in (("1", 200), ("2", 404)):
                    answer = request(
                        server.admin, "GET", f"/audit/fhir/AuditEvent/{event['id']}/_history/{version}",
                        headers=basic("auditor-a"))
                    self.assertEqual(answer.status, status)
                hidden = request(
                    server.admin, "GET", f"/audit/fhir/AuditEvent/{event['id']}", headers=basic("clinician-a"))
                nothing = request(
                    server.admin, "GET", f"/audit/fhir/AuditEvent/{'0' * 64}", headers=basic("auditor-a"))
                self.assertEqual((hidden.status, hidden.text), (404, nothing.text))


if __name__ == "__main__":
    unittest.main()
