"""What a certification tester sends, step by step, against the running server: the requests as the public test kits make
them and the criteria by which they pass an answer, for SMART 1.0.0, 2.0.0 and 2.2.0 and for each kind of client. Numbers
in comments are the kits' own. TLS is in test_tls.py, bulk export in test_bulk_export.py."""
import base64
import hashlib
import json
import re
import secrets
import time
import unittest
import urllib.parse
import uuid

from authlib.jose import JsonWebKey, jwt

from full_length_keys import generate_key
from requirements_log import verifies
from server_under_test import ROOT, ChaperoneUnderTest, request
from smart_client import FormReader, Person

ORIGIN = "https://inferno.example"
SECRET = "secret/with=odd:characters-0123456789abcdef"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
US_CORE = [
    "Patient", "AllergyIntolerance", "CarePlan", "CareTeam", "Condition", "Coverage", "Device", "DiagnosticReport",
    "DocumentReference", "Encounter", "ExplanationOfBenefit", "Goal", "Immunization", "Location", "MedicationDispense",
    "MedicationRequest", "Observation", "Organization", "Practitioner", "Procedure", "Provenance", "ServiceRequest",
    "Specimen"]
COMPARTMENT = [
    "Patient", "AllergyIntolerance", "CarePlan", "CareTeam", "Condition", "DiagnosticReport", "DocumentReference", "Goal",
    "Immunization", "MedicationRequest", "Observation", "Procedure", "Provenance", "ServiceRequest", "Coverage",
    "MedicationDispense", "Specimen"]
CONTEXT = "launch launch/patient launch/encounter openid fhirUser offline_access online_access"
RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
CONDITION = "http://terminology.hl7.org/CodeSystem/condition-category|"
CONCERN = "http://hl7.org/fhir/us/core/CodeSystem/condition-category|"
OBSERVATION = "http://terminology.hl7.org/CodeSystem/observation-category|"
SDOH = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category|"
ROUNDS = [
    ["Condition.rs?category=" + CONDITION + "encounter-diagnosis", "Condition.rs?category=" + CONCERN + "health-concern",
     "Observation.rs?category=" + OBSERVATION + "laboratory", "Observation.rs?category=" + OBSERVATION + "social-history"],
    ["Condition.rs?category=" + CONDITION + "problem-list-item", "Observation.rs?category=" + OBSERVATION + "vital-signs",
     "Observation.rs?category=" + OBSERVATION + "survey", "Observation.rs?category=" + SDOH + "sdoh"]]


