"""The patient index of a file of many patients: whole, and when the server is killed in its middle."""
import http.client
import json
import os
import pathlib
import shutil
import tempfile
import time
import unittest

import test_streaming
from requirements_log import verifies
from server_under_test import ROOT, ChaperoneUnderTest
from test_streaming import MEGABYTES, PADDING, Upstream, observation

CLIENT = "demo-provider-access"
KILLS = int(os.environ.get("CHAPERONE_STREAM_KILLS", "3"))


class ManyPatients(test_streaming.Shape):
    """A file in which every line is another patient's, or every so many."""

    def __init__(self, megabytes, lines_a_patient=1, padding=PADDING):
        super().__init__(megabytes)
        self.padding, self.lines_a_patient = padding, lines_a_patient
        self.rows = megabytes * (1 << 20) // (len(observation(1000000, note=padding)) + 10)

    def observations(self):
        for number in range(self.rows):
            yield observation(number, f"p{number // self.lines_a_patient}", self.padding)


class StreamedIndex(unittest.TestCase):
    def setUp(self):
        self.upstream = Upstream()
        self.addCleanup(self.upstream.shutdown)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-index-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        keys = json.loads((ROOT / f"fixtures/keys/{CLIENT}.TEST-ONLY.jwk.json").read_text())["keys"]
        public = [{name: value for name, value in key.items() if name != "d"} for key in keys]
        (self.folder / "keys.json").write_text(json.dumps({"keys": public}))
        # The demo's client, but one that may see everybody.
        (self.folder / "chaperone.yaml").write_text(json.dumps({"clients": [{
            "id": CLIENT, "kind": "asymmetric", "program": "provider-access", "grant-types": ["client_credentials"],
            "scopes": "system/Observation.rs", "keys-file": str(self.folder / "keys.json"),
            "system-patients": ["*"]}]}))
        self.server = ChaperoneUnderTest(self.folder)
        self.server.extra_environment = {"CHAPERONE_FHIR_SERVER_UPSTREAM": self.upstream.base}
        self.server.start()
        self.addCleanup(self.server.kill)

    def open_file(self):
        """A new download, as far as its head."""
        # By the module's name: a test case that is imported by its own would be run again here.
        test_streaming.Streaming.server = self.server
        token = test_streaming.Streaming.token()
        path = test_streaming.Streaming.file(token)
        connection = http.client.HTTPConnection("localhost", self.server.public_port, timeout=120)
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": "*/*"})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        return connection, answer

    def memory(self, field):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith(field))) << 10

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def records(self, decision):
        """Those of one answer and of the parts of its index, and whom they name."""
        records = json.loads(self.server.command("audit", "list", "--limit", "1000", "--output", "json"))
        found = [each for each in records if decision in (each["decision"], each.get("parent"))]
        return found, {patient for each in found for patient in each["patients"]}

    def measured(self, shape):
        self.upstream.shape = shape
        pathlib.Path(f"/proc/{self.server.process.pid}/clear_refs").write_text("5")
        before, started, size = self.memory("VmRSS"), time.monotonic(), 0
        cpu = self.cpu_seconds()
        connection, answer = self.open_file()
        named = set()
        rest = b""
        while piece := answer.read1(1 << 16):
            size += len(piece)
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            named.update(json.loads(line)["subject"]["reference"].split("/")[-1] for line in lines)
        seconds, cpu = time.monotonic() - started, self.cpu_seconds() - cpu
        connection.close()
        growth = self.memory("VmHWM") - before
        records, patients = self.records(answer.headers["X-Request-Id"])
        print(
            f"{size >> 20} MB, {len(named)} patients: {len(records)} records, grew {growth >> 20} MB over "
            f"{before >> 20} MB in {seconds:.1f} s, {cpu:.1f} s of CPU", flush=True)
        return named, records, patients, growth

    @verifies("house@BULK-INDEX", "house@STREAMING-MEMORY")
    def test_a_file_of_200_megabytes_in_which_every_line_is_another_patients(self):
        self.measured(ManyPatients(20))
        named, records, patients, growth = self.measured(ManyPatients(MEGABYTES))
        self.assertEqual(len(named), ManyPatients(MEGABYTES).rows)
        self.assertEqual(patients, named)
        self.assertLess(growth, test_streaming.MOST_GROWTH)
        self.assertEqual([each["phase"] for each in records].count("closed"), len(records))

    @verifies("house@BULK-INDEX")
    def test_a_file_of_few_patients_costs_few_records(self):
        shape = ManyPatients(40, lines_a_patient=10_000)
        named, records, patients, _ = self.measured(shape)
        self.assertEqual(patients, named)
        self.assertLess(len(records), len(named) + 3)

    @verifies("house@BULK-INDEX", "audit@one-closed-record")
    def test_whoever_a_client_got_a_line_of_is_named_when_the_server_is_killed(self):
        for number in range(KILLS):
            # Short lines: of many patients in little, and a kill somewhere in it.
            self.upstream.shape = ManyPatients(60, padding="x" * (50 << number * 2))
            connection, answer = self.open_file()
            got = b""
            while len(got) < (12 + 5 * number) << 20:
                got += answer.read1(1 << 16)
            self.server.kill()
            try:
                while piece := answer.read1(1 << 16):
                    got += piece
            except (http.client.IncompleteRead, ConnectionError):
                pass
            connection.close()
            named = {
                json.loads(line)["subject"]["reference"].split("/")[-1] for line in got.split(b"\n")[:-1]}
            self.server.start()
            records, patients = self.records(answer.headers["X-Request-Id"])
            whole = [each for each in records if each["decision"] == answer.headers["X-Request-Id"]]
            print(f"killed after {len(got) >> 20} MB: {len(named)} patients, {len(records)} records", flush=True)
            self.assertGreater(len(named), 1_000)
            self.assertEqual(len(named - patients), 0)
            self.assertEqual([each["phase"] for each in whole], ["interrupted"])
            self.server.command("audit", "verify")


if __name__ == "__main__":
    unittest.main()
