"""The tour of the README without a browser: a member's app reads real records, and nobody else's."""
import json
import unittest

from requirements_log import verifies
from server_under_test import ChaperoneUnderTest, request
from smart_client import App

SCOPE = "openid fhirUser launch/patient offline_access patient/*.rs"


class MembersApp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ChaperoneUnderTest().start()
        cls.app = App(cls.server.fhir)
        cls.app.launch(SCOPE, "patient-a")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_the_token_names_the_member(self):
        self.assertEqual(self.app.token["patient"], "patient-a")
        self.assertEqual(self.app.token["token_type"].lower(), "bearer")

    def test_the_member_reads_their_own_record(self):
        answer = self.app.get("Patient/patient-a")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["id"], "patient-a")

    @verifies("attack@ATK-001")
    def test_another_member_is_not_there(self):
        there, nowhere = self.app.get("Patient/patient-b"), self.app.get("Patient/no-such-patient")
        self.assertEqual((there.status, nowhere.status), (404, 404))
        self.assertEqual(there.body, nowhere.body)

    @verifies("attack@ATK-016")
    def test_a_search_for_another_member_is_refused(self):
        answer = self.app.get("Observation?patient=patient-b")
        self.assertEqual(answer.status, 403)
        self.assertEqual(answer.json["resourceType"], "OperationOutcome")

    @verifies("attack@ATK-015")
    def test_a_search_without_a_patient_finds_only_the_member(self):
        entries = self.app.search_all("Observation?_count=7")
        self.assertGreater(len(entries), 20)
        for entry in entries:
            self.assertEqual(entry["resource"]["subject"]["reference"], "Patient/patient-a")

    def test_conditions_medications_and_claims_can_be_read(self):
        for query in ("Condition", "MedicationRequest", "ExplanationOfBenefit"):
            self.assertTrue(self.app.search_all(query), query)

    def test_who_read_what_with_which_scope_can_be_listed(self):
        self.app.get("Condition?_count=1")
        listed = json.loads(self.server.command(
            "audit", "list", "--patient", "patient-a", "--output", "json"))
        text = json.dumps(listed)
        self.assertIn("demo-patient-app", text)
        self.assertIn("patient/Condition.rs", text)

    @verifies("attack@ATK-284")
    def test_a_refresh_keeps_the_patient(self):
        app = App(self.server.fhir)
        first = app.launch(SCOPE, "patient-a")
        answer = app.token_request({
            "grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": app.client_id})
        self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual(answer.json["patient"], "patient-a")

    def test_a_representative_chooses_the_child(self):
        app = App(self.server.fhir)
        token = app.launch(SCOPE, "parent-a", patient="patient-c")
        self.assertEqual(token["patient"], "patient-c")
        self.assertEqual(app.get("Patient/patient-c").status, 200)
        self.assertEqual(app.get("Patient/patient-a").status, 404)

    def test_without_a_token_there_is_nothing(self):
        app = App(self.server.fhir)
        app.token = {"access_token": "nonsense"}
        answer = app.get("Patient/patient-a")
        self.assertEqual(answer.status, 401)
        self.assertIn("Bearer", answer.headers["WWW-Authenticate"])

    @verifies("oauth-attack@R-33")
    def test_no_script_of_another_origin_may_use_the_authorization_endpoint(self):
        for method in ("OPTIONS", "GET"):
            answer = request(self.server.issuer, method, "/oauth/authorize", headers={
                "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"})
            self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
