"""Sixty-four at once against the running server and its SQLite: one code is redeemed once, one refresh token has one
successor and nobody is logged out, and a stolen predecessor is noticed."""
import concurrent.futures
import threading
import unittest
import urllib.parse

from requirements_log import verifies
from server_under_test import ChaperoneUnderTest
from smart_client import App, Person

SCOPE = "launch/patient openid offline_access patient/Patient.rs"
MANY = 64


class ParallelTokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ChaperoneUnderTest().start()
        cls.addClassCleanup(cls.server.stop)

    def code(self):
        app = App(self.server.fhir)
        query = urllib.parse.urlencode(app.authorization_request(SCOPE))
        back = Person(self.server.issuer).walk(
            f"{app.configuration['authorization_endpoint']}?{query}",
            {"password": {"username": "patient-a", "password": "demo"}, "decision": {"decision": "allow"}})
        return app, dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))["code"]

    @staticmethod
    def at_once(work):
        """The answers of that many calls, begun together."""
        gate = threading.Barrier(MANY)

        def one(_):
            gate.wait()
            return work()

        with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
            return list(pool.map(one, range(MANY)))

    def refresh(self, app, token):
        return app.token_request({"grant_type": "refresh_token", "refresh_token": token, "client_id": app.client_id})

    @verifies("oauth-attack@C-02")
    def test_of_64_redemptions_one_wins(self):
        for _ in range(3):
            app, code = self.code()
            answers = self.at_once(lambda: app.redeem(code))
            won = [answer.json for answer in answers if answer.status == 200]
            self.assertEqual(len(won), 1)
            lost = [(answer.status, answer.json["error"]) for answer in answers if answer.status != 200]
            self.assertEqual(lost, [(400, "invalid_grant")] * (MANY - 1))

    @verifies("oauth-attack@T-03")
    def test_of_64_refreshes_all_get_one_successor_and_nobody_is_logged_out(self):
        app, code = self.code()
        app.token = app.redeem(code).json
        for _ in range(3):
            answers = self.at_once(lambda: self.refresh(app, app.token["refresh_token"]))
            self.assertEqual({answer.status for answer in answers}, {200})
            successors = {answer.json["refresh_token"] for answer in answers}
            self.assertEqual(len(successors), 1)
            self.assertNotIn(app.token["refresh_token"], successors)
            app.token = answers[-1].json
            self.assertEqual(app.get("Patient/patient-a").status, 200)

    @verifies("oauth-attack@T-04")
    def test_a_stolen_predecessor_is_noticed_when_the_head_is_used(self):
        """Within the grace window: thief and owner hold the same successor, whoever uses it second gives it away."""
        app, code = self.code()
        first = app.redeem(code).json
        app.token = first
        second = self.refresh(app, first["refresh_token"]).json
        stolen = self.refresh(app, first["refresh_token"])
        self.assertEqual((stolen.status, stolen.json["refresh_token"]), (200, second["refresh_token"]))
        third = self.refresh(app, second["refresh_token"])
        self.assertEqual(third.status, 200)
        again = self.refresh(app, first["refresh_token"])
        self.assertEqual((again.status, again.json["error"]), (400, "invalid_grant"), "its successor was used")
        for token in (second["refresh_token"], third.json["refresh_token"]):
            ended = self.refresh(app, token)
            self.assertEqual((ended.status, ended.json["error"]), (400, "invalid_grant"), "the family is over")
        for held in (first, second, third.json, stolen.json):
            app.token = held
            self.assertEqual(app.get("Patient/patient-a").status, 401)
        listed = self.server.command("audit", "list", "--output", "json")
        self.assertIn("refresh-reuse", listed)


if __name__ == "__main__":
    unittest.main()
