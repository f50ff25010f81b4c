"""Second factors, languages and life without scripts in a real browser; every page is checked by axe.

The codes come from Python's own HMAC, which knows nothing of the server's.
"""
import base64
import hashlib
import hmac
import json
import pathlib
import struct
import subprocess
import tempfile
import textwrap
import time
import unittest
import urllib.parse

from pages_under_axe import PICTURES, PagesUnderAxe
from requirements_log import verifies
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions
from server_under_test import BINARY, ChaperoneUnderTest, request
from smart_client import App

SCOPES = "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs " \
    "patient/DocumentReference.rs"


def code_of(key, step):
    """RFC 6238 in six lines."""
    digest = hmac.new(base64.b32decode(key + "=" * (-len(key) % 8)), struct.pack(">Q", step), hashlib.sha1).digest()
    start = digest[19] & 15
    return f"{(struct.unpack('>I', digest[start:start + 4])[0] & 0x7FFFFFFF) % 10 ** 6:06d}"


def step_now():
    return int(time.time()) // 30


class SecondFactor(PagesUnderAxe, unittest.TestCase):
    def main_button(self):
        return self.browser.find_element(By.CSS_SELECTOR, "main form button[type=submit]:not([name])")

    def enter(self, code):
        field = self.see("code")
        field.send_keys(code)
        self.press(field.find_element(By.XPATH, "ancestor::form").find_element(By.CSS_SELECTOR, "button.button"))

    def enrol(self, username, checks=False):
        """Sets a factor up on the account pages; the key and the step that it used up."""
        self.browser.get(f"{self.server.issuer}/account")
        self.sign_in(username)
        self.wait(lambda browser: "/account/sign-out" in browser.page_source)
        self.browser.get(f"{self.server.issuer}/account/security")
        if checks:
            self.check("40-security")
        self.see("password").send_keys("demo")
        self.press(self.main_button())
        key = self.see("totp-key").text.replace(" ", "")
        address = urllib.parse.urlsplit(self.see("totp-address").text)
        self.assertEqual(urllib.parse.parse_qs(address.query)["secret"], [key])
        if checks:
            self.check("41-set-up")
            self.fits()
        step = step_now()
        self.enter(code_of(key, step))
        codes = [each.text for each in self.browser.find_elements(By.CSS_SELECTOR, ".codes code")]
        self.assertEqual(len(set(codes)), 10)
        if checks:
            self.check("42-recovery-codes")
        return key, step, codes

    @verifies("oauth-attack@U-21", "house@second-factor-tour", "house@accessible-pages")
    def test_a_member_sets_a_second_factor_up_and_signs_in_with_it(self):
        self.browser.set_window_size(390, 844)
        key, step, codes = self.enrol("patient-b", checks=True)
        self.browser.get(f"{self.server.issuer}/account/security?lang=es")
        self.check("43-security-es")
        self.fits()
        self.browser.get(f"{self.server.issuer}/account/security?lang=en")
        self.press(self.browser.find_element(By.CSS_SELECTOR, "form.who button"))
        self.sign_in("patient-b")
        self.see("code")
        self.check("44-code")
        self.fits()
        self.enter("000000")
        self.see("error")
        self.check("45-wrong-code")
        # The account is not open yet, whatever its address.
        self.browser.get(f"{self.server.issuer}/account")
        self.see("username")
        self.browser.get(f"{self.server.issuer}/account/login/code")
        self.enter(code_of(key, step + 1))
        self.wait(lambda browser: "/account/sign-out" in browser.page_source)
        # A recovery code stands in for the app, once, and by keyboard.
        self.press(self.browser.find_element(By.CSS_SELECTOR, "form.who button"))
        self.sign_in("patient-b")
        self.see("code").send_keys(codes[0] + Keys.ENTER)
        self.wait(lambda browser: "/account/sign-out" in browser.page_source)
        self.browser.get(f"{self.server.issuer}/account/security")
        self.assertEqual(self.see("codes-left").text, "9")

    @verifies("house@spanish-pages", "house@accessible-pages")
    def test_a_launch_in_spanish_from_login_to_return(self):
        self.browser.set_window_size(390, 844)
        app = App(self.server.fhir)
        query = urllib.parse.urlencode(
            app.authorization_request(f"launch/encounter {SCOPES}", ui_locales="es-US es"))
        self.browser.get(f"{app.configuration['authorization_endpoint']}?{query}")
        self.see("username")
        self.check("46-login-es")
        self.fits()
        # By keyboard from here on.
        self.see("username").send_keys("clinician-a" + Keys.TAB + "demo" + Keys.ENTER)
        choice = self.wait(lambda browser: browser.find_element(
            By.CSS_SELECTOR, "input[name=patient][value=patient-a]"))
        self.check("47-whose-es")
        self.fits()
        choice.send_keys(Keys.SPACE)
        self.assertTrue(choice.is_selected())
        choice.send_keys(Keys.ENTER)
        visit = self.wait(lambda browser: browser.find_element(By.CSS_SELECTOR, "input[name=encounter]"))
        self.check("47-visit-es")
        self.fits()
        visit.send_keys(Keys.ENTER)
        self.wait(expected_conditions.presence_of_element_located((By.CSS_SELECTOR, "button[value=allow]")))
        for summary in self.browser.find_elements(By.CSS_SELECTOR, "details summary"):
            summary.send_keys(Keys.ENTER)
        self.check("48-consent-es")
        self.fits()
        self.browser.execute_script("document.getElementById('remember').scrollIntoView()")
        self.browser.save_screenshot(str(PICTURES / "49-consent-es-end.png"))
        text = self.browser.find_element(By.TAG_NAME, "body").text
        self.assertIn("¿Permitir que", text)
        for english in (" the ", " and ", " born ", "records", "Allow", "access "):
            self.assertNotIn(english, text)
        self.browser.find_element(By.CSS_SELECTOR, "button[value=deny]").send_keys(Keys.ENTER)
        self.wait(lambda browser: "error=access_denied" in browser.current_url)

    @verifies("house@no-scripts-needed")
    def test_without_scripts_a_person_allows_sees_and_ends_an_access(self):
        self.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        app = App(self.server.fhir)
        query = urllib.parse.urlencode(app.authorization_request(SCOPES))
        self.browser.get(f"{app.configuration['authorization_endpoint']}?{query}")
        self.sign_in("patient-a")
        self.wait(expected_conditions.presence_of_element_located((By.CSS_SELECTOR, "button[value=allow]")))
        for box in self.browser.find_elements(By.CSS_SELECTOR, "input[value^='patient/DocumentReference']"):
            box.click()
        self.allow()
        # Nobody listens at the app's address; the browser shows what it was sent to.
        self.wait(lambda browser: browser.current_url.startswith(app.redirect))
        returned = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.browser.current_url).query))
        self.assertEqual(returned["state"], app.state)
        token = app.redeem(returned["code"])
        self.assertEqual(token.status, 200, token.text)
        app.token = token.json
        self.assertNotIn("DocumentReference", app.token["scope"])
        self.assertEqual(app.get("Patient/patient-a").status, 200)
        self.browser.get(f"{self.server.issuer}/account")
        self.press(self.browser.find_element(By.CSS_SELECTOR, "button.danger"))
        self.wait(lambda browser: "The access has ended." in browser.page_source)
        self.assertEqual(app.get("Patient/patient-a").status, 401)
        self.press(self.browser.find_element(By.CSS_SELECTOR, "a[href='/account/activity']"))
        self.assertIn("Patient/patient-a", self.browser.page_source)

    @verifies("house@accessible-pages")
    def test_the_pages_of_staff_are_accessible(self):
        console = self.server.admin.replace("http://", "http://auditor-a:demo@")
        App(self.server.fhir).launch(SCOPES, "patient-a")
        for name, path, width in (
                ("50-console", "/console/audit", 1100), ("51-console-phone", "/console/audit", 390),
                ("52-console-filtered", "/console/audit?patient=patient-a&outcome=succeeded", 1100),
                ("53-console-refused", "/console/audit?since=junk", 1100)):
            self.browser.set_window_size(width, 844)
            self.browser.get(console + path)
            self.see("patient")
            self.check(name)
            self.fits()

    @verifies("house@accessible-pages")
    def test_the_report_of_the_mirror_is_accessible(self):
        report = self.server.folder / "report"
        lines = "".join(
            f'192.0.2.1 - - [25/Nov/2026:18:30:0{place} +0000] "GET {path} HTTP/1.1" 200 100 "-" "x" '
            f'client="app" scope="patient/Observation.rs" patient="patient-a"\n'
            for place, path in enumerate(("/fhir/Observation", "/fhir/Observation?patient=patient-a", "/fhir/Patient")))
        subprocess.run(
            [str(BINARY), "mirror", "--demo", "--report", str(report), "--log", "-"], cwd=self.server.folder,
            env=self.server.environment, input=lines, text=True, check=True, stdout=subprocess.DEVNULL)
        self.assertTrue(json.loads((report / "mirror.json").read_text())["rows"])
        self.browser.set_window_size(390, 844)
        self.browser.get((report / "mirror.html").as_uri())
        self.check("54-mirror-phone")
        self.fits()

    def test_discovery_names_what_is_there(self):
        document = request(self.server.issuer, "GET", "/.well-known/openid-configuration").json
        self.assertEqual(document["ui_locales_supported"], ["en", "es"])
        self.assertIn("urn:chaperone:acr:second-factor", document["acr_values_supported"])


