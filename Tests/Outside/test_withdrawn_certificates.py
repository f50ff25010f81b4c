"""Certificates of clients that their authority withdraws, against the running server and an authority of the test's own."""
import datetime
import json
import pathlib
import secrets
import ssl
import socket
import tempfile
import time
import unittest
import urllib.parse

from authlib.jose import JsonWebKey, jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from local_server import LocalServer, QuietHandler
from requirements_log import verifies
from server_under_test import ChaperoneUnderTest, basic, free_ports, request
from test_tls import certificate_for_localhost

HOUR = datetime.timedelta(hours=1)


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


class Party:
    """A certificate with its key, and what it has withdrawn."""

    def __init__(self, common_name, issuer=None, serial=1, ca=False, crl=None, responder=None):
        self.key, self.issuer = ec.generate_private_key(ec.SECP256R1()), issuer or self
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        self.withdrawn = []
        builder = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(self.issuer.name)
            .public_key(self.key.public_key()).serial_number(serial).not_valid_before(now() - HOUR)
            .not_valid_after(now() + 48 * HOUR)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False))
        if crl:
            builder = builder.add_extension(
                x509.CRLDistributionPoints([x509.DistributionPoint(
                    [x509.UniformResourceIdentifier(crl)], None, None, None)]), critical=False)
        if responder:
            builder = builder.add_extension(
                x509.AuthorityInformationAccess([x509.AccessDescription(
                    AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder))]), critical=False)
        self.issued = {}
        self.issuer.issued[serial] = self
        self.certificate = builder.sign(self.issuer.key, hashes.SHA256())

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def crl(self):
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(now()).next_update(
            now() + HOUR)
        for serial in self.withdrawn:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now()).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


    def answer(self, question):
        """What the authority says about one certificate that it has issued (RFC 6960)."""
        serial = ocsp.load_der_ocsp_request(question).serial_number
        is_withdrawn = serial in self.withdrawn
        return ocsp.OCSPResponseBuilder().add_response(
            cert=self.issued[serial].certificate, issuer=self.certificate, algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if is_withdrawn else ocsp.OCSPCertStatus.GOOD,
            this_update=now(), next_update=now() + HOUR, revocation_time=now() if is_withdrawn else None,
            revocation_reason=None).responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate).sign(
                self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Publisher(LocalServer):
    """Publishes the lists of some authorities over plain HTTP on loopback, each at a path, and answers for them."""

    def __init__(self):
        self.authorities, self.responders = {}, {}
        publisher = self

        class Handler(QuietHandler):
            def do_GET(self):
                authority = publisher.authorities.get(self.path)
                self.send(authority.crl() if authority else None, "application/pkix-crl")

            def do_POST(self):
                authority = publisher.responders.get(self.path)
                question = self.rfile.read(int(self.headers["Content-Length"]))
                self.send(authority.answer(question) if authority else None, "application/ocsp-response")

            def send(self, body, kind):
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

        super().__init__(Handler)


class WithdrawnCertificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="chaperone-withdrawn-")
        cls.addClassCleanup(folder.cleanup)
        cls.files = pathlib.Path(folder.name)
        certificate_for_localhost(cls.files)
        cls.publisher = Publisher()
        cls.addClassCleanup(cls.publisher.stop)
        cls.root = Party("Root", ca=True)
        cls.issuing = Party("Issuing", cls.root, 2, ca=True, crl=cls.publisher.url + "/root.crl")
        cls.second = Party("Second", cls.root, 3, ca=True, crl=cls.publisher.url + "/root.crl")
        cls.third = Party("Third", cls.root, 5, ca=True, crl=cls.publisher.url + "/root.crl")
        cls.filed = Party("Filed", cls.root, 4, ca=True, crl=cls.publisher.url + "/root.crl")
        (cls.files / "lists").mkdir()
        # The server starts all the same, and says so.
        (cls.files / "lists/broken.crl").write_text("no list")
        cls.write_list()
        cls.publisher.responders = {"/ocsp": cls.second}
        cls.publisher.authorities = {"/root.crl": cls.root, "/issuing.crl": cls.issuing, "/third.crl": cls.third}
        issued = cls.publisher.url + "/issuing.crl"
        cls.parties = {
            "app.example": (cls.issuing, 10, issued), "service.example": (cls.issuing, 11, issued),
            "kept.example": (cls.issuing, 12, issued),
            "below.example": (cls.third, 13, cls.publisher.url + "/third.crl"),
            "silent.example": (cls.issuing, 14, cls.publisher.url + "/nothing.crl"),
            "unreachable.example": (cls.issuing, 15, f"http://127.0.0.1:{free_ports(1)[0]}/a.crl"),
            "private.example": (cls.issuing, 16, f"http://localhost:{cls.publisher.server.server_port}/issuing.crl")}
        cls.parties |= {
            "filed.example": (cls.filed, 17, None), "asked.example": (cls.second, 18, None)}
        for name, (issuer, serial, crl) in cls.parties.items():
            party = Party(name, issuer, serial, crl=crl, responder=(
                cls.publisher.url + "/ocsp" if name == "asked.example" else None))
            (cls.files / f"{name}.pem").write_bytes(party.pem + issuer.pem)
            (cls.files / f"{name}.key").write_bytes(party.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        (cls.files / "root.pem").write_bytes(cls.root.pem)
        cls.key = JsonWebKey.generate_key("EC", "P-384", {"kid": "k", "alg": "ES384", "use": "sig"}, is_private=True)
        (cls.files / "service.jwks.json").write_text(json.dumps({"keys": [cls.key.as_dict(is_private=False)]}))
        cls.port = free_ports(1)[0]
        cls.base = f"https://localhost:{cls.port}"
        cls.server = ChaperoneUnderTest(folder=cls.files)
        (cls.files / "chaperone.yaml").write_text(json.dumps({
            "listeners": {"tls": {"port": cls.port, "certificate-file": str(cls.files / "server.pem"),
                                  "key-file": str(cls.files / "server.key")}},
            "egress": {"private-hosts": ["127.0.0.1"], "private-ports": [cls.publisher.server.server_port]},
            "client-certificates": {
                "on-tls-listener": True, "ca-file": str(cls.files / "root.pem"), "origin": cls.base,
                "revocation": {"crl-files": [str(cls.files / "lists")], "check-seconds": 1, "renew-seconds": 1}},
            "clients": [
                {"id": name.split(".")[0], "kind": "certificate", "program": "patient-access",
                 "grant-types": ["authorization_code"], "scopes": "patient/Patient.rs",
                 "redirect-uris": ["https://app.example/cb"], "certificate-dns": name}
                for name in cls.parties if name != "service.example"] + [
                {"id": "service", "kind": "asymmetric", "program": "provider-access",
                 "grant-types": ["client_credentials"], "scopes": "system/Patient.rs", "system-patients": ["patient-a"],
                 "keys-file": str(cls.files / "service.jwks.json"), "certificate-bound-tokens": True}]}))
        cls.server.start()

    @classmethod
    def write_list(cls):
        """Writes the list of the authority that publishes none, as an operator would."""
        (cls.files / "new.crl").write_bytes(cls.filed.crl())
        (cls.files / "new.crl").rename(cls.files / "lists/filed.crl")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def context(self, name, version=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(self.files / "ca.pem"))
        context.minimum_version = context.maximum_version = version
        if name:
            context.load_cert_chain(self.files / f"{name}.pem", self.files / f"{name}.key")
        return context

    def exchange(self, name, method, path, form=None, headers=None, context=None, session=None):
        """Status, body and TLS session of one request over a connection of its own."""
        body = urllib.parse.urlencode(form or {}).encode()
        head = {"Host": f"localhost:{self.port}", "Connection": "close", **(headers or {})}
        if form is not None:
            head |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
        context = context or self.context(name)
        with socket.create_connection(("localhost", self.port), timeout=20) as plain, context.wrap_socket(
                plain, server_hostname="localhost", session=session) as connection:
            lines = [f"{method} {path} HTTP/1.1"] + [f"{key}: {value}" for key, value in head.items()]
            connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            self.was_resumed = connection.session_reused
            return int(answer.split(b" ", 2)[1]), answer.split(b"\r\n\r\n", 1)[1], connection.session

    def authenticate(self, name):
        """The status with which a client's certificate is answered where nothing else is asked of it."""
        client = name.split(".")[0]
        return self.exchange(name, "POST", "/oauth/revoke", {"client_id": client, "token": "unknown"})[0]

    def token(self):
        issued = int(time.time())
        audience = f"{self.server.issuer}/oauth/token"
        assertion = jwt.encode(
            {"alg": "ES384", "kid": "k", "typ": "JWT"},
            {"iss": "service", "sub": "service", "aud": audience, "jti": secrets.token_hex(16), "iat": issued,
             "exp": issued + 120}, self.key).decode()
        status, body, _ = self.exchange("service.example", "POST", "/oauth/token", {
            "grant_type": "client_credentials", "scope": "system/Patient.rs", "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"})
        self.assertEqual(status, 200, body)
        return json.loads(body)["access_token"]

    def read(self, token):
        return self.exchange(
            "service.example", "GET", "/fhir/Patient/patient-a",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"})[0]

    def within(self, seconds, seen, expected):
        deadline = time.monotonic() + seconds
        while (value := seen()) != expected:
            self.assertLess(time.monotonic(), deadline, f"still {value} and not {expected}")
            time.sleep(0.2)

    def trail(self):
        """What was written about refusals, as text."""
        answer = request(
            self.server.admin, "GET", "/admin/v1/audit?outcome=refused&limit=200", headers=basic("auditor-a"))
        self.assertEqual(answer.status, 200, answer.text)
        return answer.text

    @verifies("house@certificates-withdrawn")
    def test_a_client_is_refused_when_its_certificate_is_on_the_list(self):
        self.assertEqual(self.authenticate("app.example"), 200)
        self.assertEqual(self.authenticate("kept.example"), 200)

        self.issuing.withdrawn.append(10)

        self.within(10, lambda: self.authenticate("app.example"), 401)
        self.assertEqual(self.authenticate("kept.example"), 200)
        self.assertIn("certificate withdrawn", self.trail())
        # It comes back refused after a restart, too, and the others with what they had.
        self.server.process.terminate()
        self.assertEqual(self.server.process.wait(timeout=30), 0)
        self.server.log.close()
        self.server.start()
        self.assertEqual(self.authenticate("app.example"), 401)
        self.assertEqual(self.authenticate("kept.example"), 200)

    @verifies("house@certificates-withdrawn", "house@certificate-bound-tokens")
    def test_a_bound_token_ends_with_its_certificate(self):
        token = self.token()
        self.assertEqual(self.read(token), 200)

        self.issuing.withdrawn.append(11)

        self.within(10, lambda: self.read(token), 401)

    @verifies("house@certificates-withdrawn")
    def test_a_list_in_a_file_counts_when_it_changes(self):
        self.assertEqual(self.authenticate("filed.example"), 200)
        self.filed.withdrawn.append(17)
        self.write_list()
        self.within(10, lambda: self.authenticate("filed.example"), 401)

    @verifies("house@certificates-withdrawn")
    def test_a_list_that_cannot_be_read_is_told_and_stops_nothing(self):
        health = json.loads(request(self.server.admin, "GET", "/health").text)
        self.assertEqual(health["status"], "ready", health)
        self.assertIn("broken.crl", " ".join(health["remarks"]))

    @verifies("house@certificates-withdrawn")
    def test_a_responder_is_asked_where_there_is_no_list(self):
        self.assertEqual(self.authenticate("asked.example"), 200)
        self.second.withdrawn.append(18)
        self.within(10, lambda: self.authenticate("asked.example"), 401)

    @verifies("house@certificates-withdrawn")
    def test_an_authority_in_between_takes_its_clients_with_it(self):
        self.assertEqual(self.authenticate("below.example"), 200)
        self.root.withdrawn.append(5)
        self.within(10, lambda: self.authenticate("below.example"), 401)
        self.assertEqual(self.authenticate("kept.example"), 200)

    @verifies("house@certificates-withdrawn", "house@certificate-sources-guarded")
    def test_what_is_not_known_is_refused(self):
        for name in ("silent.example", "unreachable.example", "private.example"):
            started = time.monotonic()
            status, body, _ = self.exchange(
                name, "POST", "/oauth/revoke", {"client_id": name.split(".")[0], "token": "unknown"})
            self.assertEqual((status, json.loads(body)["error"]), (401, "invalid_client"))
            self.assertNotIn("status", json.loads(body).get("error_description", ""))
            self.assertLess(time.monotonic() - started, 5)
        self.assertIn("certificate status unknown", self.trail())

    @verifies("house@whole-handshakes")
    def test_no_session_is_resumed_so_that_the_whole_chain_is_seen(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context("kept.example", version)
            session = None
            for _ in range(3):
                status, _, session = self.exchange(
                    "kept.example", "POST", "/oauth/revoke", {"client_id": "kept", "token": "unknown"},
                    context=context, session=session)
                self.assertEqual(status, 200)
                self.assertFalse(self.was_resumed)
                self.assertIsNotNone(session)


if __name__ == "__main__":
    unittest.main()
