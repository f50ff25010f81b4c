"""The server is killed at random moments under a load of reads: no answer with data is without its closed record."""
import json
import os
import pathlib
import random
import shutil
import tempfile
import threading
import time
import unittest

from requirements_log import verifies
from server_under_test import ChaperoneUnderTest
from smart_client import App

KILLS = 50 if os.environ.get("CHAPERONE_NIGHTLY") else 20
READERS = 4


class Reader(threading.Thread):
    """Reads until the server is gone; keeps the audit id of every answer with data that came whole."""

    def __init__(self, app, stop):
        super().__init__()
        self.app, self.stop, self.received = app, stop, []

    def run(self):
        while not self.stop.is_set():
            try:
                answer = self.app.get("Patient/patient-a", timeout=10)
            except (OSError, Exception) as problem:
                if isinstance(problem, AssertionError):
                    raise
                return
            if answer.status == 200:
                json.loads(answer.body)
                self.received.append(answer.headers["X-Request-Id"])


class PowerCut(unittest.TestCase):
    @verifies("audit@one-closed-record")
    def test_every_answer_received_has_exactly_one_closed_record(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-kill-"))
        self.addCleanup(shutil.rmtree, folder, True)
        chance = random.Random(20_261_123)
        received = []
        for _ in range(KILLS):
            server = ChaperoneUnderTest(folder).start()
            app = App(server.fhir)
            app.launch("launch/patient patient/*.rs", "patient-a")
            stop = threading.Event()
            readers = [Reader(app, stop) for _ in range(READERS)]
            for reader in readers:
                reader.start()
            time.sleep(chance.uniform(0.05, 0.8))
            server.kill()
            stop.set()
            for reader in readers:
                reader.join()
                received += reader.received
            server.clean_up()
        server = ChaperoneUnderTest(folder).start()
        records = json.loads(server.command("audit", "list", "--limit", "1000000", "--output", "json"))
        server.stop()
        self.assertGreater(len(received), KILLS)
        self.assertEqual(len(received), len(set(received)))
        closed, surplus = {}, 0
        for record in records:
            if record["phase"] == "closed":
                closed[record["decision"]] = closed.get(record["decision"], 0) + 1
            else:
                surplus += 1
                self.assertEqual(record["phase"], "interrupted", record)
        for decision in received:
            self.assertEqual(closed.get(decision), 1, decision)
        print(f"{KILLS} kills, {len(received)} answers received, {len(closed)} closed records, {surplus} interrupted")