class StrictSite(PagesUnderAxe, unittest.TestCase):
    """A site whose programs demand two factors, with an app that nobody vouches for."""

    CONFIGURATION = """
        second-factor:
          programs: [prior-authorization]
        clients:
          - id: stranger
            name: Stranger
            kind: public
            program: prior-authorization
            redirect-uris: ["http://127.0.0.1:8765/callback"]
            grant-types: [authorization_code]
            scopes: launch/patient openid patient/Patient.rs patient/Condition.rs
        """

    @classmethod
    def setUpClass(cls):
        PICTURES.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="chaperone-strict-")
        cls.addClassCleanup(folder.cleanup)
        (pathlib.Path(folder.name) / "chaperone.yaml").write_text(textwrap.dedent(cls.CONFIGURATION))
        cls.server = ChaperoneUnderTest(folder.name).start()

    @verifies("oauth-attack@U-21", "house@accessible-pages")
    def test_an_app_of_a_strict_program_waits_for_the_second_factor(self):
        self.browser.set_window_size(390, 844)
        app = App(self.server.fhir, client_id="stranger")
        query = urllib.parse.urlencode(app.authorization_request("launch/patient openid patient/Patient.rs"))
        self.browser.get(f"{app.configuration['authorization_endpoint']}?{query}")
        self.sign_in("patient-a")
        key = self.see("totp-key").text.replace(" ", "")
        self.check("60-set-up-in-launch")
        self.fits()
        field = self.see("code")
        field.send_keys(code_of(key, step_now()) + Keys.ENTER)
        self.wait(lambda browser: browser.find_elements(By.CSS_SELECTOR, ".codes code"))
        self.check("61-codes-in-launch")
        self.press(self.browser.find_element(By.CSS_SELECTOR, "main form button"))
        self.wait(expected_conditions.presence_of_element_located((By.CSS_SELECTOR, "button[value=deny]")))
        self.check("62-consent-not-reviewed")
        self.press(self.browser.find_element(By.CSS_SELECTOR, "button[value=deny]"))
        self.wait(lambda browser: "error=access_denied" in browser.page_source)
        self.assertTrue(self.browser.current_url.startswith(self.server.issuer))
        self.check("63-leaving")
        self.fits()


if __name__ == "__main__":
    unittest.main()
