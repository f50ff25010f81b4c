"""An EHR is connected as docs/connect-an-ehr.md says. The key, the configuration, the token and the launch are the guide's
own blocks, run as they stand there; a small EHR written from the guide alone tries every row of its tables."""
import base64
import json
import pathlib
import re
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import uuid

from authlib.jose import jwt

from full_length_keys import generate_key
from requirements_log import verifies
from server_under_test import BINARY, ROOT, ChaperoneUnderTest, request
from smart_client import App, Person

GUIDE = ROOT / "docs/connect-an-ehr.md"
SECRET = "the-ward-viewers-secret-0123456789abcdef"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def blocks(kind):
    """The code blocks of the guide in one language, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def rows(first):
    """The first cells of the guide's table whose head begins with a word."""
    table = re.search(rf"^\| {first} \|.*?\n\|---.*?\n((?:\|.*\n)+)", GUIDE.read_text(), re.MULTILINE).group(1)
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()]


MAKE_KEY, CHECK, GET_TOKEN, MAKE_LAUNCH = blocks("sh")
CONFIGURATION, = blocks("yaml")
TOKEN, DOCUMENT, CREATED, CONTEXT = (json.loads(block) for block in blocks("json"))


class SmallEHR:
    """What the guide asks an EHR to do, with a key of the other algorithm."""

    def __init__(self, issuer, fhir, client_id="city-hospital-ehr"):
        self.issuer, self.client_id = issuer, client_id
        self.key = generate_key("EC", "P-384", {"kid": "second", "alg": "ES384", "use": "sig"})
        self.token_endpoint = request(fhir, "GET", "/.well-known/smart-configuration").json["token_endpoint"] if fhir else ""

    @property
    def public_key(self):
        return self.key.as_dict(is_private=False)

    def assertion(self, **changes):
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": self.token_endpoint, "jti": uuid.uuid4().hex,
                  "exp": int(time.time()) + 240, **changes}
        return jwt.encode({"alg": "ES384", "kid": "second", "typ": "JWT"}, claims, self.key).decode()

    def ask(self, assertion=None, scope="__launch.create"):
        endpoint = urllib.parse.urlsplit(self.token_endpoint)
        return request(f"{endpoint.scheme}://{endpoint.netloc}", "POST", endpoint.path, urllib.parse.urlencode({
            "grant_type": "client_credentials", "scope": scope, "client_assertion_type": ASSERTION,
            "client_assertion": assertion or self.assertion()}), {"Content-Type": "application/x-www-form-urlencoded"})

    def launch(self, document, token=None, **headers):
        token = self.ask().json["access_token"] if token is None else token
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}",
                   **{name.replace("_", "-"): value for name, value in headers.items()}}
        body = document if isinstance(document, (str, bytes)) else json.dumps(document)
        return request(self.issuer, "POST", "/launch", body, {key: value for key, value in headers.items() if value})


