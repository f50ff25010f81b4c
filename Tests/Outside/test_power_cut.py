"""The server is killed at random moments under load: no answer with data is without its closed record."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import sqlite3
import tempfile
import threading
import time
import unittest

from requirements_log import verifies
from server_under_test import ChaperoneUnderTest
from smart_client import App

NIGHTLY = bool(os.environ.get("CHAPERONE_NIGHTLY"))
READ_KILLS = 50 if NIGHTLY else 20
WRITE_KILLS = 50 if NIGHTLY else 12
WORKERS = 4

# A client that may write; the demo's own may only read.
WRITER = """
clients:
  - id: writer
    name: Diary
    kind: public
    program: patient-access
    trusted: true
    grant-types: [authorization_code]
    redirect-uris: ["http://127.0.0.1:8765/callback"]
    scopes: "launch/patient patient/Observation.cruds"
    access-token: 3600
"""


class Worker(threading.Thread):
    """Does the same until the server is gone; keeps the audit id of every answer with data that came whole."""

    def __init__(self, app, number, stop):
        super().__init__()
        self.app, self.number, self.stop, self.received, self.problem = app, number, stop, [], None

    def run(self):
        try:
            while not self.stop.is_set():
                self.step()
        except OSError:
            pass
        except Exception as problem:  # shown by the test, which joins this thread
            if not self.stop.is_set() or isinstance(problem, AssertionError):
                self.problem = problem

    def keep(self, answer, *statuses):
        if answer.status not in statuses:
            raise AssertionError(f"{answer.status}: {answer.text[:300]}")
        json.loads(answer.body)
        self.received.append(answer.headers["X-Request-Id"])


class Reader(Worker):
    def step(self):
        self.keep(self.app.get("Patient/patient-a", timeout=10), 200)


class Writer(Worker):
    """Creates an observation, changes it, reads it and deletes it."""

    def observation(self, text, **more):
        return json.dumps({
            "resourceType": "Observation", "status": "final", "code": {"text": text},
            "subject": {"reference": "Patient/patient-a"}, **more})

    def send(self, method, path, body=None):
        headers = {"Content-Type": "application/fhir+json"} if body else {}
        return self.app.get(path, method, headers, body, timeout=10)

    def step(self):
        created = self.send("POST", "Observation", self.observation(f"writer {self.number}"))
        self.keep(created, 201)
        identifier = json.loads(created.body)["id"]
        for change in range(3):
            body = self.observation(f"change {change}", id=identifier)
            self.keep(self.send("PUT", f"Observation/{identifier}", body), 200)
        self.keep(self.send("GET", f"Observation/{identifier}"), 200)
        gone = self.send("DELETE", f"Observation/{identifier}")
        if gone.status != 204:
            raise AssertionError(f"{gone.status}: {gone.text[:300]}")


class PowerCut(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-kill-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = ChaperoneUnderTest(self.folder)
        self.chance = random.Random(20_261_123)

    def kill_under_load(self, kills, kind, app_of):
        """Starts, loads and kills the server so many times; returns the ids of the answers that came whole."""
        received, app = [], None
        for _ in range(kills):
            # One server with the same ports each time, so that the first launch's token stays good.
            self.server.start()
            app = app or app_of(self.server)
            stop = threading.Event()
            workers = [kind(app, number, stop) for number in range(WORKERS)]
            for worker in workers:
                worker.start()
            time.sleep(self.chance.uniform(0.05, 0.8))
            stop.set()
            self.server.kill()
            for worker in workers:
                worker.join()
                if worker.problem:
                    raise worker.problem
                received += worker.received
            self.server.clean_up()
        return received

    def records(self):
        self.server.start()
        records = json.loads(self.server.command("audit", "list", "--limit", "1000000", "--output", "json"))
        self.server.stop()
        return [record for record in records if record["kind"] == "access"]

    def check(self, received, records):
        """Every answer received has exactly one closed record, every opened one exactly one end. Counts both ends."""
        self.assertEqual(len(received), len(set(received)))
        told = {}
        for record in records:
            told.setdefault(record["decision"], []).append(record["phase"])
        for decision in received:
            self.assertEqual(told.get(decision), ["closed"], decision)
        # The list leaves out openings that have ended, so what was opened is looked up in the file itself.
        words = {"whole": "closed", "closing": "closed", "opening": "opened", "interrupted": "interrupted"}
        phases = {}
        with contextlib.closing(sqlite3.connect(self.folder / "var/audit.db")) as database:
            for decision, phase in database.execute("SELECT event_id, phase FROM audit_entry"):
                if decision in told:
                    phases.setdefault(decision, []).append(words[phase])
        self.assertEqual(set(phases), set(told))
        interrupted = 0
        for decision, found in phases.items():
            ends = [phase for phase in found if phase != "opened"]
            self.assertEqual(len(ends), 1, (decision, found))
            self.assertLessEqual(found.count("opened"), 1, (decision, found))
            if ends == ["interrupted"]:
                self.assertEqual(sorted(found), ["interrupted", "opened"], "what was never opened cannot be interrupted")
                interrupted += 1
        opened = sum("opened" in found for found in phases.values())
        return opened, interrupted

    @verifies("audit@one-closed-record")
    def test_every_answer_received_has_exactly_one_closed_record(self):
        def app_of(server):
            app = App(server.fhir)
            app.launch("launch/patient patient/*.rs", "patient-a")
            return app

        received = self.kill_under_load(READ_KILLS, Reader, app_of)
        self.assertGreater(len(received), READ_KILLS)
        opened, interrupted = self.check(received, self.records())
        self.assertEqual((opened, interrupted), (0, 0), "a read is one record")
        print(f"{READ_KILLS} kills over reads, {len(received)} answers received")

    @verifies("audit@one-closed-record", "audit@opening-before-change")
    def test_every_write_is_opened_before_it_is_forwarded_and_ends_once(self):
        (self.folder / "chaperone.yaml").write_text(WRITER)

        def app_of(server):
            app = App(server.fhir, "writer")
            app.launch("launch/patient patient/Observation.cruds", "patient-a")
            return app

        received = self.kill_under_load(WRITE_KILLS, Writer, app_of)
        self.assertGreater(len(received), WRITE_KILLS)
        # The command reads the file too, and without `--demo` it would want a protected server in it.
        (self.folder / "chaperone.yaml").unlink()
        opened, interrupted = self.check(received, self.records())
        self.assertGreater(opened, WRITE_KILLS)
        self.assertGreater(interrupted, 0, "no kill met a write that was under way; there are too few of them")
        print(f"{WRITE_KILLS} kills over writes, {len(received)} answers received, {opened} opened, "
              f"{interrupted} interrupted")
