"""What the running server writes about reads, searches, creations, updates and deletions, with a patient and without, for
people and for backends, about disclosures, consent and tokens, against the profiles of IHE BALP that it claims."""
import json
import pathlib
import re
import secrets
import shutil
import tempfile
import time
import unittest
import urllib.parse

from authlib.jose import JsonWebKey, jwt
from requirements_log import verifies
from server_under_test import SHARED_DATA, ChaperoneUnderTest, basic, request
from smart_client import App, Person

LIST = SHARED_DATA / "ihe-balp" / "balp-profile-constraints.json"
PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"
BACKEND = "system/Observation.cruds system/Organization.cruds system/Patient.rs"
CLIENTS = """
clients:
  - {id: writer, name: Diary, kind: public, program: patient-access, trusted: true, grant-types: [authorization_code],
     redirect-uris: ["http://127.0.0.1:8765/callback"],
     scopes: "launch/patient patient/Observation.cruds patient/Patient.rs"}
  - {id: ward, name: Ward, kind: public, program: provider-access, trusted: true, grant-types: [authorization_code],
     redirect-uris: ["http://127.0.0.1:8765/callback"],
     scopes: "launch/patient user/Organization.cruds user/Practitioner.rs user/Patient.rs user/Observation.rs"}
  - {id: register, name: Register, kind: public, program: provider-access, trusted: true,
     grant-types: [authorization_code], redirect-uris: ["http://127.0.0.1:8765/callback"],
     scopes: "launch/patient user/Patient.rs"}
  - {id: night, name: Night, kind: asymmetric, program: patient-access, trusted: true,
     grant-types: [client_credentials], keys-file: keys.json, system-patients: ["*"], scopes: "%s"}
audit:
  purposes: {register: [PUBHLTH]}
""" % BACKEND


class Profiles:
    """The published constraints, read once more by other code than the server's tests: fixed values and cardinalities."""

    def __init__(self, path):
        self.by_url, self.by_name = {}, {}
        for profile in json.loads(path.read_text()):
            self.by_url[profile["url"]] = self.by_name[profile["name"]] = profile

    def faults(self, event):
        for url in event.get("meta", {}).get("profile", []):
            profile = self.by_url.get(url)
            if profile is None:
                yield f"{url} is not published"
            while profile:
                for fault in self.of_profile(event, profile["rules"]):
                    yield f"{profile['name']}: {fault}"
                profile = self.by_name.get(profile["parent"])

    def of_profile(self, event, rules):
        fixed = {rule["path"]: rule["fixed"] for rule in rules if "fixed" in rule}
        sliced = {path[:-5]: [(m, fixed[f"{path[:-5]}.{m}"]) for m in ("type", "role") if f"{path[:-5]}.{m}" in fixed]
                  for path in fixed if path.endswith("].type")}

        def members(name):
            if name not in sliced:
                return []
            # In a slice by its type, and by its role too where another slice has the same type.
            shared = sum(each[0] == sliced[name][0] for each in sliced.values()) > 1
            marks = sliced[name] if shared else sliced[name][:1]
            return [each for each in event.get(name.split("[")[0], [])
                    if all(member in each and self.same(each[member], value) for member, value in marks)]

        def values(path):
            first, _, rest = path.partition(".")
            found = members(first) if "[" in first else [event]
            if "[" not in first:
                rest = path
            *way, last = rest.split(".")
            for name in way:
                found = [inner for each in found if name in each
                         for inner in (each[name] if isinstance(each[name], list) else [each[name]])]
            return found, last

        for path, value in fixed.items():
            holders, name = values(path)
            for holder in holders:
                if name in holder:
                    have = holder[name] if isinstance(holder[name], list) else [holder[name]]
                    if not any(self.same(each, value) for each in have):
                        yield f"{path} is {holder[name]}, not {value}"
                elif "[" not in path:
                    yield f"{path} is missing"
        for rule in rules:
            bounds = re.match(r"^(\S+) (\d+)\.\.(\d*|\*)(?: |$)", rule.get("rule", ""))
            if not bounds or "contains" in rule["rule"] or bounds[1].count("[") > 1 or bounds[1].endswith("]"):
                continue
            holders, name = values(bounds[1])
            for holder in holders:
                count = len(holder.get(name, [])) if isinstance(holder.get(name), list) else int(name in holder)
                if count < int(bounds[2]) or bounds[3].isdigit() and count > int(bounds[3]):
                    yield f"{rule['rule']}, but it stands {count} times"

    @staticmethod
    def same(value, fixed):
        system, _, code = fixed.rpartition("#")
        if isinstance(value, bool):
            return str(value).lower() == fixed
        if isinstance(value, str):
            return value == code
        return any(coding.get("code") == code and coding.get("system", "").endswith(system)
                   for coding in value.get("coding", [value]))


