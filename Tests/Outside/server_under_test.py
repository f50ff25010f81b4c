"""Starts the built `chaperone` as its users do, speaks to it over loopback and ends it by its process id."""
import base64
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("CHAPERONE_BINARY", ROOT / ".build/debug/chaperone"))
RESULTS = pathlib.Path(os.environ.get("CHAPERONE_RESULTS", ROOT / ".build/test-results"))
SHARED_DATA = pathlib.Path(os.environ.get("CHAPERONE_SHARED_DATA", ROOT / "../shared/data")).resolve()


def free_ports(count):
    """Distinct ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Answer:
    """Status, headers and body of one HTTP answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


def request(base, method, path, body=None, headers=None, timeout=30):
    """One request on a connection of its own; never follows a redirect."""
    parts = urllib.parse.urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, parts.path + path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def basic(username, password="demo"):
    """The header with which people of the demo come to the admin listener."""
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


class ChaperoneUnderTest:
    """A demo server with ports and folder of its own."""

    def __init__(self, folder=None):
        self.owns_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="chaperone-test-"))
        self.public_port, self.admin_port, self.sandbox_port, self.demo_port = free_ports(4)
        self.process = None
        self.extra_environment = {}

    @property
    def issuer(self):
        return f"http://localhost:{self.public_port}"

    @property
    def fhir(self):
        return f"{self.issuer}/fhir"

    @property
    def admin(self):
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def sandbox(self):
        return f"http://127.0.0.1:{self.sandbox_port}/fhir"

    @property
    def demo(self):
        return f"http://127.0.0.1:{self.demo_port}"

    @property
    def environment(self):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHAPERONE_")}
        return dict(
            inherited,
            CHAPERONE_ISSUER=self.issuer,
            CHAPERONE_LISTENERS_PUBLIC_PORT=str(self.public_port), CHAPERONE_LISTENERS_ADMIN_PORT=str(self.admin_port),
            CHAPERONE_LISTENERS_SANDBOX_PORT=str(self.sandbox_port), CHAPERONE_LISTENERS_DEMO_PORT=str(self.demo_port), **self.extra_environment)

    def start(self, timeout=120, path="/health/ready"):
        RESULTS.mkdir(parents=True, exist_ok=True)
        self.log = open(RESULTS / f"server-{self.public_port}.log", "ab")
        self.process = subprocess.Popen(
            [str(BINARY), "serve", "--demo"], cwd=self.folder, env=self.environment,
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}; see {self.log.name}")
            try:
                if request(self.issuer, "GET", path, timeout=5).status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        self.kill()
        raise AssertionError(f"the server was not ready after {timeout} s; see {self.log.name}")

    def command(self, *arguments, check=True, stdin=""):
        """Runs `chaperone …` in the server's folder and returns what it printed."""
        done = subprocess.run(
            [str(BINARY), *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True,
            input=stdin, timeout=600)
        if check and done.returncode != 0:
            raise AssertionError(f"chaperone {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}{done.stdout}")
        return done.stdout

    def stop(self):
        """Asks the server to end and checks that it ends cleanly."""
        if self.process.poll() is not None:
            raise AssertionError(f"the server had ended by itself with {self.process.returncode}; see {self.log.name}")
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        if code != 0:
            raise AssertionError(f"the server ended with {code}; see {self.log.name}")
        self.clean_up()

    def kill(self):
        """Ends the server at once, as a power cut would."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def clean_up(self):
        self.log.close()
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        try:
            self.stop()
        except AssertionError:
            if kind is None:
                raise