class Tester:
    """One OAuth client of a test kit: how it authenticates, which SMART it speaks, what it sends."""

    def __init__(self, fhir, client_id, kind, smart="2.2", redirect=f"{ORIGIN}/custom/smart/redirect", key=None):
        self.fhir, self.client_id, self.kind, self.smart, self.redirect, self.key = (
            fhir, client_id, kind, smart, redirect, key)
        self.configuration = request(
            fhir, "GET", "/.well-known/smart-configuration", None, {"Accept": "application/json"}).json
        self.issuer = self.configuration["issuer"]

    def authorization(self, scope, proof_key=None, **more):
        self.state = str(uuid.uuid4())
        fields = {"response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect, "scope": scope,
                  "state": self.state, "aud": self.fhir, **more}
        self.verifier = None
        if self.smart != "1.0" if proof_key is None else proof_key:
            # Two UUIDs with a hyphen between.
            self.verifier = f"{uuid.uuid4()}-{uuid.uuid4()}"
            digest = hashlib.sha256(self.verifier.encode()).digest()
            self.challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            fields |= {"code_challenge": self.challenge, "code_challenge_method": "S256"}
        return fields

    def walk(self, scope, username="patient-a", narrowed=None, method="GET", answers=None, **more):
        """The browser step; returns what arrives at the callback."""
        fields = self.authorization(scope, **more)
        endpoint = self.configuration["authorization_endpoint"]
        person = Tester.Subject(self.issuer, narrowed)
        answers = {"password": {"username": username, "password": "demo"}, "patient": {"patient": "patient-a"},
                   "encounter": {}, "decision": {"decision": "allow"}, **(answers or {})}
        if method == "POST":
            # The kit's page submits a form from its own origin.
            answer = person.send("POST", endpoint, list(fields.items()))
            assert answer.status == 303, answer.text
            back = person.walk(urllib.parse.urljoin(endpoint, answer.headers["Location"]), answers)
        else:
            back = person.walk(f"{endpoint}?{urllib.parse.urlencode(fields)}", answers)
        assert back.startswith(self.redirect), back
        returned = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))
        # The kit resumes only for its own state.
        assert returned["state"] == self.state, returned
        return returned

    class Subject(Person):
        """A person who may untick scopes."""

        def __init__(self, issuer, narrowed):
            super().__init__(issuer)
            self.narrowed = narrowed

        def fill(self, url, text, answers):
            method, target, fields = Person.fill(url, text, answers)
            if self.narrowed and any(name == "decision" for name, _ in fields):
                boxes = FormReader(text).forms
                values = dict(next(form for form in boxes if form["action"] == "/consent")["fields"])
                fields = [(name, value) for name, value in fields
                          if not name.startswith("allow-") or self.narrowed(values.get(name, value))]
            return method, target, fields

    def assertion(self, audience=None, **changes):
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": audience or self.configuration["token_endpoint"],
                  "exp": int(time.time()) + 300, "jti": secrets.token_hex(32), **changes}
        public = self.key.as_dict(is_private=False)
        algorithm = "RS384" if public["kty"] == "RSA" else "ES384"
        return jwt.encode({"alg": algorithm, "kid": public["kid"], "typ": "JWT"}, claims, self.key).decode()

    def token(self, fields, headers=None, authenticate=True, path=None):
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", **(headers or {})}
        if authenticate and self.kind == "public":
            fields = {**fields, "client_id": self.client_id}
            if self.smart == "2.2":
                headers["Origin"] = ORIGIN
        if authenticate and self.kind == "symmetric":
            # Not form-encoded before Base64, as the kits do it.
            headers["Authorization"] = "Basic " + base64.b64encode(f"{self.client_id}:{SECRET}".encode()).decode()
        if authenticate and self.kind == "asymmetric":
            fields = {**fields, "client_assertion_type": ASSERTION, "client_assertion": self.assertion()}
        parts = urllib.parse.urlsplit(self.configuration["token_endpoint"])
        return request(f"{parts.scheme}://{parts.netloc}", "POST", path or parts.path, urllib.parse.urlencode(fields), headers)

    def exchange(self, code, **changes):
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect}
        if self.verifier:
            fields["code_verifier"] = self.verifier
        fields = {name: value for name, value in {**fields, **changes}.items() if value is not None}
        return self.token(fields)

    def launch(self, scope, username="patient-a", **more):
        returned = self.walk(scope, username, **more)
        assert "code" in returned and "error" not in returned, returned
        self.response = self.exchange(returned["code"])
        assert self.response.status == 200, self.response.text
        self.granted = self.response.json
        return self.granted

    def get(self, path, token=None, origin=None):
        headers = {"Accept": "application/fhir+json", "Authorization": f"Bearer {token or self.granted['access_token']}"}
        return request(self.fhir, "GET", f"/{path}", None, {**headers, **({"Origin": origin} if origin else {})})


