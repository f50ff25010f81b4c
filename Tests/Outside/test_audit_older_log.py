"""What an older release may have left in the log: a legal hold without a record, and a cursor without a signature of a feed
that is configured no longer. An administrator adopts the one, the start puts the other in order, and verification is whole."""
import contextlib
import json
import pathlib
import shutil
import sqlite3
import tempfile
import unittest

from requirements_log import verifies
from server_under_test import ChaperoneUnderTest


class OlderLog(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-older-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def server(self):
        return ChaperoneUnderTest(self.folder)

    @verifies("audit@holds-follow-chain", "audit@cursors-signed")
    def test_a_hold_without_a_record_is_adopted_and_a_stray_cursor_forgotten(self):
        with self.server():
            pass
        with contextlib.closing(sqlite3.connect(self.folder / "var/audit.db")) as log, log:
            log.execute(
                "INSERT INTO audit_hold VALUES ('orphan', 'patient-a', NULL, NULL, 'claim', 'admin-old', 5, NULL, NULL)")
            log.execute("INSERT INTO audit_feed VALUES ('gone', 3, NULL)")
        with self.server() as server:
            with self.assertRaises(AssertionError) as refused:
                server.command("audit", "retain", "--rehearsal")
            self.assertIn("not what was written", str(refused.exception))
            verified = server.command("audit", "verify", check=False)
            self.assertIn("hold orphan: forged: no record placed it", verified)
            self.assertNotIn("feed gone", verified)
            server.command("audit", "hold", "adopt", "orphan")
            server.command("audit", "retain", "--rehearsal")
            server.command("audit", "verify")
            holds = json.loads(server.command("audit", "hold", "list", "--output", "json"))
            rows = holds if isinstance(holds, list) else holds["holds"]
            self.assertEqual([(row["id"], row["by"]) for row in rows], [("orphan", "admin-old")])
            server.command("audit", "hold", "lift", "orphan")
            server.command("audit", "verify")
            with self.assertRaises(AssertionError):
                server.command("audit", "hold", "adopt", "orphan")


if __name__ == "__main__":
    unittest.main()
