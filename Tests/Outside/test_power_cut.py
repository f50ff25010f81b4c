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

from load_workers import WRITER, WRITER_SCOPES, Batcher, Reader, Writer, check_records
from requirements_log import verifies
from server_under_test import ChaperoneUnderTest
from smart_client import App

NIGHTLY = bool(os.environ.get("CHAPERONE_NIGHTLY"))
KILLS = 50 if NIGHTLY else 5
WORKERS = 4


class PowerCut(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-kill-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = ChaperoneUnderTest(self.folder)
        self.chance = random.Random(20_261_123)

    def kill_under_load(self, kinds, app_of, enough=lambda: True):
        """Starts, loads and kills the server so many times; returns the ids of the answers that came whole.

        A kill meets what it looks for by chance, so a few more follow until `enough`, at most four times as many.
        """
        received, app, kills = [], None, 0
        while kills < KILLS or (kills < 4 * KILLS and not enough()):
            kills += 1
            # One server with the same ports each time, so that the first launch's token stays good.
            self.server.start()
            app = app or app_of(self.server)
            stop = threading.Event()
            workers = [kinds[number % len(kinds)](app, number, stop) for number in range(WORKERS)]
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
        return received, kills

    def records(self):
        self.server.start()
        records = json.loads(self.server.command("audit", "list", "--limit", "1000000", "--output", "json"))
        verified = json.loads(self.server.command("audit", "verify", "--output", "json"))
        self.server.stop()
        self.assertTrue(verified["whole"], verified)
        return [record for record in records if record["kind"] == "access"]

    def check(self, received, records):
        return check_records(self, self.folder / "var/audit.db", received, records)

    def opened_without_end(self):
        """Whether the last kill met something that was under way; the server is down."""
        with contextlib.closing(sqlite3.connect(self.folder / "var/audit.db")) as database:
            (open_now,) = database.execute("SELECT count(*) FROM audit_open").fetchone()
            (ended,) = database.execute("SELECT count(*) FROM audit_entry WHERE phase = 'interrupted'").fetchone()
        return open_now + ended > 0

    @verifies("audit@one-closed-record")
    def test_every_answer_received_has_exactly_one_closed_record(self):
        def app_of(server):
            app = App(server.fhir)
            app.launch("launch/patient patient/*.rs", "patient-a")
            return app

        received, kills = self.kill_under_load([Reader], app_of)
        self.assertGreater(len(received), kills)
        opened, interrupted = self.check(received, self.records())
        self.assertEqual((opened, interrupted), (0, 0), "a read is one record")
        print(f"{kills} kills over reads, {len(received)} answers received")

    def writer_app(self, server):
        app = App(server.fhir, "writer")
        app.launch(WRITER_SCOPES, "patient-a")
        return app

    def kill_writers(self, kinds, name):
        (self.folder / "chaperone.yaml").write_text(WRITER)
        received, kills = self.kill_under_load(kinds, self.writer_app, self.opened_without_end)
        self.assertGreater(len(received), kills)
        # The command reads the file too, and without `--demo` it would want a protected server in it.
        (self.folder / "chaperone.yaml").unlink()
        opened, interrupted = self.check(received, self.records())
        self.assertGreater(opened, kills)
        self.assertGreater(interrupted, 0, f"no kill of {kills} met something that was under way")
        print(f"{kills} kills over {name}, {len(received)} answers received, {opened} opened, {interrupted} interrupted")

    @verifies("audit@one-closed-record", "audit@opening-before-change")
    def test_every_write_is_opened_before_it_is_forwarded_and_ends_once(self):
        self.kill_writers([Writer], "writes")

    @verifies("audit@one-closed-record", "audit@opening-before-change")
    def test_a_batch_and_its_entries_have_their_records_together(self):
        self.kill_writers([Batcher, Writer, Reader], "batches, writes and reads")
