"""Real input: what each Synthea patient's token finds equals that patient's compartment, computed from the bundles.

Runs when the folder of sample records is there (`CHAPERONE_SHARED_DATA`, else `../shared/data`).
"""
import collections
import gzip
import json
import unittest

from requirements_log import verifies
from server_under_test import SHARED_DATA, ChaperoneUnderTest
from smart_client import App

BUNDLES = SHARED_DATA / "synthea-r4"
PASSWORD = "a long password of the test"
# The element that makes a record the patient's own, for every type that occurs in the bundles; written down from the
# resource definitions of FHIR R4, not taken from the server.
SUBJECT = {
    "AllergyIntolerance": "patient", "CarePlan": "subject", "CareTeam": "subject", "Claim": "patient",
    "Condition": "subject", "Device": "patient", "DiagnosticReport": "subject", "DocumentReference": "subject",
    "Encounter": "subject", "ExplanationOfBenefit": "patient", "Goal": "subject", "ImagingStudy": "subject",
    "Immunization": "patient", "MedicationAdministration": "subject", "MedicationRequest": "subject",
    "Observation": "subject", "Procedure": "subject", "SupplyDelivery": "patient", "Coverage": "beneficiary",
}
SHARED = {"Organization", "Practitioner", "PractitionerRole", "Location", "Medication"}


def read_bundles():
    for file in sorted(BUNDLES.glob("*.json.gz")):
        yield json.loads(gzip.decompress(file.read_bytes()))


def compartments():
    """patient id → type → set of ids, from the bundles alone."""
    found = collections.defaultdict(lambda: collections.defaultdict(set))
    everything = set()
    for bundle in read_bundles():
        by_url = {each["fullUrl"]: each["resource"] for each in bundle["entry"] if each.get("fullUrl")}
        for entry in bundle["entry"]:
            resource = entry["resource"]
            kind = resource["resourceType"]
            everything.add((kind, resource["id"]))
            if kind == "Patient":
                found[resource["id"]]["Patient"].add(resource["id"])
            elif kind in SUBJECT:
                reference = resource.get(SUBJECT[kind], {}).get("reference", "")
                target = by_url.get(reference)
                owner = target["id"] if target else reference.removeprefix("Patient/")
                if (target and target["resourceType"] == "Patient") or reference.startswith("Patient/"):
                    found[owner][kind].add(resource["id"])
            elif kind not in SHARED:
                raise AssertionError(f"{kind} is not in the table of this test")
    return found, everything


@unittest.skipUnless(BUNDLES.is_dir(), "the folder of sample records is not here")
class RealInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ChaperoneUnderTest().start()
        cls.addClassCleanup(cls.server.stop)
        cls.expected, cls.everything = compartments()
        bundles = [str(each) for each in sorted(BUNDLES.glob("*.json.gz"))]
        cls.report = json.loads(cls.server.command("sandbox", "import", *bundles, "--output", "json"))

    def token_for(self, patient):
        """A member of the imported set gets an account and launches the demo app with it."""
        username = f"member-{patient[:8]}"
        self.server.command(
            "user", "add", username, "--patient", patient, "--password-file", "-", stdin=f"{PASSWORD}\n")
        app = App(self.server.fhir)
        app.launch("launch/patient patient/*.rs", username, PASSWORD, patient=patient)
        return app

    @verifies("house@import-without-loss")
    def test_the_import_loses_nothing(self):
        self.assertEqual(self.report["problems"], [])
        self.assertEqual(self.report["danglingReferences"], [])
        stored = {each["type"]: each["created"] for each in self.report["byType"]}
        expected = collections.Counter(kind for kind, _ in self.everything)
        for kind, count in expected.items():
            # The demo's own shared records are there already, under other ids.
            self.assertEqual(stored.get(kind), count, kind)

    @verifies("house@real-input")
    def test_each_member_finds_exactly_their_compartment(self):
        kinds = sorted({kind for each in self.expected.values() for kind in each})
        for patient, own in sorted(self.expected.items()):
            app = self.token_for(patient)
            self.assertEqual(app.token["patient"], patient)
            for kind in kinds:
                entries = app.search_all(f"{kind}?_count=50")
                ids = [entry["resource"]["id"] for entry in entries]
                self.assertEqual(len(ids), len(set(ids)), f"{kind} of {patient} came twice")
                self.assertEqual(set(ids), own[kind], f"{kind} of {patient}")