class WardViewer(App):
    """The app that is opened: it knows no more than `iss` and `launch`."""

    SCOPE = "launch openid fhirUser offline_access patient/Patient.rs patient/Encounter.rs patient/DiagnosticReport.rs"

    def __init__(self, launch_url):
        self.given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(launch_url).query))
        super().__init__(self.given["iss"], "ward-viewer", "https://ward.example/callback")

    def address(self, scope=SCOPE):
        query = self.authorization_request(scope, launch=self.given["launch"])
        return f"{self.configuration['authorization_endpoint']}?{urllib.parse.urlencode(query)}"

    def returned(self, back):
        assert back.startswith(self.redirect + "?"), back
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))

    def token_request(self, fields):
        endpoint = urllib.parse.urlsplit(self.configuration["token_endpoint"])
        basic = base64.b64encode(f"ward-viewer:{SECRET}".encode()).decode()
        fields = {name: value for name, value in fields.items() if name != "client_id"}
        return request(
            f"{endpoint.scheme}://{endpoint.netloc}", "POST", endpoint.path, urllib.parse.urlencode(fields),
            {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"})

    def open(self, person, username="clinician-a", remember=False, scope=SCOPE):
        """From the launch to the token, by way of what the person sees."""
        decision = {"decision": "allow", **({"remember": "on"} if remember else {})}
        back = person.walk(self.address(scope), {
            "password": {"username": username, "password": "demo"}, "patient": {"patient": "patient-c"},
            "decision": decision})
        self.answer = self.returned(back)
        if "code" in self.answer:
            answer = self.redeem(self.answer["code"])
            assert answer.status == 200, answer.text
            self.token = answer.json
        return self


class ConnectAnEHR(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="chaperone-ehr-")
        cls.addClassCleanup(folder.cleanup)
        cls.desk = pathlib.Path(folder.name)
        cls.server = ChaperoneUnderTest()
        cls.shell(MAKE_KEY)
        cls.ehr = SmallEHR(cls.server.issuer, None)
        # The set that the guide makes, and beside it the key of the EHR below: two keys with two `kid`.
        keys = json.loads((cls.desk / "city-hospital.jwks.json").read_text())
        keys["keys"].append(cls.ehr.public_key)
        place = cls.server.folder
        (place / "city-hospital.jwks.json").write_text(json.dumps(keys))
        (place / "ward-viewer.secret").write_text(SECRET + "\n")
        assert CONFIGURATION.count("/etc/chaperone/") == 2
        # What the guide does not need, and its tables speak of: an app without a launch address, one of SMART 2.0, and
        # a client that may not make launches.
        app = CONFIGURATION[CONFIGURATION.index("  - id: ward-viewer"):]
        others = app.replace("ward-viewer\n", "no-address\n").replace("    launch-url: https://ward.example/launch\n", "")
        others += app.replace("ward-viewer\n", "not-launched\n").replace("scopes: launch ", "scopes: launch/patient ")
        others += CONFIGURATION[CONFIGURATION.index("  - id: city"):CONFIGURATION.index("  - id: ward")].replace(
            "city-hospital-ehr\n", "another-service\n").replace("__launch.create", "system/Patient.rs")
        (place / "chaperone.yaml").write_text((CONFIGURATION + others).replace("/etc/chaperone/", f"{place}/"))
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.ehr.token_endpoint = SmallEHR(cls.server.issuer, cls.server.fhir).token_endpoint
        # A command reads the file as one of production, where the protected server is named.
        cls.server.extra_environment = {"CHAPERONE_FHIR_SERVER_UPSTREAM": cls.server.sandbox}

    @classmethod
    def shell(cls, script, **variables):
        """Runs a block as somebody at a shell would."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=cls.desk, capture_output=True, text=True, timeout=60,
            env={"PATH": f"{BINARY.parent}:/usr/bin:/bin", **variables})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.json["error"]), (status, code), answer.text)

    @verifies("house@EHR-GUIDE")
    def test_1_the_guides_blocks_lead_from_a_key_to_an_app_that_reads(self):
        self.shell(CHECK.replace("chaperone.yaml", str(self.server.folder / "chaperone.yaml")),
                   CHAPERONE_FHIR_SERVER_UPSTREAM=self.server.sandbox, CHAPERONE_ISSUER=self.server.issuer)
        written = "issuer=https://auth.example.org\n"
        self.assertTrue(GET_TOKEN.startswith(written))
        self.shell(GET_TOKEN.replace(written, f"issuer={self.server.issuer}\n"))
        token = json.loads((self.desk / "token.json").read_text())
        self.assertEqual({**token, "access_token": "…"}, TOKEN)
        (self.desk / "launch.json").write_text(blocks("json")[1])
        made = json.loads(self.shell(MAKE_LAUNCH, issuer=self.server.issuer))
        self.assertEqual(set(made), set(CREATED))
        self.assertEqual(made["iss"], CREATED["iss"].replace("https://auth.example.org", self.server.issuer))
        self.assertEqual(made["expires_in"], CREATED["expires_in"])
        self.assertTrue(made["launch_url"].startswith(CREATED["launch_url"].split("…")[0]))

        ward = WardViewer(made["launch_url"]).open(Person(self.server.issuer))
        self.assertEqual({name: ward.token.get(name) for name in CONTEXT}, CONTEXT)
        self.assertEqual(ward.get("Patient/patient-a").json["id"], "patient-a")
        self.assertEqual(ward.get(f"Encounter/{CONTEXT['encounter']}").status, 200)
        self.assertEqual(ward.get(CONTEXT["fhirContext"][0]["reference"]).status, 200)
        self.assertEqual(ward.get("Patient/patient-c").status, 404, "on the panel, and not in this launch")

    @verifies("house@EHR-GUIDE", "oauth-attack@L-07")
    def test_2_each_tab_keeps_its_context_also_when_refreshed(self):
        person, tabs = Person(self.server.issuer), []
        for patient in ("patient-a", "patient-c"):
            made = self.ehr.launch({"client_id": "ward-viewer", "user": "clinician-a", "patient": patient}).json
            tabs.append((patient, WardViewer(made["launch_url"]).open(person)))
        for patient, tab in tabs + tabs[::-1]:
            answer = tab.token_request({"grant_type": "refresh_token", "refresh_token": tab.token["refresh_token"]})
            self.assertEqual((answer.status, answer.json["patient"]), (200, patient))
            tab.token = {"refresh_token": tab.token["refresh_token"], **answer.json}
            self.assertEqual(tab.get(f"Patient/{patient}").status, 200)
            self.assertIs(tab.token["need_patient_banner"], True, "unless the EHR says otherwise")
            self.assertTrue(tab.token["smart_style_url"].startswith(self.server.issuer), "ours when the EHR has none")

    @verifies("house@EHR-GUIDE")
    def test_3_a_remembered_app_opens_without_a_page(self):
        person = Person(self.server.issuer)
        for pages in (True, False):
            made = self.ehr.launch({"client_id": "ward-viewer", "user": "clinician-a", "patient": "patient-a"}).json
            ward = WardViewer(made["launch_url"])
            if pages:
                ward.open(person, remember=True)
            else:
                answer = person.send("GET", ward.address())
                self.assertEqual(answer.status, 303, "straight back to the app")
                self.assertIn("code", ward.returned(answer.headers["Location"]))

    @verifies("house@EHR-GUIDE", "oauth-attack@L-09", "oauth-attack@L-10", "oauth-attack@L-11")
    def test_4_a_launch_is_for_once_one_app_and_one_user(self):
        made = self.ehr.launch({"client_id": "ward-viewer", "user": "clinician-a", "patient": "patient-a"}).json
        ward = WardViewer(made["launch_url"]).open(Person(self.server.issuer))
        self.assertIn("access_token", ward.token)
        again = WardViewer(made["launch_url"]).open(Person(self.server.issuer))
        self.assertEqual(again.answer["error"], "invalid_request", "it was used")
        made = self.ehr.launch({"client_id": "ward-viewer", "user": "clinician-a", "patient": "patient-a"}).json
        somebody = WardViewer(made["launch_url"]).open(Person(self.server.issuer), username="patient-a")
        self.assertEqual(somebody.answer["error"], "access_denied")
        made = self.ehr.launch({"client_id": "no-address", "user": "clinician-a", "patient": "patient-a"}).json
        self.assertEqual(set(made), {"launch", "iss", "expires_in"}, "no address was registered")
        foreign = "https://ward.example/launch?" + urllib.parse.urlencode({"iss": made["iss"], "launch": made["launch"]})
        other = WardViewer(foreign).open(Person(self.server.issuer))
        self.assertEqual(other.answer["error"], "invalid_request", "another app's launch")

    @verifies("house@EHR-GUIDE")
    def test_5_every_row_of_the_document_is_what_the_table_says(self):
        told = [name.strip("` ") for row in rows("member") for name in row[0].split(",")]
        self.assertEqual(set(told), {
            "client_id", "user", "patient", "encounter", "fhirContext", "intent", "tenant", "need_patient_banner",
            "smart_style_url", "aud"})
        good = {**DOCUMENT, "tenant": "city", "aud": self.server.fhir}
        self.assertEqual(set(good), set(told))
        token = self.ehr.ask().json["access_token"]
        self.assertEqual(self.ehr.launch(good, token).status, 201)
        wrong = {
            "client_id": [None, "", 7, "nobody", "not-launched"], "user": [None, "", 7],
            "patient": ["Patient/patient-a", 7, None], "encounter": ["Encounter/patient-a-encounter-2", "e 1", 7],
            "fhirContext": [[{"reference": "DiagnosticReport/1"}] * 51, ["DiagnosticReport/1"], [{}],
                            [{"reference": "Patient/patient-a"}], [{"reference": "DiagnosticReport/1", "display": "x"}]],
            "intent": [7, ""], "tenant": [7, ""], "need_patient_banner": ["true", 1],
            "smart_style_url": ["http://ehr.example/style.json", "style.json"], "aud": [7]}
        self.assertEqual(set(wrong), set(told))
        for member, values in wrong.items():
            for value in values:
                with self.subTest(member=member, value=str(value)[:60]):
                    document = {**good, member: value}
                    if value is None:
                        del document[member]
                    answer = self.ehr.launch(document, token)
                    self.refused(answer, 400, "invalid_request")
                    self.assertIn("encounter" if value is None and member == "patient" else
                                  "client" if value in ("nobody", "not-launched") else member,
                                  answer.json["error_description"], "the text names the member")
        foreign = {**good, "encounter": "patient-c-encounter-1"}
        self.refused(self.ehr.launch(foreign, token), 400, "invalid_request")

    @verifies("house@EHR-GUIDE", "oauth-attack@L-15")
    def test_6_every_row_of_what_can_go_wrong(self):
        good = {"client_id": "ward-viewer", "user": "clinician-a", "patient": "patient-a"}
        token = self.ehr.ask().json["access_token"]
        shown = set()

        def expect(answer, status, code):
            shown.add((str(status), code))
            self.assertEqual(answer.status, status, answer.text)
            if code:
                self.assertEqual(answer.json["error"], code)

        expect(self.ehr.launch({**good, "colour": "blue"}, token), 400, "invalid_request")
        expect(self.ehr.launch({**good, "aud": "https://other.example/fhir"}, token), 400, "invalid_target")
        without = self.ehr.launch(good, token, Authorization=None)
        expect(without, 401, "")
        self.assertNotIn("error=", without.headers["WWW-Authenticate"])
        expect(self.ehr.launch(good, "not-a-token"), 401, "invalid_token")
        other = SmallEHR(self.server.issuer, self.server.fhir, "another-service")
        other.key = self.ehr.key
        lesser = other.ask(scope="system/Patient.rs").json["access_token"]
        expect(self.ehr.launch(good, lesser), 403, "insufficient_scope")
        unknown = self.ehr.launch({**good, "user": "Practitioner/nobody"}, token)
        expect(unknown, 403, "access_denied")
        stranger = self.ehr.launch({**good, "patient": "patient-b"}, token)
        self.assertEqual((unknown.status, unknown.body), (stranger.status, stranger.body), "nothing says which")
        answer = request(self.server.issuer, "GET", "/launch", None, {"Authorization": f"Bearer {token}"})
        expect(answer, 405, "")
        expect(self.ehr.launch(b"x" * (65 * 1024), token), 413, "invalid_request")
        expect(self.ehr.launch(good, token, Content_Type="text/plain"), 415, "invalid_request")
        told = {(status, row[1].strip("`")) for row in rows("status") for status in row[0].split(", ")}
        told = {(status, code) for status, names in told for code in
                ([""] if names in ("", "none, or `invalid_token") else [names])} | {("401", "invalid_token")}
        self.assertEqual(told - shown, {("503", "temporarily_unavailable")}, "that one is shown with the doubles")

    @verifies("house@EHR-GUIDE")
    def test_7_an_assertion_that_is_not_as_the_guide_says_is_refused_and_on_record(self):
        used = self.ehr.assertion()
        self.assertEqual(self.ehr.ask(used).status, 200)
        stranger = SmallEHR(self.server.issuer, self.server.fhir)
        for name, assertion in {
                "a jti that was used": used, "another server's": self.ehr.assertion(aud="https://other.example/token"),
                "over": self.ehr.assertion(exp=int(time.time()) - 600),
                "too far ahead": self.ehr.assertion(exp=int(time.time()) + 3600),
                "another client's": self.ehr.assertion(sub="another-service"), "another key's": stranger.assertion()}.items():
            with self.subTest(name):
                answer = self.ehr.ask(assertion)
                self.assertIn(answer.status, (400, 401))
                self.assertEqual(answer.json["error"], "invalid_client")
                self.assertNotIn("access_token", answer.json)
        self.ehr.launch({"client_id": "ward-viewer", "user": "nobody", "patient": "patient-a"})
        listed = self.server.command("audit", "list", "--output", "json")
        self.assertIn("city-hospital-ehr", listed)
        self.assertIn("the user is not known", listed, "why a launch was refused")

    @verifies("house@EHR-GUIDE")
    def test_8_without_a_patient_the_user_chooses_one(self):
        made = self.ehr.launch({"client_id": "ward-viewer", "user": "clinician-a"}).json
        ward = WardViewer(made["launch_url"])
        ward.open(Person(self.server.issuer), scope="launch patient/Patient.rs")
        self.assertEqual(ward.token["patient"], "patient-c")


if __name__ == "__main__":
    unittest.main()
