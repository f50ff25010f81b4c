"""A small HTTP server that a test starts on a port of its own, to stand for somebody else's."""
import http.server
import threading


class QuietHandler(http.server.BaseHTTPRequestHandler):
    """Answers as a subclass says, and writes nothing about it."""

    def log_message(self, *arguments):
        pass


class LocalServer:
    """Serves by a handler's class until it is stopped."""

    def __init__(self, handler):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
