"""A payer connects its member identity provider as docs/connect-a-member-identity-provider.md says, at a provider that
others wrote (django-oauth-toolkit). The configuration and the roster are the guide's own blocks."""
import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest
import urllib.parse

import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from member_provider import PEOPLE
from pages_under_axe import AXE, RULES
from requirements_log import verifies
from server_under_test import ROOT, ChaperoneUnderTest, free_ports, request
from smart_client import App, FormReader
from test_browser import LEAVING, open_browser

GUIDE = ROOT / "docs/connect-a-member-identity-provider.md"
SECRET = "a-secret-of-the-tests-0123456789abcdef"


def blocks(kind):
    """The code blocks of the guide in one language, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


class Provider:
    """The provider as a process, with an issuer on loopback."""

    def __init__(self, folder, issuer_of_chaperone):
        self.folder, self.redirect = folder, f"{issuer_of_chaperone}/login/callback/plan"
        self.port, = free_ports(1)
        self.issuer = f"http://127.0.0.1:{self.port}/o"
        self.secret_file = folder / "plan.secret"
        self.secret_file.write_text(SECRET + "\n")

    def start(self):
        self.log = open(self.folder / "provider.log", "ab")
        self.process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).parent / "member_provider.py"), str(self.folder), str(self.port),
             "chaperone", str(self.secret_file), self.redirect],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        for _ in range(600):
            if self.process.poll() is not None:
                raise AssertionError(f"the provider ended: {(self.folder / 'provider.log').read_text()}")
            try:
                if requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=5).status_code == 200:
                    return self
            except requests.ConnectionError:
                pass
            time.sleep(0.1)
        raise AssertionError("the provider was not up in time")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.log.close()


class Member(requests.Session):
    """Somebody at a browser, for two servers on one machine: cookies by host name, as browsers keep them."""

    def __init__(self, name):
        super().__init__()
        self.name, self.password = name, PEOPLE[name][0]
        self.visited = []

    def walk(self, url, until, answers=None):
        """Follows redirects and fills in forms until an address begins with `until`, or a page has no form to fill in."""
        answers = {"password": {"username": self.name, "password": self.password}, "decision": {"decision": "allow"},
                   **(answers or {})}
        method, fields = "GET", None
        for _ in range(25):
            self.visited.append(url)
            headers = {"Accept": "text/html", "Referer": url}
            answer = self.request(method, url, data=fields, headers=headers, allow_redirects=False, timeout=30)
            if answer.status_code in (301, 302, 303):
                url = urllib.parse.urljoin(url, answer.headers["Location"])
                if url.startswith(until):
                    return url
                method, fields = "GET", None
                continue
            form = next(
                ((form, values) for form in FormReader(answer.text).forms for field, values in answers.items()
                 if field in {name for name, _ in form["fields"] + form["buttons"]} | form["choices"]), None)
            if answer.status_code != 200 or form is None:
                return answer
            sent = [(name, value) for name, value in form[0]["fields"] if name not in form[1]]
            url, method = urllib.parse.urljoin(url, form[0]["action"] or url), "POST"
            fields = sent + list(form[1].items())
        raise AssertionError(f"the way does not end: {self.visited}")


class MemberIdentityProvider(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ChaperoneUnderTest()
        cls.provider = Provider(cls.server.folder, cls.server.issuer).start()
        cls.addClassCleanup(cls.provider.stop)
        cls.roster = cls.server.folder / "members.ndjson"
        cls.roster.write_text(blocks("json")[0])
        configuration = blocks("yaml")[0]
        for written, here in [
                ("https://login.plan.example", cls.provider.issuer),
                ("/etc/chaperone/plan.secret", str(cls.provider.secret_file)),
                ("/var/lib/chaperone/members.ndjson", str(cls.roster)), ("reload: 5", "reload: 1")]:
            assert written in configuration, written
            configuration = configuration.replace(written, here)
        (cls.server.folder / "chaperone.yaml").write_text(configuration)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        # A command reads the file as one of production, where the protected server is named.
        cls.server.extra_environment = {"CHAPERONE_FHIR_SERVER_UPSTREAM": cls.server.sandbox}

    def launch(self, member, app=None, **more):
        """The way from an app to its redirect, or to the page at which it ends."""
        app = app or App(self.server.fhir)
        query = urllib.parse.urlencode(app.authorization_request(
            "launch/patient openid fhirUser offline_access patient/Patient.rs", **more))
        end = member.walk(f"{app.configuration['authorization_endpoint']}?{query}", app.redirect)
        if not isinstance(end, str):
            return app, end
        returned = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(end).query))
        if "code" not in returned:
            return app, returned
        answer = app.redeem(returned["code"])
        self.assertEqual(answer.status, 200, answer.text)
        app.token = answer.json
        return app, app.token

    def refresh(self, app):
        return app.token_request({
            "grant_type": "refresh_token", "refresh_token": app.token["refresh_token"], "client_id": app.client_id})

    def put_roster(self, lines, date):
        """Drops a roster as the guide says, beside the old one and renamed over it."""
        head = json.dumps({"roster": "members", "date": date, "lines": len(lines)})
        new = self.roster.with_suffix(".new")
        new.write_text("\n".join([head, *(json.dumps(line) for line in lines)]) + "\n")
        os.replace(new, self.roster)

    def wait(self, condition, what):
        for _ in range(100):
            if condition():
                return
            time.sleep(0.2)
        self.fail(what)

    @verifies("house@MEMBER-PROVIDER")
    def test_1_a_member_signs_in_at_the_provider_and_reads_the_own_record(self):
        anna = Member("anna")
        app, token = self.launch(anna)
        self.assertEqual(token["patient"], "patient-a")
        self.assertTrue(any(url.startswith(self.provider.issuer) for url in anna.visited))
        self.assertFalse(any("/login?launch=" in url for url in anna.visited), "nobody sees a login page of ours")
        self.assertEqual(app.get("Patient/patient-a").status, 200)
        self.assertEqual(app.get("Patient/patient-b").status, 404, "the fhirUser that the provider claims is nothing")
        self.assertEqual(self.refresh(app).status, 200)

    @verifies("house@MEMBER-PROVIDER")
    def test_2_a_parent_reads_the_childs_record(self):
        app, token = self.launch(Member("ben"))
        self.assertEqual(token["patient"], "patient-c")
        self.assertEqual(app.get("Patient/patient-c").status, 200)

    @verifies("house@MEMBER-PROVIDER", "oauth-attack@U-23")
    def test_3_an_account_that_nobody_linked_gets_nothing(self):
        carl = Member("carl")
        _, end = self.launch(carl)
        self.assertEqual(end.status_code, 400)
        self.assertIn("opens nothing here", end.text)
        self.assertNotIn("M-9999", end.text)
        logins = json.loads(self.server.command("user", "logins", "--output", "json"))
        self.assertNotIn("M-9999", json.dumps(logins))
        self.assertEqual(carl.get(f"{self.server.issuer}/account/sessions", timeout=30).status_code, 200)
        self.assertIn("Continue with Example Health Plan", carl.get(f"{self.server.issuer}/account", timeout=30).text)

    @verifies("oauth-attack@U-23")
    def test_4_an_answer_that_was_made_for_another_browser_is_refused(self):
        """The code and state of one browser are played into another, and replayed in the first."""
        anna, mallory = Member("anna"), Member("anna")
        app = App(self.server.fhir)
        query = urllib.parse.urlencode(app.authorization_request("launch/patient patient/Patient.rs"))
        back = anna.walk(
            f"{app.configuration['authorization_endpoint']}?{query}", f"{self.server.issuer}/login/callback/plan")
        self.assertIsInstance(back, str, back)
        other = App(self.server.fhir)
        query = urllib.parse.urlencode(other.authorization_request("launch/patient patient/Patient.rs"))
        mallory.walk(f"{other.configuration['authorization_endpoint']}?{query}", self.provider.issuer)
        self.assertEqual(mallory.get(back, allow_redirects=False, timeout=30).status_code, 400)
        wrong = back.replace("state=", "state=x")
        self.assertEqual(anna.get(wrong, allow_redirects=False, timeout=30).status_code, 400)
        self.assertEqual(anna.get(back, allow_redirects=False, timeout=30).status_code, 303)
        self.assertEqual(anna.get(back, allow_redirects=False, timeout=30).status_code, 400, "once")

    @verifies("oauth-attack@U-23")
    def test_5_a_code_of_another_sign_in_has_the_wrong_nonce_and_challenge(self):
        """The attacker's code with the victim's state: PKCE and the nonce refuse it."""
        answers = []
        for member in (Member("anna"), Member("ben")):
            app = App(self.server.fhir)
            query = urllib.parse.urlencode(app.authorization_request("launch/patient patient/Patient.rs"))
            answers.append((member, member.walk(
                f"{app.configuration['authorization_endpoint']}?{query}", f"{self.server.issuer}/login/callback/plan")))
        (anna, own), (_, foreign) = answers
        code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(foreign).query))["code"]
        fields = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(own).query)) | {"code": code}
        address = own.split("?")[0] + "?" + urllib.parse.urlencode(fields)
        self.assertEqual(anna.get(address, allow_redirects=False, timeout=30).status_code, 400)

    def test_6_nobody_signs_in_with_a_password_of_this_server(self):
        page = Member("anna").walk(f"{self.server.issuer}/account", "nowhere")
        self.assertNotIn('name="password"', page.text)
        answer = request(
            self.server.issuer, "POST", "/account/login", "username=patient-a&password=demo",
            {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertGreaterEqual(answer.status, 400)
        self.assertIsNone(answer.headers.get("Set-Cookie"))

    def test_7_signing_out_leads_on_to_the_provider(self):
        anna = Member("anna")
        self.launch(anna)
        page = anna.get(f"{self.server.issuer}/oauth/logout", timeout=30)
        form = next(form for form in FormReader(page.text).forms if form["action"] == "/oauth/logout")
        answer = anna.post(
            f"{self.server.issuer}/oauth/logout", data=form["fields"], allow_redirects=False, timeout=30)
        onward = answer.headers["Refresh"].split("url=")[1]
        self.assertTrue(onward.startswith(f"{self.provider.issuer}/logout/?"), onward)
        end = anna.get(onward, timeout=30)
        self.assertEqual(end.url, f"{self.server.issuer}/oauth/logout", end.text[:500])
        self.assertIn("signed out", end.text)
        # At the provider too: the next launch asks for the password again.
        again = anna.get(f"{self.provider.issuer}/authorize/", params={
            "response_type": "code", "client_id": "chaperone", "redirect_uri": self.provider.redirect, "scope": "openid",
            "code_challenge": "x" * 43, "code_challenge_method": "S256"}, allow_redirects=False, timeout=30)
        self.assertIn("/accounts/login/", again.headers["Location"])

    def check(self, browser, name):
        """No finding of axe on the page that the browser shows."""
        browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE})
        found = browser.execute_cdp_cmd("Runtime.evaluate", {
            "expression": "axe.run(document, {runOnly: %r}).then(r => JSON.stringify(r.violations.map(v => "
                          "[v.id, v.nodes.map(n => n.html.slice(0, 120))])))" % RULES,
            "awaitPromise": True})
        self.assertEqual(found["result"].get("value"), "[]", f"axe on {name}")

    @verifies("house@MEMBER-PROVIDER")
    def test_7b_in_a_browser_the_account_is_reached_and_left_by_way_of_the_provider(self):
        browser = open_browser(width=390, height=800)
        self.addCleanup(browser.quit)
        wait = WebDriverWait(browser, 30, ignored_exceptions=LEAVING)
        browser.get(f"{self.server.issuer}/account")
        self.check(browser, "the choice of a provider")
        browser.find_element(By.LINK_TEXT, "Continue with Example Health Plan").click()
        wait.until(lambda each: each.current_url.startswith(f"http://127.0.0.1:{self.provider.port}/accounts/login/"))
        browser.find_element(By.NAME, "username").send_keys("anna")
        browser.find_element(By.NAME, "password").send_keys(PEOPLE["anna"][0])
        browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        wait.until(lambda each: each.current_url == f"{self.server.issuer}/account")
        self.assertIn("Anna Example", browser.find_element(By.TAG_NAME, "body").text)
        self.check(browser, "the account of a provider's login")
        browser.find_element(By.CSS_SELECTOR, "form.who button[type=submit]").click()
        # By way of the provider and back, without another click.
        wait.until(lambda each: each.current_url == f"{self.server.issuer}/oauth/logout"
                   and "You are signed out" in each.find_element(By.TAG_NAME, "body").text
                   and "too" not in each.find_element(By.TAG_NAME, "main").text)
        self.check(browser, "signed out")
        browser.get(f"{self.provider.issuer}/authorize/?response_type=code&client_id=chaperone&scope=openid"
                    f"&redirect_uri={urllib.parse.quote(self.provider.redirect, safe='')}"
                    f"&code_challenge={'x' * 43}&code_challenge_method=S256")
        self.assertIn("/accounts/login/", browser.current_url)

    def start_anew(self):
        """Ends the server and starts it on the same folder."""
        environment, self.server.extra_environment = self.server.extra_environment, {}
        self.server.owns_folder = False
        self.server.stop()
        self.server.owns_folder = True
        self.server.start(path="/health/live")
        self.server.extra_environment = environment

    def roster_remarks(self):
        report = request(self.server.admin, "GET", "/health")
        self.assertEqual(report.status, 200, report.body)
        return [remark for remark in report.json["remarks"] if remark.startswith("the roster of plan")]

    def assert_remarked_on(self):
        """A bad file takes no instance out of service while the last good roster is in force; the admin side says so."""
        self.assertEqual(request(self.server.issuer, "GET", "/health/ready").status, 200)
        self.wait(lambda: any("is in force" in remark for remark in self.roster_remarks()), "nothing is said of it")

    @verifies("house@MEMBER-REFRESH", "house@ROSTER", "house@ROSTER-KEPT")
    def test_8_what_the_roster_says_counts_at_the_next_refresh(self):
        app, _ = self.launch(Member("anna"))
        today = time.strftime("%Y-%m-%d", time.gmtime())
        self.put_roster([
            {"login": "M-1001", "records": [{"patient": "patient-a", "coverage-end": "2099-12-31"}]},
            {"login": "M-1002", "person": "RelatedPerson/parent-a",
             "records": [{"patient": "patient-c", "relation": "minor", "birth-date": "2020-05-17"}]}], date=today)
        time.sleep(3)
        self.roster.write_text("{")
        time.sleep(3)
        answer = self.refresh(app)
        self.assertEqual(answer.status, 200, "a bad roster leaves the old one in force")
        app.token = answer.json
        self.assert_remarked_on()
        self.start_anew()
        answer = self.refresh(app)
        self.assertEqual(answer.status, 200, "a start with a bad roster goes on with the one that was in force")
        self.wait(lambda: request(self.server.issuer, "GET", "/health/ready").status == 200, "it does not become ready")
        app.token = answer.json
        self.assert_remarked_on()
        self.put_roster([
            {"login": "M-1001", "records": [{"patient": "patient-a", "coverage-end": "2020-01-31"}]},
            {"login": "M-1002", "person": "RelatedPerson/parent-a",
             "records": [{"patient": "patient-c", "relation": "minor", "birth-date": "2020-05-17"}]}], date=today)
        self.wait(lambda: not self.roster_remarks(), "the roster is not taken")
        ended = self.refresh(app)
        self.assertEqual((ended.status, ended.json["error"]), (400, "invalid_grant"))
        self.assertEqual(app.get("Patient/patient-a").status, 401, "the access token ends with its grant")
        _, end = self.launch(Member("anna"))
        self.assertEqual(end.status_code, 400)

    @verifies("house@MEMBER-UNDO")
    def test_9_a_link_is_undone_and_made_again_by_command(self):
        ben = Member("ben")
        app, token = self.launch(ben)
        self.assertEqual(token["patient"], "patient-c")
        logins = json.loads(self.server.command("user", "logins", "--provider", "plan", "--output", "json"))
        # One login is this person, and it is the one of the token.
        login, = [row for row in logins if row.get("fhirUser") == "RelatedPerson/parent-a"]
        claims = json.loads(base64.urlsafe_b64decode(token["access_token"].split(".")[1] + "=="))
        self.assertEqual(claims["sub"], login["account"], logins)
        undone, = json.loads(self.server.command("user", "unlink", login["account"], "--output", "json"))
        self.assertIn(claims["grant"], undone["endedGrants"])
        answer = app.get("Patient/patient-c")
        grants = self.server.command("grant", "list", "--all", "--output", "json")
        self.assertEqual(answer.status, 401, f"{logins} {undone} {claims} {grants}")
        self.assertEqual(self.refresh(app).status, 400)
        _, end = self.launch(Member("ben"))
        self.assertEqual(end.status_code, 400, "it stays undone")
        self.server.command(
            "user", "link", "--provider", "plan", "--subject", login["subject"], "--fhir-user",
            "RelatedPerson/parent-a")
        _, token = self.launch(Member("ben"))
        self.assertEqual(token["patient"], "patient-c")

    @verifies("house@MEMBER-UNDO")
    def test_9b_a_person_of_the_provider_is_ended_and_let_in_again_by_command(self):
        app, _ = self.launch(Member("ben"))
        logins = json.loads(self.server.command("user", "logins", "--provider", "plan", "--output", "json"))
        account = next(row for row in logins if row["fhirUser"] == "RelatedPerson/parent-a")["account"]
        users = json.loads(self.server.command("user", "list", "--output", "json"))
        shown = next(row for row in users if row["subject"] == account)["username"]
        for name in (account, shown):
            grants = json.loads(self.server.command("grant", "list", "--user", name, "--output", "json"))
            self.assertTrue(grants, name)
            self.assertEqual({grant["user"] for grant in grants}, {shown})
        self.server.command("revoke", "user", account)
        self.assertEqual(app.get("Patient/patient-c").status, 401)
        self.assertEqual(self.refresh(app).status, 400)
        _, end = self.launch(Member("ben"))
        self.assertEqual(end.status_code, 400, "a disabled account is not signed in")
        self.server.command("user", "enable", shown)
        _, token = self.launch(Member("ben"))
        self.assertEqual(token["patient"], "patient-c")

    def test_z_a_provider_that_is_down_is_told(self):
        carl = Member("carl")
        app = App(self.server.fhir)
        query = urllib.parse.urlencode(app.authorization_request("launch/patient patient/Patient.rs"))
        back = carl.walk(
            f"{app.configuration['authorization_endpoint']}?{query}", f"{self.server.issuer}/login/callback/plan")
        self.assertIsInstance(back, str, back)
        self.provider.stop()
        end = carl.get(back, allow_redirects=False, timeout=30)
        self.assertEqual(end.status_code, 503, end.text)
        self.assertIn("cannot be reached just now", end.text)
        self.assertNotIn(self.provider.issuer, end.text)


if __name__ == "__main__":
    unittest.main()
