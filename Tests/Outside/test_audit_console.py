"""The console's page of the audit trail in a real browser: found, filtered, checked by axe, and pictures of it."""
import json
import pathlib
import tempfile
import unittest
import urllib.parse

import axe_core_python
from requirements_log import verifies
from selenium.webdriver.common.by import By
from server_under_test import ChaperoneUnderTest, request
from smart_client import App
from test_browser import PICTURES, open_browser

AXE = (pathlib.Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


class AuditConsole(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        PICTURES.mkdir(parents=True, exist_ok=True)
        cls.folder = tempfile.TemporaryDirectory(prefix="chaperone-console-")
        cls.server = ChaperoneUnderTest(cls.folder.name).start()
        app = App(cls.server.fhir)
        app.launch("launch/patient patient/Patient.rs patient/Observation.rs", "patient-a")
        for path in ["Patient/patient-a", "Observation?_count=5", "Observation?category=laboratory", "Patient/patient-a"]:
            assert app.get(path).status == 200, path
        assert app.get("Patient/patient-b").status == 404
        assert app.get("Condition?patient=patient-a").status == 403
        for _ in range(3):
            assert request(cls.server.fhir, "GET", "/Patient/patient-a").status == 401

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.cleanup()

    def open(self, query="", width=1200, height=1000):
        browser = open_browser(width, height)
        self.addCleanup(browser.quit)
        parts = urllib.parse.urlsplit(self.server.admin)
        browser.get(f"http://auditor-a:demo@{parts.netloc}/console/audit{query}")
        self.assertIn("Audit trail", browser.title)
        return browser

    def looks_well(self, browser, name):
        """Takes a picture and asks axe, which runs through the debugger and so in spite of the page's policy."""
        browser.save_screenshot(str(PICTURES / f"{name}.png"))
        browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE})
        found = browser.execute_cdp_cmd("Runtime.evaluate", {
            "expression": "axe.run(document, {runOnly: %s}).then(r => JSON.stringify(r.violations.map(v => "
                          "[v.id, v.nodes.map(n => n.target.join(' '))])))" % json.dumps(RULES),
            "awaitPromise": True, "returnByValue": True})
        self.assertEqual(found["result"].get("value"), "[]", f"axe on {name}")
        wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        self.assertLessEqual(wide, 0, f"{name} is wider than its window")

    @verifies("audit@console")
    def test_what_happened_is_seen_and_filtered(self):
        browser = self.open()
        entries = browser.find_elements(By.CSS_SELECTOR, "li.entry")
        self.assertGreater(len(entries), 10)
        self.assertTrue(browser.find_elements(By.CSS_SELECTOR, "svg.timeline rect.bad"))
        self.looks_well(browser, "audit-1-all")
        refused = self.open("?outcome=refused&kind=access")
        words = [each.text for each in refused.find_elements(By.CSS_SELECTOR, "li.entry .chip")]
        self.assertEqual(set(words), {"refused"})
        self.assertGreaterEqual(len(words), 5)
        reasons = {each.text for each in refused.find_elements(By.CSS_SELECTOR, "li.entry .why")}
        self.assertIn("token-missing", reasons)
        self.looks_well(refused, "audit-2-refused")

    @verifies("audit@console")
    def test_an_entry_opens_and_tells_everything(self):
        browser = self.open("?patient=patient-a&outcome=permitted&scope=patient/Observation.rs")
        entry = browser.find_element(By.CSS_SELECTOR, "li.entry details")
        entry.find_element(By.TAG_NAME, "summary").click()
        facts = {each.find_element(By.TAG_NAME, "dt").text: each.find_element(By.TAG_NAME, "dd").text
                 for each in entry.find_elements(By.CSS_SELECTOR, "dl.facts > div")}
        self.assertEqual(facts["Scopes"], "patient/Observation.rs")
        self.assertIn("156.221", facts["Legal basis"])
        self.assertIn("patient=", facts["Asked upstream"])
        self.looks_well(browser, "audit-3-entry")

    @verifies("audit@console")
    def test_a_narrow_window_and_a_filter_that_finds_nothing(self):
        narrow = self.open("", 390, 844)
        narrow.find_element(By.CSS_SELECTOR, "li.entry summary").click()
        self.looks_well(narrow, "audit-4-phone")
        nothing = self.open("?client=nobody")
        self.assertIn("Nothing was recorded", nothing.find_element(By.TAG_NAME, "main").text)
        self.looks_well(nothing, "audit-5-nothing")
        wrong = self.open("?since=yesterday-ish")
        self.assertTrue(wrong.find_element(By.CSS_SELECTOR, "[role=alert]").text)
        self.looks_well(wrong, "audit-6-wrong")