class Certification(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ChaperoneUnderTest()
        place = cls.server.folder
        cls.keys = {
            "RS384": generate_key("RSA", 2048, {"kid": "rs", "alg": "RS384", "use": "sig"}),
            "ES384": generate_key("EC", "P-384", {"kid": "es", "alg": "ES384", "use": "sig"})}
        (place / "inferno.jwks.json").write_text(json.dumps(
            {"keys": [key.as_dict(is_private=False) for key in cls.keys.values()]}))
        (place / "inferno.secret").write_text(SECRET + "\n")
        v2 = CONTEXT + " " + " ".join(f"patient/{each}.rs user/{each}.rs" for each in US_CORE)
        v1 = CONTEXT + " " + " ".join(f"patient/{each}.read user/{each}.read" for each in US_CORE)

        def entry(name, kind, scopes, profile="smart-2.2", program="patient-access"):
            more = {"public": "", "symmetric": f"\n    secret-file: {place}/inferno.secret",
                    "asymmetric": f"\n    keys-file: {place}/inferno.jwks.json"}[kind]
            more += "\n    profile-until: 2099-12-31" if profile == "smart-1.0" else ""
            return f"""
  - id: {name}
    kind: {kind}
    profile: {profile}
    program: {program}
    trusted: true
    grant-types: [authorization_code, refresh_token]
    redirect-uris: ["{ORIGIN}/custom/smart/redirect"]
    launch-url: {ORIGIN}/custom/smart/launch
    scopes: {scopes}{more}"""

        text = "clients:" + "".join([
            entry("stu1-symmetric", "symmetric", v1, "smart-1.0"),
            entry("stu2-public", "public", v2, "smart-2.0"), entry("stu2-symmetric", "symmetric", v2, "smart-2.0"),
            entry("stu2-asymmetric", "asymmetric", v2, "smart-2.0"),
            entry("stu22-public", "public", v2), entry("stu22-symmetric", "symmetric", v2),
            entry("stu22-asymmetric", "asymmetric", v2),
            entry("stu22-v1", "symmetric", v1)])
        text += f"""
  - id: bulk
    kind: asymmetric
    program: patient-access
    grant-types: [client_credentials]
    scopes: {" ".join(f"system/{each}.rs" for each in US_CORE)}
    system-patients: ["*"]
    keys-file: {place}/inferno.jwks.json
"""
        (place / "chaperone.yaml").write_text(text)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.ehr_key = JsonWebKey.import_key(json.loads(
            (ROOT / "fixtures/keys/demo-ehr.TEST-ONLY.jwk.json").read_text())["keys"][0])

    KINDS = [("stu1-symmetric", "symmetric", "1.0"), ("stu2-public", "public", "2.0"),
             ("stu2-symmetric", "symmetric", "2.0"), ("stu2-asymmetric", "asymmetric", "2.0"),
             ("stu22-public", "public", "2.2"), ("stu22-symmetric", "symmetric", "2.2"),
             ("stu22-asymmetric", "asymmetric", "2.2"), ("stu22-v1", "symmetric", "2.2")]

    def client(self, name, kind=None, smart=None, algorithm="RS384"):
        kind = kind or dict((each[0], each[1]) for each in self.KINDS).get(name, "asymmetric")
        smart = smart or dict((each[0], each[2]) for each in self.KINDS).get(name, "2.2")
        return Tester(self.server.fhir, name, kind, smart, key=self.keys[algorithm])

    def with_every_client(self, steps):
        for name, kind, smart in self.KINDS:
            for algorithm in ("RS384", "ES384") if kind == "asymmetric" else ("RS384",):
                with self.subTest(client=name, algorithm=algorithm):
                    steps(self.client(name, kind, smart, algorithm))

    @staticmethod
    def scopes(tester, launch="launch/patient", level="patient"):
        """The kits' default, a wildcard in the dialect of the version."""
        letters = "read" if tester.smart == "1.0" or tester.client_id == "stu22-v1" else "rs"
        return f"{launch} openid fhirUser offline_access {level}/*.{letters}"

    # MARK: criteria

    def good_response(self, tester, response, asked, is_refresh=False):
        """A4: smart_token_response_body and _headers."""
        body = response.json
        for name in ("access_token", "token_type", "expires_in", "scope"):
            self.assertTrue(body.get(name), name)
        self.assertEqual(body["token_type"].lower(), "bearer")
        self.assertIsInstance(body["expires_in"], int)
        self.assertIn("no-store", response.headers["Cache-Control"].lower())
        self.assertIn("no-cache", response.headers["Pragma"].lower())
        for item in body.get("fhirContext", []):
            if tester.smart == "2.2":
                self.assertIsInstance(item, dict)
                self.assertRegex(item["reference"], RELATIVE)
            else:
                self.assertRegex(item, RELATIVE)
        if tester.smart == "1.0":
            self.assertNotIn("fhirContext", body)
        if tester.smart == "2.2" and tester.kind == "public":
            self.assertIn(response.headers["Access-Control-Allow-Origin"], ("*", ORIGIN))
        if not is_refresh:
            granted = set(body["scope"].split())
            self.assertTrue({each for each in asked.split() if "*" not in each} <= granted, body["scope"])
            self.assertFalse(any("*" in each for each in granted), "a wildcard is granted as the list")

    def good_identity(self, tester, username_reference):
        """A6, every test, and g10's id_token presence."""
        token = tester.granted["id_token"]
        head, payload, _ = (part for part in token.split("."))
        head = json.loads(base64.urlsafe_b64decode(head + "=="))
        payload = json.loads(base64.urlsafe_b64decode(payload + "=="))
        configuration = request(payload["iss"], "GET", "/.well-known/openid-configuration")
        self.assertEqual(configuration.status, 200)
        self.assertTrue(configuration.headers["Content-Type"].startswith("application/json"))
        for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported",
                     "subject_types_supported", "id_token_signing_alg_values_supported"):
            self.assertIn(name, configuration.json)
        self.assertIn("RS256", configuration.json["id_token_signing_alg_values_supported"])
        address = urllib.parse.urlsplit(configuration.json["jwks_uri"])
        keys = request(f"{address.scheme}://{address.netloc}", "GET", address.path).json
        rsa = [key for key in keys["keys"] if key["kty"] == "RSA"]
        self.assertTrue(rsa)
        self.assertEqual(head["alg"], "RS256")
        if len(rsa) > 1:
            self.assertIn(head["kid"], [key["kid"] for key in rsa])
        claims = jwt.decode(token, JsonWebKey.import_key_set(keys), claims_options={
            "iss": {"essential": True, "value": configuration.json["issuer"]},
            "aud": {"essential": True, "value": tester.client_id}})
        claims.validate(leeway=60)
        self.assertTrue(0 < len(claims["sub"]) < 256)
        self.assertIn("iat", claims)
        kind, identifier = claims["fhirUser"].split("/")[-2:]
        self.assertIn(kind, ("Patient", "Practitioner", "RelatedPerson", "Person"))
        self.assertEqual(f"{kind}/{identifier}", username_reference)
        read = tester.get(f"{kind}/{identifier}", origin=ORIGIN)
        self.assertEqual((read.status, read.json["resourceType"]), (200, kind))
        self.assertIn(read.headers["Access-Control-Allow-Origin"], ("*", ORIGIN))

    def good_refresh(self, tester):
        """A5 without and with scopes, then g10's context and refusal. The kits take any lesser scope; here it is the same."""
        original = set(tester.granted["scope"].split())
        patient = tester.granted["patient"]
        for scope in (None, tester.granted["scope"]):
            fields = {"grant_type": "refresh_token", "refresh_token": tester.granted["refresh_token"]}
            response = tester.token({**fields, **({"scope": scope} if scope else {})})
            self.assertEqual(response.status, 200, response.text)
            self.good_response(tester, response, "", is_refresh=True)
            self.assertEqual(set(response.json["scope"].split()), original, "as asked for, and without asking the same")
            tester.granted = {**tester.granted, **response.json}
            self.assertEqual(tester.get(f"Patient/{patient}").status, 200)
        refused = tester.token({"grant_type": "refresh_token", "refresh_token": str(uuid.uuid4())})
        self.assertIn(refused.status, (400, 401))

    # MARK: B1 to B3, C, D

    @verifies("house@CERTIFICATION-STEPS")
    def test_discovery(self):
        """A1 and the lists of C1."""
        answer = request(self.server.fhir, "GET", "/.well-known/smart-configuration", None,
                         {"Accept": "application/json", "Origin": ORIGIN})
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("application/json"))
        self.assertIn(answer.headers["Access-Control-Allow-Origin"], ("*", ORIGIN))
        document = answer.json
        for name in ("authorization_endpoint", "token_endpoint", "introspection_endpoint", "issuer", "jwks_uri"):
            self.assertTrue(document[name].startswith(("http://", "https://")), name)
        self.assertIn("authorization_code", document["grant_types_supported"])
        self.assertIn("S256", document["code_challenge_methods_supported"])
        self.assertNotIn("plain", document["code_challenge_methods_supported"])
        wanted = """launch-standalone launch-ehr client-public client-confidential-symmetric sso-openid-connect
            client-confidential-asymmetric context-standalone-patient context-ehr-patient context-ehr-encounter
            context-banner context-style permission-offline permission-patient permission-user authorize-post
            permission-v2 permission-v1""".split()
        self.assertEqual([each for each in wanted if each not in document["capabilities"]], [])
        self.assertTrue(any(re.fullmatch(r"(patient|user|system)/[A-Z*]\w*\.c?r?u?d?s?(\?.*)?", each)
                            for each in document["scopes_supported"]))
        self.assertIn("private_key_jwt", document["token_endpoint_auth_methods_supported"])
        self.assertLessEqual({"RS384", "ES384"}, set(document["token_endpoint_auth_signing_alg_values_supported"]))

        answer = request(self.server.fhir, "GET", "/metadata", None, {"Origin": ORIGIN, "Accept": "application/fhir+json"})
        self.assertEqual(answer.status, 200)
        self.assertIn(answer.headers["Access-Control-Allow-Origin"], ("*", ORIGIN))
        found = [
            {each["url"]: each["valueUri"] for each in extension["extension"]}
            for rest in answer.json["rest"] if any(
                coding["code"] == "SMART-on-FHIR" for service in rest["security"]["service"] for coding in service["coding"])
            for extension in rest["security"]["extension"]
            if extension["url"] == "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"]
        uris, = found
        for short, long in {"authorize": "authorization_endpoint", "token": "token_endpoint", "manage": "management_endpoint",
                            "introspect": "introspection_endpoint", "register": "registration_endpoint",
                            "revoke": "revocation_endpoint"}.items():
            self.assertEqual(uris.get(short), document.get(long), long)
        # C4: the Group export stands in the statement.
        group = next(each for each in answer.json["rest"][0]["resource"] if each["type"] == "Group")
        self.assertIn("export", [each["name"] for each in group["operation"]])

    @verifies("house@CERTIFICATION-STEPS")
    def test_standalone_full_access(self):
        """1, 9.1, 9.12, 9.13: each client of each version, by GET and POST, then single sign-on and refresh."""
        def steps(tester):
            asked = self.scopes(tester)
            tester.launch(asked, method="GET" if tester.smart == "1.0" or tester.kind == "symmetric" else "POST")
            self.good_response(tester, tester.response, asked)
            self.assertEqual(tester.granted["patient"], "patient-a")
            letters = "read" if "read" in asked else "rs"
            for kind in COMPARTMENT:
                self.assertIn(f"patient/{kind}.{letters}", tester.granted["scope"].split())
            self.good_identity(tester, "Patient/patient-a")
            self.good_refresh(tester)
            self.assertEqual(request(self.server.fhir, "GET", "/Patient/patient-a").status, 401)
            self.assertEqual(tester.get("Patient/patient-a").status, 200)
            for kind in US_CORE:
                if kind in ("Organization", "Practitioner", "Location"):
                    continue
                by = "_id" if kind == "Patient" else "target" if kind == "Provenance" else "patient"
                value = "Patient/patient-a" if kind == "Provenance" else "patient-a"
                answer = tester.get(f"{kind}?{by}={value}")
                self.assertEqual(answer.status, 200, f"{kind}: {answer.text[:300]}")

        self.with_every_client(steps)

    @verifies("house@CERTIFICATION-STEPS")
    def test_limited_access(self):
        """2: the person ticks three types only; all others are refused with 401 or 403."""
        kept = ("Patient", "Condition", "Observation")
        for name in ("stu1-symmetric", "stu2-symmetric", "stu22-symmetric", "stu22-public"):
            with self.subTest(name):
                tester = self.client(name)
                tester.launch(self.scopes(tester), narrowed=lambda value: not value.startswith(("patient/", "user/"))
                              or re.split("[/.]", value)[1] in kept)
                granted = [each for each in tester.granted["scope"].split() if each.startswith("patient/")]
                self.assertEqual({re.split("[/.]", each)[1] for each in granted}, set(kept))
                for kind in COMPARTMENT + ["Device", "Encounter"]:
                    by = "_id" if kind == "Patient" else "target" if kind == "Provenance" else "patient"
                    answer = tester.get(f"{kind}?{by}={'Patient/' if kind == 'Provenance' else ''}patient-a")
                    self.assertIn(answer.status, (200,) if kind in kept else (401, 403), kind)

    def ehr_launch(self, client_id, **context):
        """The EHR of the demo opens the kit's launch address."""
        ehr = Tester(self.server.fhir, "demo-ehr", "asymmetric", key=self.ehr_key)
        token = ehr.token({"grant_type": "client_credentials", "scope": "__launch.create"}).json["access_token"]
        made = request(self.server.issuer, "POST", "/launch", json.dumps({
            "client_id": client_id, "user": "clinician-a", "patient": "patient-a",
            "encounter": "patient-a-encounter-1", **context}),
            {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
        self.assertEqual(made.status, 201, made.text)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(made.json["launch_url"]).query))
        self.assertEqual(query["iss"], self.server.fhir, "exactly as the tester typed it")
        return query["launch"]

    @verifies("house@CERTIFICATION-STEPS")
    def test_ehr_launch(self):
        """3, and 9.8 with patient scopes: context, style, banner, single sign-on, refresh."""
        def steps(tester):
            asked = self.scopes(tester, "launch", "user")
            launch = self.ehr_launch(tester.client_id, fhirContext=[{"reference": "DiagnosticReport/patient-a-report-1"}])
            tester.launch(asked, "clinician-a", launch=launch, method="GET" if tester.smart == "1.0" else "POST")
            self.good_response(tester, tester.response, asked)
            body = tester.granted
            self.assertEqual((body["patient"], body["encounter"]), ("patient-a", "patient-a-encounter-1"))
            self.assertIn("need_patient_banner", body)
            style = urllib.parse.urlsplit(body["smart_style_url"])
            self.assertIsInstance(request(f"{style.scheme}://{style.netloc}", "GET", style.path).json, dict)
            self.assertEqual(body.get("fhirContext"), {
                "1.0": None, "2.0": ["DiagnosticReport/patient-a-report-1"],
                "2.2": [{"reference": "DiagnosticReport/patient-a-report-1"}]}[tester.smart])
            self.assertEqual(tester.get("Encounter/patient-a-encounter-1").status, 200)
            self.good_identity(tester, "Practitioner/clinician-a")
            self.good_refresh(tester)

        self.with_every_client(steps)
        with self.subTest("9.8"):
            tester = self.client("stu22-symmetric")
            tester.launch("launch openid fhirUser offline_access patient/Patient.rs", "clinician-a",
                          launch=self.ehr_launch(tester.client_id))
            self.assertIn("patient/Patient.rs", tester.granted["scope"].split())
            self.assertEqual(tester.get("Patient/patient-a").status, 200)

    @verifies("house@CERTIFICATION-STEPS")
    def test_what_must_be_refused(self):
        """9.4 to 9.7, 9.17, 9.18 and the refusals of A5."""
        for name in ("stu1-symmetric", "stu2-symmetric", "stu22-symmetric", "stu22-public"):
            with self.subTest(name):
                tester = self.client(name)
                asked = self.scopes(tester)
                returned = tester.walk(asked, **{"aud": "https://inferno.healthit.gov/invalid_aud"})
                self.assertNotIn("code", returned)
                self.assertIn("error", returned)
                code = tester.walk(asked)["code"]
                self.assertEqual(tester.exchange("BAD_CODE").status, 400)
                honest, tester.client_id = tester.client_id, "BAD_CLIENT_ID"
                self.assertIn(tester.exchange(code).status, (400, 401))
                tester.client_id = honest
                if tester.smart == "1.0":
                    continue
                for verifier in (None, "", f"{uuid.uuid4()}-{uuid.uuid4()}", "challenge"):
                    code = tester.walk(asked)["code"]
                    value = tester.challenge if verifier == "challenge" else verifier
                    answer = tester.exchange(code, code_verifier=value)
                    self.assertIn(answer.status, (400, 401), f"{verifier}: {answer.text}")

    @verifies("house@CERTIFICATION-STEPS")
    def test_backend_services(self):
        """A7 and C4: with either algorithm."""
        for algorithm in ("RS384", "ES384"):
            with self.subTest(algorithm):
                tester = self.client("bulk", algorithm=algorithm)
                good = {"grant_type": "client_credentials", "scope": "system/Patient.read system/Observation.rs",
                        "client_assertion_type": ASSERTION}

                def send(assertion=None, **changes):
                    fields = {**good, "client_assertion": assertion or tester.assertion(), **changes}
                    return tester.token(fields, authenticate=False)

                self.assertEqual(send(grant_type="not_a_grant_type").status, 400)
                self.assertEqual(send(client_assertion_type="not_an_assertion_type").status, 400, "g10 takes no other")
                self.assertIn(send(tester.assertion(iss="not_a_valid_iss")).status, (400, 401))
                answer = send()
                self.assertEqual(answer.status, 200, answer.text)
                for name in ("access_token", "token_type", "expires_in", "scope"):
                    self.assertTrue(answer.json[name])
                self.assertLessEqual(answer.json["expires_in"], 300)

    @verifies("house@CERTIFICATION-STEPS")
    def test_introspection(self):
        """A8, 9.11 and 9.20: by the client and by its bearer token."""
        for name in ("stu2-symmetric", "stu22-symmetric", "stu22-asymmetric"):
            with self.subTest(name):
                tester = self.client(name)
                tester.launch("launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs")
                path = urllib.parse.urlsplit(tester.configuration["introspection_endpoint"]).path
                active = tester.token({"token": tester.granted["access_token"]}, path=path)
                self.assertEqual(active.status, 200, active.text)
                body = active.json
                self.assertIs(body["active"], True)
                self.assertEqual(body["client_id"], tester.client_id)
                self.assertEqual(set(body["scope"].split()), set(tester.granted["scope"].split()))
                self.assertEqual(len(body["scope"].split()), len(tester.granted["scope"].split()))
                self.assertGreaterEqual(int(body["exp"]), time.time() - 600)
                self.assertEqual(body["patient"], tester.granted["patient"])
                payload = json.loads(base64.urlsafe_b64decode(tester.granted["id_token"].split(".")[1] + "=="))
                self.assertEqual((body["iss"], body["sub"]), (payload["iss"], payload["sub"]))
                self.assertEqual(body["fhirUser"], payload["fhirUser"])
                unknown = tester.token({"token": "invalid_token_value"}, path=path)
                self.assertEqual((unknown.status, unknown.json), (200, {"active": False}))

    @verifies("house@CERTIFICATION-STEPS")
    def test_granular_scopes(self):
        """9.14 and 9.23 to 9.25, and US Core's granular groups: what was found before, filtered, and nothing else."""
        whole = self.client("stu22-symmetric")
        whole.launch("launch/patient openid fhirUser offline_access patient/Condition.rs patient/Observation.rs")
        for name in ("stu2-symmetric", "stu22-public"):
            for place, wanted in enumerate(ROUNDS):
                with self.subTest(client=name, round=place + 1):
                    tester = self.client(name)
                    scopes = [f"patient/{each}" for each in wanted]
                    tester.launch("launch/patient openid fhirUser offline_access " + " ".join(scopes))
                    granted = set(tester.granted["scope"].split())
                    self.assertTrue(set(scopes) <= granted)
                    self.assertFalse({"patient/Condition.rs", "patient/Observation.rs"} & granted)
                    for kind in ("Condition", "Observation"):
                        constraints = [each.split("category=")[1] for each in wanted if each.startswith(kind)]
                        before = whole.get(f"{kind}?patient=patient-a&_count=200").json.get("entry", [])
                        inside = {entry["resource"]["id"] for entry in before if any(
                            f"{coding.get('system')}|{coding.get('code')}" in constraints
                            for category in entry["resource"].get("category", [])
                            for coding in category.get("coding", []))}
                        outside = {entry["resource"]["id"] for entry in before} - inside
                        self.assertTrue(inside and outside, "the records of the demo hold both kinds")
                        after = tester.get(f"{kind}?patient=patient-a&_count=200").json.get("entry", [])
                        self.assertEqual({entry["resource"]["id"] for entry in after}, inside)
                        for constraint in constraints:
                            query = f"{kind}?patient=patient-a&category={urllib.parse.quote(constraint)}&_count=200"
                            self.assertEqual(
                                {entry["resource"]["id"] for entry in tester.get(query).json.get("entry", [])},
                                {entry["resource"]["id"] for entry in whole.get(query).json.get("entry", [])})
                        self.assertEqual(tester.get(f"{kind}/{min(inside)}").status, 200)
                        refused = tester.get(f"{kind}/{min(outside)}")
                        self.assertNotEqual(refused.status, 200)
                        self.assertEqual(refused.json["resourceType"], "OperationOutcome")

    @verifies("oauth-attack@S-01")
    def test_eight_kilobytes_of_scopes_by_get_and_post(self):
        codes = [f"patient/Observation.rs?code=http://loinc.org|{10_000 + number}-1" for number in range(150)]
        scope = "launch/patient openid offline_access patient/Patient.rs " + " ".join(codes)
        self.assertGreater(len(scope), 8000)
        for name in ("stu22-public", "stu2-asymmetric"):
            for method in ("GET", "POST"):
                with self.subTest(client=name, method=method):
                    tester = self.client(name)
                    tester.launch(scope, method=method)
                    self.assertEqual(set(tester.granted["scope"].split()), set(scope.split()))
                    self.assertEqual(tester.get("Patient/patient-a").status, 200)
                    self.good_refresh(tester)

    @verifies("house@CERTIFICATION-STEPS")
    def test_granular_selection(self):
        """9.15 and 9.26 to 9.28: whole types are asked for, and the person picks among their kinds."""
        for name in ("stu2-symmetric", "stu22-symmetric"):
            with self.subTest(name):
                tester = self.client(name)
                tester.launch(
                    "launch/patient openid fhirUser offline_access patient/Condition.rs patient/Observation.rs patient/Patient.rs",
                    narrowed=lambda value: "?category=" not in value
                    or value.endswith(("|problem-list-item", "|laboratory")))
                granted = tester.granted["scope"].split()
                self.assertFalse({"patient/Condition.rs", "patient/Observation.rs"} & set(granted))
                for kind in ("Condition", "Observation"):
                    self.assertTrue(any(each.startswith(f"patient/{kind}.rs?category=") for each in granted), granted)
                self.assertIn("patient/Patient.rs", granted)

    @verifies("house@CERTIFICATION-STEPS")
    def test_payer_scopes_of_both_levels(self):
        """H1: patient and user scopes in one request of a 1.0.0 client."""
        tester = self.client("stu1-symmetric")
        kinds = ("ExplanationOfBenefit", "Coverage", "Patient", "Organization", "Practitioner")
        wanted = [f"{level}/{kind}.read" for level in ("patient", "user") for kind in kinds]
        tester.launch("launch/patient openid fhirUser " + " ".join(wanted))
        granted = tester.granted["scope"].split()
        self.assertEqual([each for each in ["launch/patient", "openid", "fhirUser", *wanted] if each not in granted], [])
        self.assertNotIn("refresh_token", tester.granted)

    @verifies("house@CERTIFICATION-STEPS")
    def test_revocation(self):
        """9.3: after the person's word, access and refresh both fail."""
        for name in ("stu1-symmetric", "stu22-public"):
            with self.subTest(name):
                tester = self.client(name)
                tester.launch(self.scopes(tester))
                self.assertEqual(tester.get("Patient/patient-a").status, 200)
                person = Person(self.server.issuer)
                page = person.send("GET", f"{self.server.issuer}/account")
                page = person.send(*person.fill(
                    f"{self.server.issuer}/account", page.text, {"password": {"username": "patient-a", "password": "demo"}}))
                while page.status == 303 or 'action="/account/end"' in page.text:
                    if page.status == 303:
                        page = person.send("GET", urllib.parse.urljoin(self.server.issuer, page.headers["Location"]))
                    else:
                        form = next(form for form in FormReader(page.text).forms if form["action"] == "/account/end")
                        page = person.send("POST", f"{self.server.issuer}/account/end", form["fields"])
                self.assertIn(tester.get("Patient/patient-a").status, (401, 403, 404))
                answer = tester.token(
                    {"grant_type": "refresh_token", "refresh_token": tester.granted["refresh_token"]})
                self.assertIn(answer.status, (400, 401))

    @verifies("house@CERTIFICATION-STEPS")
    def test_brands(self):
        """A9."""
        address = urllib.parse.urlsplit(
            self.client("stu22-public").configuration["user_access_brand_bundle"])
        answer = request(f"{address.scheme}://{address.netloc}", "GET", address.path, None, {
            "Accept": "application/json, application/fhir+json", "Origin": ORIGIN})
        self.assertEqual(answer.status, 200)
        self.assertIn("Access-Control-Allow-Origin", answer.headers)
        self.assertIn("ETag", answer.headers)
        bundle = answer.json
        self.assertEqual((bundle["resourceType"], bundle["type"]), ("Bundle", "collection"))
        self.assertIn("timestamp", bundle)
        resources = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
        endpoints = {address: each for address, each in resources.items() if each["resourceType"] == "Endpoint"}
        organizations = [each for each in resources.values() if each["resourceType"] == "Organization"]
        self.assertTrue(endpoints and organizations)

        def found(reference):
            return next(address for address in resources if address.endswith(reference))

        named = {found(each["reference"]) for organization in organizations for each in organization.get("endpoint", [])}
        self.assertEqual(named, set(endpoints))
        for endpoint in endpoints.values():
            self.assertEqual(endpoint["address"], self.server.fhir)
            statement = request(endpoint["address"], "GET", "/metadata")
            self.assertEqual((statement.status, statement.json["resourceType"]), (200, "CapabilityStatement"))


if __name__ == "__main__":
    unittest.main()
