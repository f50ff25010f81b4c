"""Every page of the product under axe, on a desk and on a phone, and in each language that it is offered in.

A page says which it is (`data-page`). The list of pages is taken from the sources, so that a page that is added and
visited by nothing here fails the test.
"""
import base64
import json
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.parse

from selenium.webdriver.common.by import By

from pages_under_axe import AXE, RULES, PagesUnderAxe
from requirements_log import verifies
from server_under_test import BINARY, ROOT, ChaperoneUnderTest
from smart_client import App, FormReader
from test_browser import PICTURES
from test_member_identity_provider import Member, Provider
from test_second_factor import code_of, step_now

TEMPLATES = ROOT / "Sources/CAssets/pages"
DEMO = ROOT / "Sources/CAssets/demo"
# Offered in English only: pages for staff, and the demo's app and EHR, which are not the product.
ENGLISH_ONLY = {"console-audit", "ehr", "ward", "demo-message", "mirror"}
WIDTHS = {"desk": (1280, 900), "phone": (375, 812)}


def pages():
    """Every page that the sources can make, with its languages."""
    made = {file.stem for file in TEMPLATES.glob("*.mustache") if file.read_text().startswith("{{<")}
    static = {f"demo-{file.stem}" for file in DEMO.glob("*.html")}
    return {(page, language) for page in made | static | {"mirror"}
            for language in (["en"] if page in ENGLISH_ONLY | static else ["en", "es"])}


