"""The tour of the README in a real browser, with pictures.

The pictures go beside the other results; with CHAPERONE_PICTURES=docs/pictures they renew those of the README.
"""
import os
import pathlib
import unittest

from requirements_log import verifies
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait
from server_under_test import RESULTS, ROOT, ChaperoneUnderTest

# While a page is being left, the driver says so in more words than it has exceptions for: a stale element, a node that is in
# no document, a script that was aborted by navigation. None is an answer yet; at the end of the wait the last one is shown.
LEAVING = (WebDriverException,)
PICTURES = ROOT / os.environ["CHAPERONE_PICTURES"] if os.environ.get("CHAPERONE_PICTURES") else RESULTS / "pictures"


def open_browser(width=1100, height=900):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     f"--window-size={width},{height}", "--hide-scrollbars", "--lang=en"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


class Tour(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        PICTURES.mkdir(parents=True, exist_ok=True)
        cls.server = ChaperoneUnderTest().start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.browser = open_browser()
        self.addCleanup(self.browser.quit)

    def wait(self, condition, seconds=30):
        return WebDriverWait(self.browser, seconds, ignored_exceptions=LEAVING).until(condition)

    def see(self, element):
        return self.wait(expected_conditions.visibility_of_element_located((By.ID, element)))

    def ready(self, element):
        """What can be pressed: it is shown and its script has made it ready."""
        return self.wait(expected_conditions.element_to_be_clickable((By.ID, element)))

    def picture(self, name):
        self.browser.save_screenshot(str(pathlib.Path(PICTURES) / f"{name}.png"))

    def page_text(self):
        return self.browser.find_element(By.TAG_NAME, "body").text

    def sign_in(self, username):
        self.browser.get(f"{self.server.demo}/")
        self.ready("launch")
        self.picture("1-app")
        self.ready("launch").click()
        self.see("username").send_keys(username)
        self.picture("2-sign-in")
        self.browser.find_element(By.ID, "password").send_keys("demo")
        self.browser.find_element(By.CSS_SELECTOR, "button[type=submit]:not([name])").click()

    def allow(self):
        self.wait(expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, "button[value=allow]"))).click()

    def errors_in_console(self):
        """What the browser complains about, such as a broken content security policy; refusals that were asked for
        are network errors and not meant."""
        return [
            each["message"] for each in self.browser.get_log("browser")
            if each["level"] == "SEVERE" and "Failed to load resource" not in each["message"]]

    @verifies("house@tour")
    def test_a_member_launches_the_app_and_sees_their_records(self):
        self.sign_in("patient-a")
        self.wait(expected_conditions.presence_of_element_located((By.CSS_SELECTOR, "button[value=allow]")))
        self.assertIn("condition", self.page_text().lower())
        self.picture("3-consent")
        self.allow()
        for section in ("Condition", "Observation", "MedicationRequest", "ExplanationOfBenefit"):
            self.see(section)
        self.wait(lambda browser: "Type 2 diabetes mellitus" in self.page_text())
        self.assertIn("Metformin", self.page_text())
        self.picture("4-records")
        self.assertEqual(self.errors_in_console(), [])

        other = self.browser.find_element(By.ID, "other-id")
        other.clear()
        other.send_keys("patient-b")
        self.browser.find_element(By.CSS_SELECTOR, "#other-form button").click()
        self.wait(lambda browser: "404" in browser.find_element(By.ID, "other-answer").text)
        self.assertNotIn("Baptiste", self.page_text())
        self.browser.execute_script("document.getElementById('other').scrollIntoView()")
        self.picture("5-somebody-else")

        self.browser.get(f"{self.server.demo}/app/refusals")
        self.ready("run").click()
        self.wait(lambda browser: browser.find_element(By.ID, "results").text.count("OperationOutcome") > 3)
        self.picture("6-refusals")
        self.assertNotIn("Baptiste", self.page_text())
        self.assertEqual(self.errors_in_console(), [])

    def test_what_is_unticked_is_not_shared(self):
        self.sign_in("patient-b")
        self.wait(expected_conditions.presence_of_element_located((By.CSS_SELECTOR, "button[value=allow]")))
        boxes = self.browser.find_elements(By.CSS_SELECTOR, "input[data-scope]")
        dropped = [box for box in boxes if "MedicationRequest" in (box.get_attribute("value") or "")]
        self.assertTrue(dropped)
        for box in dropped:
            if box.is_displayed() and box.is_selected():
                box.click()
        self.allow()
        self.see("Condition")
        scopes = self.see("scopes").text
        self.assertNotIn("MedicationRequest", scopes)
        self.assertIn("Condition", scopes)

    def test_no_is_an_answer(self):
        self.sign_in("patient-a")
        self.wait(expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, "button[value=deny]"))).click()
        self.wait(lambda browser: browser.current_url.startswith(self.server.demo))
        self.wait(lambda browser: "access_denied" in self.page_text() or "not allow" in self.page_text().lower())

    def test_a_representative_is_asked_for_whom(self):
        self.sign_in("parent-a")
        self.wait(lambda browser: "/patient" in browser.current_url or "/consent" in browser.current_url)
        if "/patient" in self.browser.current_url:
            self.picture("7-whose-records")
            self.browser.find_element(By.CSS_SELECTOR, "input[name=patient][value=patient-c]").click()
            self.browser.find_element(By.CSS_SELECTOR, "button[type=submit]:not([name])").click()
        self.allow()
        self.assertIn("patient-c", self.see("patient").text)

    def test_a_wrong_password_is_told_without_saying_which_part_was_wrong(self):
        texts = []
        for username in ("patient-a", "nobody-here"):
            self.browser.get(f"{self.server.demo}/")
            self.ready("launch").click()
            self.see("username").send_keys(username)
            self.browser.find_element(By.ID, "password").send_keys("wrong")
            self.browser.find_element(By.CSS_SELECTOR, "button[type=submit]:not([name])").click()
            texts.append(self.wait(lambda browser: browser.find_element(By.ID, "error").text))
        self.assertEqual(texts[0], texts[1])

    def test_the_pages_fit_a_phone(self):
        self.browser.set_window_size(390, 844)
        self.sign_in("patient-a")
        self.wait(expected_conditions.presence_of_element_located((By.CSS_SELECTOR, "button[value=allow]")))
        width = self.browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        self.assertLessEqual(width, 0)
        self.picture("8-phone")
