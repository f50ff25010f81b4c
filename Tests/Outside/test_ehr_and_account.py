"""EHR launch, consent and the account pages in a real browser; every page is checked by axe."""
import pathlib
import unittest

import axe_core_python
from requirements_log import verifies
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait
from server_under_test import ChaperoneUnderTest
from test_browser import PICTURES, open_browser

AXE = (pathlib.Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


class Pages(unittest.TestCase):
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
        return WebDriverWait(self.browser, seconds).until(condition)

    def see(self, element):
        return self.wait(expected_conditions.visibility_of_element_located((By.ID, element)))

    def check(self, name):
        """Takes a picture and asks axe, which runs through the debugger and so in spite of the page's policy."""
        self.browser.save_screenshot(str(PICTURES / f"{name}.png"))
        self.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE})
        found = self.browser.execute_cdp_cmd("Runtime.evaluate", {
            "expression": "axe.run(document, {runOnly: %r}).then(r => JSON.stringify(r.violations.map(v => "
                          "[v.id, v.nodes.map(n => n.html.slice(0, 120))])))" % RULES,
            "awaitPromise": True})
        self.assertEqual(found["result"].get("value"), "[]", f"axe on {name}")

    def fits(self):
        width = self.browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        self.assertLessEqual(width, 0)

    def sign_in(self, username):
        self.see("username").send_keys(username)
        self.browser.find_element(By.ID, "password").send_keys("demo")
        self.browser.find_element(By.CSS_SELECTOR, "main form[action] button[type=submit]:not([name])").click()

    def allow(self):
        self.wait(expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, "button[value=allow]"))).click()

    def open_from_ehr(self, patient):
        self.browser.get(f"{self.server.demo}/ehr")
        self.see(f"launch-{patient}").find_element(By.CSS_SELECTOR, "button").click()

    @verifies("house@ehr-tour", "house@accessible-pages")
    def test_the_ehr_opens_the_wards_app_in_two_tabs_that_never_swap(self):
        self.browser.get(f"{self.server.demo}/ehr")
        self.check("20-ehr")
        self.open_from_ehr("patient-a")
        self.see("username")
        self.check("21-ehr-sign-in")
        self.sign_in("clinician-a")
        self.wait(expected_conditions.presence_of_element_located((By.CSS_SELECTOR, "button[value=allow]")))
        self.check("22-ehr-consent")
        self.allow()
        self.assertEqual(self.see("patient").text, "patient-a")
        self.see("banner")
        self.see("style")
        self.check("23-ward")
        first = self.browser.current_window_handle
        self.browser.switch_to.new_window("tab")
        self.open_from_ehr("patient-c")
        self.allow()
        self.assertEqual(self.see("patient").text, "patient-c")
        second = self.browser.current_window_handle
        for window, patient in ((first, "patient-a"), (second, "patient-c"), (first, "patient-a")):
            self.browser.switch_to.window(window)
            before = self.see("patient")
            self.see("refresh").click()
            # The page of before may still be there for a moment.
            self.wait(expected_conditions.staleness_of(before))
            self.assertEqual(self.see("patient").text, patient)

    @verifies("house@account-tour", "house@accessible-pages")
    def test_a_member_sees_and_ends_the_access_of_an_app(self):
        self.browser.get(f"{self.server.demo}/")
        self.see("launch").click()
        self.sign_in("patient-a")
        self.wait(expected_conditions.presence_of_element_located((By.CSS_SELECTOR, "button[value=allow]")))
        self.check("24-consent")
        self.allow()
        self.see("Condition")
        self.browser.get(f"{self.server.issuer}/account")
        self.check("25-account")
        self.assertIn("My Health Shelf", self.browser.page_source)
        self.browser.get(f"{self.server.issuer}/account/activity")
        self.check("26-activity")
        self.assertIn("patient/Condition.rs", self.browser.page_source)
        self.browser.get(f"{self.server.issuer}/account/sessions")
        self.check("27-sessions")
        self.browser.get(f"{self.server.issuer}/account?lang=es")
        self.check("28-account-es")
        self.assertIn("Retirar el acceso", self.browser.page_source)
        self.browser.get(f"{self.server.issuer}/account?lang=en")
        # By keyboard: the button takes the focus and Enter presses it.
        button = self.browser.find_element(By.CSS_SELECTOR, "button.danger")
        self.browser.execute_script("arguments[0].focus()", button)
        button.send_keys(Keys.ENTER)
        self.wait(lambda browser: "The access has ended." in browser.page_source)
        self.browser.get(f"{self.server.demo}/app/records")
        self.wait(lambda browser: "401" in browser.page_source or "token" in browser.page_source)

    @verifies("house@accessible-pages")
    def test_the_other_pages_are_accessible_and_fit_a_phone(self):
        self.browser.set_window_size(390, 844)
        for name, path in (("30-index", "/"), ("31-account-login", "/account"), ("32-signed-out", "/oauth/logout"),
                           ("33-not-found", "/no-such-page"), ("34-error", "/oauth/authorize")):
            self.browser.get(self.server.issuer + path)
            self.check(name)
            self.fits()
        self.browser.get(f"{self.server.issuer}/account")
        self.sign_in("parent-a")
        self.see("acts-for")
        self.check("35-account-parent-phone")
        self.fits()
        self.browser.get(f"{self.server.issuer}/account/activity")
        self.check("36-activity-phone")
        self.fits()
        for name, path in (("37-demo", "/"), ("38-ehr-phone", "/ehr"), ("39-refusals", "/app/refusals")):
            self.browser.get(self.server.demo + path)
            self.check(name)
            self.fits()

    def test_the_account_works_without_javascript(self):
        self.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        self.browser.get(f"{self.server.issuer}/account")
        self.sign_in("patient-b")
        self.wait(lambda browser: "Bernard Baptiste" in browser.page_source)
        self.browser.find_element(By.CSS_SELECTOR, "a[href='/account/activity']").click()
        self.wait(lambda browser: "audit log" in browser.page_source)


if __name__ == "__main__":
    unittest.main()
