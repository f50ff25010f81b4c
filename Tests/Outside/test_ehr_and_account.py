"""EHR launch, consent and the account pages in a real browser; every page is checked by axe."""
import unittest

from pages_under_axe import PagesUnderAxe
from requirements_log import verifies
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions


class Pages(PagesUnderAxe, unittest.TestCase):
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
            self.press(self.see("refresh"))
            self.assertEqual(self.see("patient").text, patient)

    @verifies("house@account-tour", "house@accessible-pages")
    def test_a_member_sees_and_ends_the_access_of_an_app(self):
        self.browser.get(f"{self.server.demo}/")
        self.ready("launch").click()
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