class EveryPage(PagesUnderAxe, unittest.TestCase):
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
        (PICTURES / "pages").mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="chaperone-pages-")
        cls.addClassCleanup(folder.cleanup)
        (pathlib.Path(folder.name) / "chaperone.yaml").write_text(cls.CONFIGURATION)
        cls.server = ChaperoneUnderTest(folder.name).start()
        cls.seen = set()

    def look(self, page, language="en", wait=True):
        """The browser shows that page in that language, and it holds on a desk and on a phone."""
        body = lambda browser: browser.find_element(By.TAG_NAME, "body").get_attribute("data-page")  # noqa: E731
        if wait:
            self.wait(lambda browser: body(browser) == page)
        self.assertEqual(body(self.browser), page)
        self.assertEqual(self.browser.find_element(By.TAG_NAME, "html").get_attribute("lang"), language)
        for summary in self.browser.find_elements(By.CSS_SELECTOR, "main details:not([open]) > summary"):
            self.browser.execute_script("arguments[0].parentElement.open = true", summary)
        own_width = self.browser.execute_script("return window.innerWidth")
        for name, (width, height) in WIDTHS.items():
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": name == "phone"})
            picture = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
            (PICTURES / "pages" / f"{page}-{language}-{name}.png").write_bytes(base64.b64decode(picture["data"]))
            self.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE})
            found = self.browser.execute_cdp_cmd("Runtime.evaluate", {
                "expression": "axe.run(document, {runOnly: %r}).then(r => JSON.stringify([r.passes.length, "
                              "r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 160))])]))" % RULES,
                "awaitPromise": True})
            passed, violations = json.loads(found["result"]["value"])
            self.assertEqual(violations, [], f"axe on {page} in {language} on a {name}")
            self.assertGreater(passed, 5, "axe looked at something")
            wide = self.browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
            self.assertLessEqual(wide, 0, f"{page} in {language} on a {name} scrolls sideways")
        self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        # A click goes to a place: only when the page has its old size again is the place the right one.
        self.wait(lambda browser: browser.execute_script("return window.innerWidth") == own_width)
        self.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        self.seen.add((page, language))

    def open(self, path, base=None):
        self.browser.get(f"{base or self.server.issuer}{path}")

    def authorize(self, client="demo-patient-app", scope="launch/patient openid patient/Patient.rs", language="en", **more):
        app = App(self.server.fhir, client_id=client)
        query = app.authorization_request(scope, ui_locales=language, **more)
        self.browser.get(f"{app.configuration['authorization_endpoint']}?{urllib.parse.urlencode(query)}")

    def submit(self, selector="main form button[type=submit]:not([name])"):
        self.press(self.browser.find_element(By.CSS_SELECTOR, selector))

    @verifies("house@accessible-pages", "house@spanish-pages")
    def test_1_pages_of_members(self):
        for language in ("en", "es"):
            with self.subTest(language):
                self.browser.delete_all_cookies()
                self.open(f"/?lang={language}")
                self.look("index", language)
                self.open("/no-such-page")
                self.look("message", language)
                self.open("/account")
                self.look("account-login", language)
                app = App(self.server.fhir)
                app.launch("launch/patient openid offline_access patient/Patient.rs patient/Condition.rs", "parent-a",
                           patient="patient-c")
                self.assertEqual([app.get("Condition").status, app.get("Observation").status], [200, 403])
                self.sign_in("parent-a")
                self.look("account-apps", language)
                for path, page in (("activity", "account-activity"), ("sessions", "account-sessions"),
                                   ("security", "account-security")):
                    self.open(f"/account/{path}")
                    self.look(page, language)
                self.change_password("not-it", "demo-2")
                self.look("account-security", language)
                self.see("password-error")
                self.change_password("demo", "demo-2")
                self.look("account-security", language)
                self.see("notice")
                self.change_password("demo-2", "demo")
                self.open("/account/activity")
                self.see("your-account")
                self.look("account-activity", language)
                self.open("/oauth/logout")
                self.look("logout", language)
                self.submit()
                self.look("message", language)

    def change_password(self, present, new):
        """On the security page, in the form that is there."""
        for name, value in (("present", present), ("new", new), ("again", new)):
            self.see(f"{name}-password").send_keys(value)
        self.press(self.browser.find_element(
            By.CSS_SELECTOR, "form[action='/account/security/password'] button[type=submit]"))

    @verifies("house@accessible-pages", "house@spanish-pages")
    def test_2_pages_of_a_launch(self):
        for language in ("en", "es"):
            with self.subTest(language):
                self.browser.delete_all_cookies()
                self.authorize(
                    scope="launch/encounter openid fhirUser offline_access patient/Patient.rs patient/Condition.rs "
                          "patient/Observation.rs patient/DocumentReference.rs", language=language)
                self.look("login", language)
                self.sign_in("clinician-a")
                self.look("patient", language)
                self.browser.find_element(By.CSS_SELECTOR, "input[name=patient][value=patient-a]").click()
                self.submit()
                self.look("encounter", language)
                self.browser.find_element(By.CSS_SELECTOR, "input[name=encounter]").click()
                self.submit()
                self.look("consent", language)

    @verifies("house@accessible-pages", "house@spanish-pages")
    def test_7_pages_of_a_second_factor_and_the_way_back_to_an_app_that_nobody_vouches_for(self):
        for language, user in (("en", "patient-a"), ("es", "patient-b")):
            with self.subTest(language):
                self.browser.delete_all_cookies()
                self.authorize("stranger", language=language)
                self.sign_in(user)
                self.look("second-factor", language)
                key = self.see("totp-key").text.replace(" ", "")
                self.see("code").send_keys(code_of(key, step_now()))
                self.submit()
                self.look("recovery-codes", language)
                self.submit()
                self.look("consent", language)
                self.submit("button[value=deny]")
                self.look("leaving", language)

    @verifies("house@accessible-pages")
    def test_4_pages_of_the_demo(self):
        self.open("/", self.server.demo)
        self.look("demo-index")
        self.open("/app/refusals", self.server.demo)
        self.look("demo-refusals")
        self.open("/app/callback?error=access_denied&state=x", self.server.demo)
        self.look("demo-callback")
        self.open("/", self.server.demo)
        self.ready("launch").click()
        self.sign_in("patient-a")
        self.wait(lambda browser: browser.find_element(By.TAG_NAME, "body").get_attribute("data-page")
                  in ("consent", "second-factor"))
        if self.browser.find_elements(By.ID, "code"):
            self.fail("the demo's own app needs no second factor")
        self.allow()
        self.see("Condition")
        self.look("demo-records")
        self.browser.delete_all_cookies()
        self.open("/oauth/logout")
        self.browser.delete_all_cookies()
        self.open("/ehr", self.server.demo)
        self.look("ehr")
        self.see("launch-patient-a").find_element(By.CSS_SELECTOR, "button").click()
        self.sign_in("clinician-a")
        self.allow()
        self.see("banner")
        self.look("ward")
        self.open("/provider/view?tab=unknown", self.server.demo)
        self.look("demo-message")

    @verifies("house@accessible-pages")
    def test_5_pages_of_staff(self):
        App(self.server.fhir).launch("launch/patient openid patient/Patient.rs", "parent-a", patient="patient-c")
        console = self.server.admin.replace("http://", "http://auditor-a:demo@")
        for path in ("/console/audit", "/console/audit?patient=patient-c&outcome=succeeded", "/console/audit?since=junk"):
            self.browser.get(console + path)
            self.look("console-audit")
        report = self.server.folder / "report"
        line = ('192.0.2.1 - - [25/Nov/2026:18:30:00 +0000] "GET /fhir/Observation HTTP/1.1" 200 100 "-" "x" '
                'client="app" scope="patient/Observation.rs" patient="patient-a"\n')
        subprocess.run(
            [str(BINARY), "mirror", "--demo", "--report", str(report), "--log", "-"], cwd=self.server.folder,
            env=self.server.environment, input=line, text=True, check=True, stdout=subprocess.DEVNULL)
        self.browser.get((report / "mirror.html").as_uri())
        self.look("mirror")

    @verifies("house@accessible-pages", "house@spanish-pages")
    def test_6_pages_with_an_identity_provider(self):
        """The choice of a provider, and the page between the two sign-outs, which leads on by itself."""
        server = ChaperoneUnderTest()
        provider = Provider(server.folder, server.issuer).start()
        self.addCleanup(provider.stop)
        (server.folder / "chaperone.yaml").write_text(f"""
identity-providers:
  - id: plan
    name: Example Health Plan
    issuer: {provider.issuer}
    client-id: chaperone
    client-secret-file: {provider.secret_file}
    scope: openid membership
    members:
      source: table
      claim: member_id
      table:
        M-1001: Patient/patient-a
""")
        server.start()
        self.addCleanup(server.stop)
        for language in ("en", "es"):
            with self.subTest(language):
                self.browser.delete_all_cookies()
                self.browser.get(f"{server.issuer}/account?lang={language}")
                self.look("account-login", language)
                anna = Member("anna")
                anna.get(f"{server.issuer}/account?lang={language}", timeout=30)
                anna.walk(f"{server.issuer}/login/provider?provider=plan", f"{server.issuer}/account")
                # Who signs in elsewhere has no password here, and is offered to change none.
                security = anna.get(f"{server.issuer}/account/security", timeout=30)
                self.assertIn('data-page="account-security"', security.text)
                self.assertNotIn('type="password"', security.text)
                self.assertNotIn("/account/security/password", security.text)
                page = anna.get(f"{server.issuer}/oauth/logout", timeout=30)
                form = next(form for form in FormReader(page.text).forms if form["action"] == "/oauth/logout")
                answer = anna.post(f"{server.issuer}/oauth/logout", data=form["fields"], allow_redirects=False, timeout=30)
                self.assertIn("Refresh", answer.headers)
                # The same document at the same origin, without the header that leads on.
                frame = self.browser.execute_cdp_cmd("Page.getFrameTree", {})["frameTree"]["frame"]["id"]
                self.browser.execute_cdp_cmd("Page.setDocumentContent", {"frameId": frame, "html": answer.text})
                self.look("signed-out", language)

    @verifies("house@accessible-pages")
    def test_9_no_page_was_left_out(self):
        self.assertEqual(sorted(pages() - self.seen), [], "made by the sources, visited by nothing here")
        self.assertEqual(sorted(self.seen - pages()), [])
        named = {file.stem: re.search(r"\{\{\$page\}\}(.*?)\{\{/page\}\}", file.read_text())
                 for file in TEMPLATES.glob("*.mustache") if file.read_text().startswith("{{<")}
        self.assertEqual({stem: match and match.group(1) for stem, match in named.items()}, {stem: stem for stem in named})

    @verifies("house@accessible-pages")
    def test_9b_nothing_else_makes_a_page(self):
        """Where the program says `text/html`, or writes a document of its own."""
        found = {file.name for file in (ROOT / "Sources").rglob("*.swift")
                 if "ChaperoneTesting" not in file.parts and re.search(r"text/html|<html", file.read_text())}
        self.assertEqual(found, {"PageAnswers.swift", "StaticRoutes.swift", "MirrorLedger.swift"})


if __name__ == "__main__":
    unittest.main()
