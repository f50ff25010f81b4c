"""What tests of pages in a browser share: a server, a browser, moves of a person, and axe."""
import pathlib

import axe_core_python
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait
from server_under_test import ChaperoneUnderTest
from test_browser import LEAVING, PICTURES, open_browser

AXE = (pathlib.Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


class PagesUnderAxe:
    """To be mixed into a test case."""

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

    def press(self, element):
        """Presses something that leads to another page, and waits until the old page is gone: what is read next is of
        the new one."""
        element.click()
        self.wait(lambda browser: self.is_gone(element))

    @staticmethod
    def is_gone(element):
        """Whether the page of an element was left. The driver says so in several ways: a stale element, or a node that
        is in no document."""
        try:
            element.is_enabled()
        except WebDriverException:
            return True
        return False
