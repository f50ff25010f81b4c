"""The public side over TLS of our own: a certificate that is checked, TLS 1.2 and later, nothing before."""
import http.client
import pathlib
import socket
import ssl
import subprocess
import tempfile
import unittest

from requirements_log import verifies
from server_under_test import ChaperoneUnderTest, free_ports


def openssl(*arguments, folder):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificate_for_localhost(folder):
    """A certificate authority of the test's own and a certificate for localhost; the authority's key is thrown away."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem", folder=folder)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
            "-keyout", "server.key", "-out", "server.csr", folder=folder)
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.pem", folder=folder)
    (folder / "ca.key").unlink()
    (folder / "server.key").chmod(0o600)


class OwnTLS(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = pathlib.Path(tempfile.mkdtemp(prefix="chaperone-tls-"))
        certificate_for_localhost(cls.files)
        cls.port = free_ports(1)[0]
        cls.server = ChaperoneUnderTest()
        cls.server.extra_environment = {
            "CHAPERONE_LISTENERS_TLS_PORT": str(cls.port),
            "CHAPERONE_LISTENERS_TLS_CERTIFICATE_FILE": str(cls.files / "server.pem"),
            "CHAPERONE_LISTENERS_TLS_KEY_FILE": str(cls.files / "server.key")}
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def context(self, **options):
        context = ssl.create_default_context(cafile=str(self.files / "ca.pem"))
        for name, value in options.items():
            setattr(context, name, value)
        return context

    def get(self, path, context):
        connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    @verifies("house@own-tls")
    def test_both_sides_answer_over_tls(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context(minimum_version=version, maximum_version=version)
            self.assertEqual(self.get("/health/ready", context)[0], 200)
            self.assertEqual(self.get("/fhir/.well-known/smart-configuration", context)[0], 200)
            self.assertEqual(self.get("/fhir/Patient/patient-a", context)[0], 401)

    def test_a_session_is_resumed_where_no_certificate_is_asked_for(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context(minimum_version=version, maximum_version=version)
            session, resumed = None, []
            for _ in range(2):
                with socket.create_connection(("localhost", self.port), timeout=20) as plain, context.wrap_socket(
                        plain, server_hostname="localhost", session=session) as connection:
                    connection.sendall(
                        f"GET /health/live HTTP/1.1\r\nHost: localhost:{self.port}\r\nConnection: close\r\n\r\n".encode())
                    while connection.recv(65536):
                        pass
                    session = connection.session
                    resumed.append(connection.session_reused)
            self.assertEqual(resumed, [False, True])

    @verifies("oauth-attack@S-17")
    def test_older_versions_and_plain_http_get_nothing(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = self.context()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = version
            context.maximum_version = version
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.get("/oauth/token", context)
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain:
            plain.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            try:
                self.assertNotIn(b"HTTP/1.1 2", plain.recv(4096))
            except ConnectionError:
                pass

    def test_a_stranger_does_not_trust_it(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.get("/health/ready", ssl.create_default_context())


if __name__ == "__main__":
    unittest.main()
