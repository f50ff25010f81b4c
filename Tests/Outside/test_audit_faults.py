"""A disk that is slow, full or faulty and a log that somebody holds, under load over the whole server: every answer with
data that a client received has exactly one closed record, what was not answered does not look as if it had been, and
nothing is there twice."""
import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

from load_workers import WRITER, WRITER_SCOPES, Batcher, Reader, Writer, check_records
from requirements_log import verifies
from server_under_test import ChaperoneUnderTest, request
from smart_client import App

NIGHTLY = bool(os.environ.get("CHAPERONE_NIGHTLY"))
SECONDS = 60 if NIGHTLY else 6
HERE = pathlib.Path(__file__).parent


class AuditFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tools = tempfile.TemporaryDirectory(prefix="chaperone-disk-")
        cls.library = pathlib.Path(cls.tools.name) / "faulty_disk.so"
        compiler = shutil.which("cc") or shutil.which("clang")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(cls.library), str(HERE / "faulty_disk.c"), "-ldl"], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.tools.cleanup()

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-fault-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        (self.folder / "chaperone.yaml").write_text(WRITER)
        self.log = self.folder / "var/audit.db"
        self.order_file = self.folder / "order"
        self.server = ChaperoneUnderTest(self.folder)
        self.server.extra_environment.update(
            LD_PRELOAD=str(self.library), FAULTY_DISK_FILE=str(self.log), FAULTY_DISK_ORDER=str(self.order_file))
        self.server.start()
        self.addCleanup(self.server.kill)
        self.app = App(self.server.fhir, "writer")
        self.app.launch(WRITER_SCOPES, "patient-a")

    def order(self, text):
        """Takes effect with the next call."""
        part = self.order_file.with_suffix(".new")
        part.write_text(text)
        part.rename(self.order_file)

    def start_load(self):
        self.stop = threading.Event()
        self.workers = [
            kind(self.app, number, self.stop, patient=True)
            for number, kind in enumerate([Reader, Reader, Writer, Batcher])]
        for worker in self.workers:
            worker.start()

    def end_load(self):
        self.stop.set()
        received, refused = [], 0
        for worker in self.workers:
            worker.join()
            if worker.problem:
                raise worker.problem
            received += worker.received
            refused += worker.refused
        return received, refused

    def recovered(self, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.app.get("Patient/patient-a", timeout=40).status == 200:
                    return True
            time.sleep(0.2)
        return False

    def settle(self, received):
        """Serves again, ends cleanly, and every record is as it ought to be."""
        self.assertTrue(self.recovered(), "it does not serve again")
        self.assertEqual(request(self.server.issuer, "GET", "/health/ready").status, 200)
        self.server.stop()
        # What was still open when it stopped is closed at the next start.
        self.server.extra_environment.clear()
        # The commands read the file too, and without `--demo` they would want a protected server in it.
        (self.folder / "chaperone.yaml").unlink()
        self.server.start()
        records = json.loads(self.server.command("audit", "list", "--limit", "1000000", "--output", "json"))
        verified = json.loads(self.server.command("audit", "verify", "--output", "json"))
        self.server.stop()
        self.assertTrue(verified["whole"], verified)
        return check_records(
            self, self.log, received, [record for record in records if record["kind"] == "access"])

    def not_answered_is_not_permitted(self):
        """No record of an answer that the client was told would not come says, unmarked, that it left."""
        with contextlib.closing(sqlite3.connect(self.log)) as database:
            rows = database.execute(
                "SELECT event_id, phase, outcome FROM audit_entry WHERE kind = 'access'").fetchall()
        phases = {}
        for decision, phase, outcome in rows:
            phases.setdefault(decision, []).append((phase, outcome))
        for worker in self.workers:
            for decision in worker.refused_ids:
                found = phases.get(decision, [])
                left = [phase for phase, outcome in found if outcome == "permitted"]
                marks = [phase for phase, _ in found if phase == "interrupted"]
                self.assertTrue(not left or marks, f"{decision}, which was answered 503, stands as {found}")

    @verifies("audit@one-closed-record", "audit@cannot-be-written")
    def test_a_slow_disk_makes_answers_late_and_nothing_else(self):
        self.order("delay 300")
        self.start_load()
        time.sleep(SECONDS)
        received, refused = self.end_load()
        self.order("")
        self.assertGreater(len(received), 10)
        self.assertEqual(refused, 0)
        self.settle(received)
        print(f"slow disk: {len(received)} answers received")

    @verifies("audit@one-closed-record", "audit@cannot-be-written", "audit@deadline")
    def test_what_becomes_durable_too_late_is_marked(self):
        self.start_load()
        time.sleep(1)
        # Longer than the deadline, for every commit that begins now.
        self.order("delay 12000")
        time.sleep(14)
        self.order("")
        time.sleep(2)
        received, refused = self.end_load()
        self.assertGreater(refused, 0)
        opened, interrupted = self.settle(received)
        self.not_answered_is_not_permitted()
        self.assertGreater(interrupted, 0)
        print(f"too slow a disk: {len(received)} answers received, {refused} refused, {interrupted} marked")

    @verifies("audit@one-closed-record", "audit@cannot-be-written")
    def test_a_disk_that_fails_now_and_then(self):
        self.start_load()
        for _ in range(max(2, SECONDS // 3)):
            for order in ("fail-sync 40", "", "fail-write 30", "", "short-write 50", ""):
                self.order(order)
                time.sleep(0.5)
        self.order("")
        received, refused = self.end_load()
        self.assertGreater(len(received), 10)
        self.assertGreater(refused, 0)
        opened, interrupted = self.settle(received)
        self.not_answered_is_not_permitted()
        print(f"faulty disk: {len(received)} answers received, {refused} refused, {interrupted} interrupted")

    @verifies("audit@one-closed-record", "audit@cannot-be-written")
    def test_a_disk_that_takes_nothing_at_all(self):
        self.start_load()
        time.sleep(1)
        self.order("fail-write 100")
        time.sleep(0.5)
        answer = self.app.get("Patient/patient-a", timeout=40)
        self.assertEqual(answer.status, 503)
        self.assertNotIn(b"patient-a", answer.body)
        self.assertEqual(request(self.server.issuer, "GET", "/health/ready").status, 503)
        time.sleep(SECONDS / 3)
        self.order("")
        time.sleep(1)
        received, refused = self.end_load()
        self.assertGreater(refused, 0)
        opened, interrupted = self.settle(received)
        self.not_answered_is_not_permitted()
        print(f"full disk: {len(received)} answers received, {refused} refused, {interrupted} interrupted")

    @verifies("audit@one-closed-record", "audit@cannot-be-written")
    def test_a_log_that_others_hold_under_load(self):
        self.start_load()
        for pause in (0.3, 7, 1):
            with contextlib.closing(sqlite3.connect(self.log, isolation_level=None, timeout=30)) as holder:
                holder.execute("BEGIN IMMEDIATE")
                time.sleep(pause)
                holder.execute("ROLLBACK")
            time.sleep(0.5)
        received, refused = self.end_load()
        self.assertGreater(refused, 0)
        opened, interrupted = self.settle(received)
        self.not_answered_is_not_permitted()
        print(f"locked log: {len(received)} answers received, {refused} refused, {interrupted} interrupted")
