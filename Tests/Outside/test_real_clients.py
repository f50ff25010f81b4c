"""Clients that we did not write launch, read and refresh: fhirclient (SMART 1.0, v1 scopes, endpoints from the
CapabilityStatement) and Authlib (discovery, PKCE, OpenID Connect, refresh)."""
import base64
import hashlib
import os
import time
import unittest
import urllib.parse
import uuid

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the demo speaks plain HTTP on loopback

import requests  # noqa: E402
from authlib.integrations.requests_client import OAuth2Session  # noqa: E402
from authlib.jose import JsonWebKey, jwt  # noqa: E402
from fhirclient import client as fhirclient  # noqa: E402
from full_length_keys import generate_key  # noqa: E402
from fhirclient.models.condition import Condition  # noqa: E402
from fhirclient.models.patient import Patient  # noqa: E402
from requirements_log import verifies  # noqa: E402
from server_under_test import ChaperoneUnderTest  # noqa: E402
from smart_client import REDIRECT, App, Person  # noqa: E402


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

    @verifies("house@real-clients", "oauth-attack@T-30")
    def test_authlibs_jose_proves_possession_in_every_advertised_algorithm(self):
        """Authlib has no DPoP client; its JOSE signs the proofs (RFC 9449)."""
        metadata = requests.get(f"{self.server.issuer}/.well-known/openid-configuration", timeout=30).json()
        self.assertTrue(metadata["dpop_signing_alg_values_supported"])
        for algorithm in metadata["dpop_signing_alg_values_supported"]:
            with self.subTest(algorithm):
                kind, size = {"ES256": ("EC", "P-256"), "ES384": ("EC", "P-384")}.get(algorithm, ("RSA", 2048))
                key = generate_key(kind, size)
                public = {name: value for name, value in key.as_dict(is_private=False).items() if name != "kid"}

                def proof(method, address, token=None):
                    digest = base64.urlsafe_b64encode(hashlib.sha256((token or "").encode()).digest()).rstrip(b"=").decode()
                    claims = {"jti": uuid.uuid4().hex, "htm": method, "htu": address, "iat": int(time.time()),
                              **({"ath": digest} if token else {})}
                    return jwt.encode({"typ": "dpop+jwt", "alg": algorithm, "jwk": public}, claims, key).decode()

                app = App(self.server.fhir)
                query = urllib.parse.urlencode(app.authorization_request("launch/patient patient/Patient.rs"))
                back = walk(self.server.issuer, f"{metadata['authorization_endpoint']}?{query}")
                code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))["code"]
                answer = requests.post(metadata["token_endpoint"], timeout=30, headers={
                    "DPoP": proof("POST", metadata["token_endpoint"])}, data={
                        "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT,
                        "client_id": app.client_id, "code_verifier": app.verifier})
                self.assertEqual((answer.status_code, answer.json().get("token_type")), (200, "DPoP"), answer.text)
                token, address = answer.json()["access_token"], f"{self.server.fhir}/Patient/patient-a"
                read = requests.get(address, timeout=30, headers={
                    "Authorization": f"DPoP {token}", "DPoP": proof("GET", address, token)})
                self.assertEqual(read.status_code, 200, read.text)
                stolen = requests.get(address, timeout=30, headers={"Authorization": f"Bearer {token}"})
                self.assertEqual(stolen.status_code, 401, "the bound token alone is worth nothing")

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
