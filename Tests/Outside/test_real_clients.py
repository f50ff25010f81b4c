"""Clients that we did not write launch, read and refresh: fhirclient (SMART 1.0, v1 scopes, endpoints from the
CapabilityStatement) and Authlib (discovery, PKCE, OpenID Connect, refresh)."""
import os
import unittest
import urllib.parse

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the demo speaks plain HTTP on loopback

import requests  # noqa: E402
from authlib.integrations.requests_client import OAuth2Session  # noqa: E402
from authlib.jose import JsonWebKey, jwt  # noqa: E402
from fhirclient import client as fhirclient  # noqa: E402
from fhirclient.models.condition import Condition  # noqa: E402
from fhirclient.models.patient import Patient  # noqa: E402
from requirements_log import verifies  # noqa: E402
from server_under_test import ChaperoneUnderTest  # noqa: E402
from smart_client import REDIRECT, Person  # noqa: E402


def walk(issuer, address, username="patient-a"):
    """What the person does with the address that the client opens; the address to which the browser comes back."""
    return Person(issuer).walk(address, {
        "password": {"username": username, "password": "demo"},
        "decision": {"decision": "allow"},
    })


class RealClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ChaperoneUnderTest().start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    @verifies("house@real-clients")
    def test_fhirclient_launches_reads_and_refreshes(self):
        smart = fhirclient.FHIRClient(settings={
            "app_id": "demo-smart1-app", "app_secret": "demo-smart1-secret", "api_base": self.server.fhir,
            "redirect_uri": REDIRECT, "scope": "launch/patient openid fhirUser offline_access patient/Patient.read patient/Condition.read",
        })
        self.assertFalse(smart.prepare() and smart.ready)
        back = walk(self.server.issuer, smart.authorize_url)
        self.assertTrue(back.startswith(REDIRECT), back)
        smart.handle_callback(back)
        self.assertTrue(smart.ready)
        self.assertEqual(smart.patient_id, "patient-a")
        self.assertEqual(Patient.read("patient-a", smart.server).birthDate.isostring[:4].isdigit(), True)
        conditions = Condition.where({"patient": "patient-a"}).perform_resources(smart.server)
        self.assertTrue(conditions)
        granted = smart.server.auth.access_token
        self.assertTrue(smart.reauthorize())
        self.assertNotEqual(smart.server.auth.access_token, granted)
        self.assertEqual(Patient.read("patient-a", smart.server).id, "patient-a")

    @verifies("house@real-clients")
    def test_authlib_discovers_proves_its_key_verifies_the_person_and_refreshes(self):
        issuer = self.server.issuer
        metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=30).json()
        session = OAuth2Session(
            "demo-patient-app", redirect_uri=REDIRECT, code_challenge_method="S256", token_endpoint_auth_method="none",
            scope="launch/patient openid fhirUser offline_access patient/Patient.rs")
        verifier = "v" * 64
        address, state = session.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, aud=self.server.fhir, nonce="n-1")
        back = walk(issuer, address)
        token = session.fetch_token(
            metadata["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)
        self.assertEqual(token["patient"], "patient-a")
        keys = JsonWebKey.import_key_set(requests.get(metadata["jwks_uri"], timeout=30).json())
        claims = jwt.decode(token["id_token"], keys, claims_options={
            "iss": {"essential": True, "value": metadata["issuer"]}, "aud": {"essential": True, "value": "demo-patient-app"},
            "nonce": {"essential": True, "value": "n-1"}})
        claims.validate()
        self.assertEqual(claims["fhirUser"], f"{self.server.fhir}/Patient/patient-a")
        self.assertEqual(session.get(f"{self.server.fhir}/Patient/patient-a", timeout=30).status_code, 200)
        self.assertEqual(session.get(metadata["userinfo_endpoint"], timeout=30).json()["sub"], claims["sub"])
        renewed = session.refresh_token(metadata["token_endpoint"])
        self.assertNotEqual(renewed["access_token"], token["access_token"])
        self.assertEqual(session.get(f"{self.server.fhir}/Patient/patient-a", timeout=30).status_code, 200)
        ended = session.revoke_token(metadata["revocation_endpoint"], token=renewed["refresh_token"])
        self.assertEqual(ended.status_code, 200)
        self.assertEqual(session.get(f"{self.server.fhir}/Patient/patient-a", timeout=30).status_code, 401)

    def test_authlib_without_the_verifier_gets_nothing(self):
        session = OAuth2Session(
            "demo-patient-app", redirect_uri=REDIRECT, code_challenge_method="S256", token_endpoint_auth_method="none",
            scope="launch/patient patient/Patient.rs")
        address, state = session.create_authorization_url(
            f"{self.server.issuer}/oauth/authorize", code_verifier="v" * 64, aud=self.server.fhir)
        back = walk(self.server.issuer, address)
        with self.assertRaises(Exception) as caught:
            session.fetch_token(
                f"{self.server.issuer}/oauth/token", authorization_response=back, state=state, code_verifier="w" * 64)
        self.assertIn("invalid_grant", str(caught.exception))
        self.assertNotIn("access_token", urllib.parse.urlsplit(back).query)


if __name__ == "__main__":
    unittest.main()
