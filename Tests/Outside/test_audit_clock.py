"""Clocks that are set back and forth under load, the end of a year and a leap day: nothing is lost, out of its chain, or
found under another date than it has."""
import datetime
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from requirements_log import verifies
from server_under_test import ChaperoneUnderTest, basic, request
from smart_client import App

HERE = pathlib.Path(__file__).parent


class AuditClock(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-clock-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        library = self.folder / "moved_clock.so"
        compiler = shutil.which("cc") or shutil.which("clang")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "moved_clock.c"), "-ldl"], check=True)
        (self.folder / "chaperone.yaml").write_text(json.dumps({"audit": {"checkpoint-interval": 1}}))
        self.offset = self.folder / "offset"
        self.move(0)
        self.server = ChaperoneUnderTest(self.folder)
        self.server.extra_environment.update(LD_PRELOAD=str(library), MOVED_CLOCK_FILE=str(self.offset))

    def move(self, seconds):
        part = self.offset.with_suffix(".new")
        part.write_text(str(seconds))
        part.rename(self.offset)

    def launch(self):
        app = App(self.server.fhir)
        app.launch("launch/patient patient/*.rs", "patient-a")
        return app

    def read(self, app):
        answer = app.get("Patient/patient-a")
        self.assertEqual(answer.status, 200, answer.text)
        return answer.headers["X-Request-Id"]

    def search(self, query):
        """Every page: the times, and the decisions of accesses."""
        times, decisions, link = [], [], f"{self.server.admin}/audit/fhir/AuditEvent?type=rest&{query}"
        while link:
            parts = urllib.parse.urlsplit(link)
            answer = request(self.server.admin, "GET", f"{parts.path}?{parts.query}", headers=basic("auditor-a"))
            self.assertEqual(answer.status, 200, answer.text)
            for entry in answer.json.get("entry", []):
                times.append(entry["resource"]["recorded"])
                details = entry["resource"]["entity"][-1]["detail"]
                decisions += [each["valueString"] for each in details if each["type"] == "decision"]
            link = next((each["url"] for each in answer.json["link"] if each["relation"] == "next"), None)
        return times, decisions

    def whole(self):
        verified = json.loads(self.server.command("audit", "verify", "--demo", "--output", "json"))
        self.assertTrue(verified["whole"], verified)
        return verified

    @verifies("audit@clock")
    def test_a_clock_that_is_set_back_and_forth(self):
        with self.server:
            app = self.launch()
            read = []
            for seconds in (0, -90, 30, -30, -3, 0):
                self.move(seconds)
                read += [self.read(app) for _ in range(3)]
                time.sleep(1.2)
            times, decisions = self.search("patient=patient-a&_count=4")
            self.assertEqual(sorted(decisions), sorted(read), "each once, over all pages")
            self.assertEqual(times, sorted(times, reverse=True))
            self.assertGreaterEqual(self.whole()["checkpoints"], 4)
            self.assertEqual(request(self.server.issuer, "GET", "/health/ready").status, 200)
        # And over a restart at an earlier time than the last record has.
        self.move(-3600)
        with self.server:
            self.read(self.launch())
            self.whole()

    @verifies("audit@clock", "audit@fhir-search")
    def test_the_end_of_a_year_and_a_leap_day_are_where_the_calendar_has_them(self):
        for turn, before, after in [("2028-01-01", "2027", "2028"), ("2028-02-29", "2028-02-28", "2028-02-29"),
                                    ("2028-03-01", "2028-02-29", "2028-03")]:
            midnight = datetime.datetime.fromisoformat(f"{turn}T00:00:00+00:00").timestamp()
            # Four seconds before midnight at the start; reads go on until it is over.
            self.move(int(midnight - 4 - time.time()))
            with self.server:
                app = self.launch()
                read = []
                while time.time() + int(self.offset.read_text()) < midnight + 1.5:
                    read.append(self.read(app))
                    time.sleep(0.2)
                times, decisions = self.search(f"date=ge{turn}T00:00:00Z&_count=1000")
                early, earlier = self.search(f"date={before}&date=lt{turn}&_count=1000")
                _, later = self.search(f"date={after}&_count=1000")
                self.assertTrue(all(each >= turn for each in times))
                self.assertTrue(all(each < turn for each in early))
                mine = set(read)
                self.assertTrue(mine & set(earlier) and mine & set(later), turn)
                self.assertEqual(mine & set(earlier) | mine & set(later), mine)
                self.assertEqual(set(earlier) & set(later), set())
                # The same moment as another clock on the wall shows it.
                away = datetime.datetime.fromtimestamp(midnight, datetime.timezone(datetime.timedelta(hours=-5)))
                _, same = self.search("_count=1000&date=ge" + urllib.parse.quote(away.isoformat()))
                self.assertEqual(set(same), set(decisions))
                self.whole()
