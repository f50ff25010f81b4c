"""A person's whole way and every kind of mistake, and then a search of the log at its most talkative and of everything on
disk: no code, token, password, key, cookie or proof stands there as it was sent."""
import base64
import json
import re
import time
import unittest
import urllib.parse
import uuid

from authlib.jose import JsonWebKey, jwt

from requirements_log import verifies
from server_under_test import ROOT, ChaperoneUnderTest, request
from smart_client import App, Person
from test_connect_an_ehr import SmallEHR
from test_second_factor import code_of, step_now

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class NoSecretsKept(unittest.TestCase):
    """`planted` is what must be found nowhere; a name says where it went."""

    @classmethod
    def setUpClass(cls):
        cls.server = ChaperoneUnderTest()
        cls.server.extra_environment = {"CHAPERONE_LOG_LEVEL": "debug"}
        cls.server.start()
        cls.addClassCleanup(cls.server.clean_up)

    def setUp(self):
        self.planted = {}

    def plant(self, name, value):
        self.assertGreaterEqual(len(value), 6, name)
        self.planted[f"{name} {len(self.planted)}"] = value
        return value

    def person(self):
        test = self

        class Watched(Person):
            def send(self, method, url, fields=None):
                answer = super().send(method, url, fields)
                for value in self.cookies.values():
                    if len(value) > 5:
                        test.plant("cookie", value)
                if "html" in (answer.headers.get("Content-Type") or ""):
                    for name, value in re.findall(r'name="(launch|csrf)" value="([^"]+)"', answer.text):
                        test.plant(name, value)
                return answer

        return Watched(self.server.issuer)

    def token_endpoint(self, path, body, headers=None):
        return request(self.server.issuer, "POST", path, body, {**FORM, **(headers or {})})

    def a_launch(self):
        app = App(self.server.fhir)
        query = app.authorization_request(
            "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Condition.rs")
        self.plant("verifier", app.verifier)
        back = self.person().walk(
            f"{app.configuration['authorization_endpoint']}?{urllib.parse.urlencode(query)}",
            {"password": {"username": "patient-a", "password": "demo"}, "decision": {"decision": "allow"}})
        code = self.plant("code", dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))["code"])
        app.token = app.redeem(code).json
        for _ in range(2):
            for name in ("access_token", "refresh_token"):
                self.plant(name, app.token[name])
            self.plant("payload", app.token["access_token"].split(".")[1])
            self.assertEqual(app.get("Patient/patient-a").status, 200)
            app.token = app.token_request({
                "grant_type": "refresh_token", "refresh_token": app.token["refresh_token"], "client_id": app.client_id}).json
            if "id_token" in app.token:
                self.plant("id_token", app.token["id_token"])
        return app, code

    def mistakes(self, app, code):
        self.assertEqual(app.redeem(code).status, 400)
        bearer = self.plant("bearer", "planted-bearer-that-is-no-token")
        basic = base64.b64encode(
            f"demo-smart1-app:{self.plant('secret', 'planted-wrong-client-secret')}".encode()).decode()
        self.plant("basic", basic)
        answers = [
            request(self.server.fhir, "GET", f"/Patient/patient-a?access_token={app.token['access_token']}"),
            request(self.server.issuer, "GET", f"/oauth/userinfo?access_token={app.token['access_token']}"),
            request(self.server.fhir, "GET", "/Patient/patient-a", None, {"Authorization": f"Bearer {bearer}"}),
            self.token_endpoint(f"/oauth/token?code={self.plant('in query', 'planted-code-in-a-query')}",
                                "grant_type=authorization_code&code=x&client_id=demo-patient-app"),
            self.token_endpoint("/oauth/token", "grant_type=refresh_token&refresh_token="
                                + self.plant("refresh", "planted-refresh-token"), {"Authorization": f"Basic {basic}"}),
            self.token_endpoint("/oauth/introspect", "token=" + self.plant("introspected", "planted-introspected"),
                                {"Authorization": f"Basic {basic}"}),
            self.token_endpoint("/oauth/revoke", "client_id=demo-patient-app&client_secret="
                                + self.plant("posted secret", "planted-posted-secret") + "&token=x"),
            request(self.server.issuer, "GET", "/oauth/authorize?client_id=x&launch="
                    + self.plant("handle", "planted-launch-handle")),
            request(self.server.issuer, "POST", "/launch", '{"client_id":"x","user":"y"}', {
                "Content-Type": "application/json",
                "Authorization": "Bearer " + self.plant("EHR's", "planted-bearer-of-an-ehr")}),
        ]
        self.assertEqual([answer.status for answer in answers if answer.status < 400 or answer.status > 499], [])

    def a_launch_of_an_ehr(self):
        ehr = SmallEHR(self.server.issuer, self.server.fhir, "demo-ehr")
        stranger = ehr.assertion()
        self.assertEqual(ehr.ask(stranger).status, 401)
        self.plant("assertion", stranger)
        ehr.key = JsonWebKey.import_key(json.loads(
            (ROOT / "fixtures/keys/demo-ehr.TEST-ONLY.jwk.json").read_text())["keys"][0])
        assertion = self.plant("assertion", self.signed(ehr))
        token = self.plant("EHR's token", ehr.ask(assertion).json["access_token"])
        made = ehr.launch({"client_id": "demo-provider-app", "user": "clinician-a", "patient": "patient-a"}, token)
        self.plant("launch", made.json["launch"])

    @staticmethod
    def signed(ehr):
        claims = {"iss": "demo-ehr", "sub": "demo-ehr", "aud": ehr.token_endpoint, "jti": uuid.uuid4().hex,
                  "exp": int(time.time()) + 240}
        return jwt.encode({"alg": "ES384", "kid": "TEST-ONLY-demo-ehr-es384", "typ": "JWT"}, claims, ehr.key).decode()

    def passwords_and_factors(self):
        person, account = self.person(), f"{self.server.issuer}/account"
        page = person.send("GET", account)
        wrong = {"password": {"username": "patient-b", "password": self.plant("password", "planted-wrong-password")}}
        self.assertEqual(person.send(*person.fill(account, page.text, wrong)).status, 400)
        page = person.send(*person.fill(
            account, page.text, {"password": {"username": "patient-b", "password": "demo"}}))
        page = person.send("GET", f"{account}/security")
        page = person.send(*person.fill(f"{account}/security", page.text, {"password": {"password": "demo"}}))
        while page.status == 303:
            page = person.send("GET", urllib.parse.urljoin(account, page.headers["Location"]))
        shown = re.search(r'id="totp-key">([^<]+)<', page.text).group(1)
        key = self.plant("TOTP key", shown.replace(" ", ""))
        self.plant("TOTP key as shown", shown)
        page = person.send(*person.fill(
            f"{account}/security", page.text, {"code": {"code": self.plant("TOTP code", code_of(key, step_now()))}}))
        codes = re.findall(r"<code>([^<]+)</code>", page.text)
        self.assertEqual(len(codes), 10)
        for code in codes:
            self.plant("recovery code", code)

    @verifies("oauth-attack@U-27")
    def test_nothing_that_was_sent_in_confidence_is_written_down(self):
        app, code = self.a_launch()
        self.mistakes(app, code)
        self.a_launch_of_an_ehr()
        self.passwords_and_factors()
        self.server.process.terminate()
        self.assertEqual(self.server.process.wait(timeout=30), 0)
        texts = {self.server.log.name: open(self.server.log.name, "rb").read()}
        for file in self.server.folder.rglob("*"):
            # The sandbox is the protected server and holds records only.
            if file.is_file() and not file.name.startswith("sandbox.db"):
                texts[str(file)] = file.read_bytes()
        self.assertIn(b"debug", texts[self.server.log.name], "the log is at its most talkative")
        self.assertTrue(any("audit.db" in name and b"patient-a" in text for name, text in texts.items()))
        found = [
            (name, file.rsplit("/", 1)[-1]) for name, value in self.planted.items() for file, text in texts.items()
            # Six digits stand anywhere by chance.
            if value.encode() in text and not (name.startswith("TOTP code") and file.endswith((".db", "-wal", "-shm")))]
        self.assertEqual(found, [])
        self.assertGreater(len(self.planted), 40)


if __name__ == "__main__":
    unittest.main()
