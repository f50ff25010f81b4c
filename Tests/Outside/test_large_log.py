"""A large log: verified without a server, a changed record named, searched by patient and date. The 10 million of
docs/evidence are the same steps by hand; here they are fewer, and every night a million."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from requirements_log import verifies
from server_under_test import ROOT, ChaperoneUnderTest, basic, request

NIGHTLY = bool(os.environ.get("CHAPERONE_NIGHTLY"))
RECORDS = 1_000_000 if NIGHTLY else 20_000
PATIENTS = RECORDS // 50


class LargeLog(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-large-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    @verifies("audit@verify-command", "audit@fhir-search")
    def test_it_is_verified_and_searched(self):
        server = ChaperoneUnderTest(self.folder)
        with server:
            keys = server.command("audit", "keys")
        (self.folder / "keys.json").write_text(keys)
        large = self.folder / "large.db"
        # A second implementation of the chain: what the verifier accepts, both agree on.
        subprocess.run(
            [sys.executable, str(ROOT / "Benchmarks/audit_log.py"), str(self.folder / "var/audit.db"), str(large),
             str(RECORDS), "--patients", str(PATIENTS)], check=True, capture_output=True)
        large.chmod(0o600)
        size = large.stat().st_size
        verify = ("audit", "verify", "--log", str(large), "--keys", "keys.json", "--output", "json")
        began = time.monotonic()
        verified = json.loads(server.command(*verify))
        took = time.monotonic() - began
        self.assertTrue(verified["whole"], verified)
        self.assertEqual([chain["entries"] for chain in verified["chains"]], [RECORDS])

        server.extra_environment["CHAPERONE_AUDIT_DATABASE"] = f"sqlite:{large}"
        chance = random.Random(7)
        slowest, found = 0.0, 0
        with server:
            for _ in range(50):
                query = f"patient=p-{chance.randrange(PATIENTS)}&date=ge2025-01-01&date=lt2025-01-15&_count=50"
                began = time.monotonic()
                answer = request(server.admin, "GET", f"/audit/fhir/AuditEvent?{query}", headers=basic("auditor-a"))
                slowest = max(slowest, time.monotonic() - began)
                self.assertEqual(answer.status, 200, answer.text[:300])
                found += len(answer.json.get("entry", []))
        self.assertGreater(found, 0)
        self.assertLess(slowest, 1.0)
        print(f"{RECORDS} records, {size / RECORDS:.0f} bytes each; verified in {took:.1f} s; slowest of 50 searches by "
              f"patient and date {slowest * 1000:.0f} ms")

        changed = chance.randrange(1, RECORDS)
        with contextlib.closing(sqlite3.connect(large)) as log:
            (trigger,) = log.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_entry_fixed'").fetchone()
            log.execute("DROP TRIGGER audit_entry_fixed")
            (body,) = log.execute(
                "SELECT body FROM audit_entry WHERE node = 'bench' AND sequence = ?", (changed,)).fetchone()
            bit = chance.randrange(8 * len(body))
            body = bytearray(body)
            body[bit // 8] ^= 1 << bit % 8
            log.execute(
                "UPDATE audit_entry SET body = ? WHERE node = 'bench' AND sequence = ?", (bytes(body), changed))
            log.execute(trigger)
            log.commit()
        verified = json.loads(server.command(*verify, check=False))
        self.assertFalse(verified["whole"])
        self.assertIn(f"entry bench/{changed}", [finding["place"] for finding in verified["findings"]])