class BALPInTheServer(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-balp-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.key = JsonWebKey.generate_key("EC", "P-384", {"kid": "night-1", "alg": "ES384", "use": "sig"}, True)
        (self.folder / "keys.json").write_text(json.dumps({"keys": [self.key.as_dict(is_private=False)]}))
        (self.folder / "chaperone.yaml").write_text(CLIENTS)

    def backend(self, server):
        app = App(server.fhir, "night")
        endpoint = app.configuration["token_endpoint"]
        now = int(time.time())
        assertion = jwt.encode(
            {"alg": "ES384", "kid": "night-1", "typ": "JWT"},
            {"iss": "night", "sub": "night", "aud": endpoint, "iat": now, "exp": now + 200,
             "jti": secrets.token_urlsafe()}, self.key).decode()
        answer = app.token_request({
            "grant_type": "client_credentials", "scope": BACKEND, "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"})
        self.assertEqual(answer.status, 200, answer.text)
        app.token = answer.json
        return app

    def rounds(self, app, resource):
        """Creates, reads, reads a version of, searches, updates and deletes."""
        kind = {"Content-Type": "application/fhir+json"}
        made = app.get(resource["resourceType"], "POST", kind, json.dumps(resource))
        self.assertEqual(made.status, 201, made.text)
        place = "/".join(urllib.parse.urlsplit(made.headers["Location"]).path.split("/")[2:4])
        self.assertEqual(app.get(place).status, 200)
        self.assertEqual(app.get(f"{place}/_history/1").status, 200)
        self.assertEqual(app.get(f"{resource['resourceType']}?_count=1").status, 200)
        changed = dict(resource, id=place.split("/")[1])
        self.assertEqual(app.get(place, "PUT", kind, json.dumps(changed)).status, 200)
        self.assertIn(app.get(place, "DELETE").status, (200, 204))

    @verifies("audit@balp")
    def test_every_profile_that_is_claimed_is_kept(self):
        observation = {"resourceType": "Observation", "status": "final", "code": {"text": "of a test"},
                       "subject": {"reference": "Patient/patient-a"}}
        organization = {"resourceType": "Organization", "name": "of a test"}
        with ChaperoneUnderTest(self.folder) as server:
            writer = App(server.fhir, "writer")
            writer.launch("launch/patient patient/Observation.cruds patient/Patient.rs", "patient-a")
            self.rounds(writer, observation)
            ward = App(server.fhir, "ward")
            ward.launch(
                "launch/patient user/Organization.cruds user/Practitioner.rs user/Patient.rs user/Observation.rs",
                "clinician-a", patient="patient-a")
            for path in ("Practitioner?_count=1", "Patient/patient-a", "Observation?patient=patient-a"):
                self.assertEqual(ward.get(path).status, 200, path)
            register = App(server.fhir, "register")
            register.launch("launch/patient user/Patient.rs", "clinician-a", patient="patient-a")
            self.assertEqual(register.get("Patient/patient-a").status, 200)
            night = self.backend(server)
            self.rounds(night, observation)
            self.rounds(night, organization)
            refused = App(server.fhir)
            query = urllib.parse.urlencode(refused.authorization_request("launch/patient patient/Patient.rs"))
            Person(server.issuer).walk(f"{refused.configuration['authorization_endpoint']}?{query}", {
                "password": {"username": "patient-b", "password": "demo"}, "patient": {"patient": "patient-b"},
                "decision": {"decision": "deny"}})
            found = request(
                server.admin, "GET", "/audit/fhir/AuditEvent?_count=1000", headers=basic("auditor-a")).json["entry"]
        events = [entry["resource"] for entry in found]
        claimed = {url.removeprefix(PROFILES) for event in events for url in event.get("meta", {}).get("profile", [])}
        basics = {f"IHE.BasicAudit.{patient}{name}" for patient in ("", "Patient")
                  for name in ("Read", "Query", "Create", "Update", "Delete")}
        self.assertEqual(
            claimed, basics | {
                "IHE.BasicAudit.OAUTHaccessTokenUse.Comprehensive", "IHE.BasicAudit.OAUTHaccessTokenUse.Opaque",
                "IHE.BasicAudit.PrivacyDisclosure.Source", "IHE.BasicAudit.AuthZconsent", "IHE.IUA.71"})
        consents = {event["outcome"] for event in events if any("AuthZconsent" in each for each in
                                                               event.get("meta", {}).get("profile", []))}
        self.assertEqual(consents, {"0", "4"})
        if not LIST.exists():
            self.skipTest("the published constraints are not at hand")
        profiles = Profiles(LIST)
        self.assertEqual([fault for event in events for fault in profiles.faults(event)], [])
        # The reading is no formality: whatever is taken out of an event is missed.
        sample = next(event for event in events if PROFILES + "IHE.BasicAudit.PatientRead" in
                      event.get("meta", {}).get("profile", []))
        for member in ("type", "action", "recorded", "outcome", "agent", "entity"):
            crippled = {name: value for name, value in sample.items() if name != member}
            self.assertTrue(list(profiles.faults(crippled)), member)
