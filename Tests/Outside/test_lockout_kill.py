"""The server is killed while the password is being looked at whose failure locks an account.

Whatever moment the kill meets: an account that is closed afterwards has exactly one record of its lockout, and one that is
not has none.
"""
import contextlib
import http.client
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
from server_under_test import ChaperoneUnderTest, request

FREE = 5
KILLS = 40 if os.environ.get("CHAPERONE_NIGHTLY") else 4
MOST = 8 * KILLS


class LockoutKill(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-lockout-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = ChaperoneUnderTest(self.folder)
        self.chance = random.Random(20_261_126)

    def sign_in(self, username, password):
        return request(
            self.server.issuer, "POST", "/account/login", f"username={username}&password={password}",
            {"Content-Type": "application/x-www-form-urlencoded"}).status

    def announced(self):
        """How many records wait for the end of their attempt; the server is down."""
        with contextlib.closing(sqlite3.connect(self.folder / "var/chaperone.db")) as database:
            return database.execute("SELECT count(*) FROM announced_lockout").fetchone()[0]

    def lockouts(self):
        records = json.loads(self.server.command("audit", "list", "--limit", "1000000", "--output", "json"))
        return [record for record in records if record["kind"] == "account-locked"]

    @verifies("house@LOCKOUT-RECORD")
    def test_a_kill_between_the_count_and_the_answer_loses_no_record(self):
        closed, met, kills = 0, 0, 0
        self.server.start()
        while kills < KILLS or (met == 0 and kills < MOST):
            kills += 1
            # An account of its own for each kill.
            name = f"guessed-{kills}"
            self.server.command("user", "add", name, "--patient", "patient-a", "--password-file", "-",
                                stdin="right-password\n")
            for _ in range(FREE - 1):
                self.assertEqual(self.sign_in(name, "wrong"), 400)
            last = threading.Thread(target=lambda: self.quietly(name))
            last.start()
            time.sleep(self.chance.uniform(0.0, 0.15))
            self.server.kill()
            last.join()
            self.server.clean_up()
            met += self.announced()
            self.server.start()
            status = self.sign_in(name, "right-password")
            self.assertIn(status, (303, 429))
            closed += status == 429
            self.assertEqual(len(self.lockouts()), closed, f"after kill {kills}")
        self.server.stop()
        self.assertEqual(self.announced(), 0)
        self.assertGreater(met, 0, "no kill met the moment; look at the times")
        print(f"{kills} kills, {closed} accounts closed, {met} records waited for the next start", flush=True)

    def quietly(self, name):
        """The attempt during which the server is killed: whoever asks hears nothing, or that it was wrong."""
        try:
            self.sign_in(name, "wrong")
        except (OSError, http.client.HTTPException):
            pass


if __name__ == "__main__":
    unittest.main()
