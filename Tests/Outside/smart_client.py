"""A SMART app of the tests: standalone launch with PKCE through the pages that a person would see, without a browser.

Written from the specifications and sharing nothing with the server: what it cannot do, a real client could not either.
"""
import base64
import hashlib
import html.parser
import http.cookies
import json
import secrets
import urllib.parse

from server_under_test import request

REDIRECT = "http://127.0.0.1:8765/callback"


class FormReader(html.parser.HTMLParser):
    """Collects the forms of a page with their fields as a browser would send them."""

    def __init__(self, text):
        super().__init__()
        self.forms = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "form":
            self.forms.append({"action": values.get("action", ""), "fields": [], "buttons": [], "choices": set()})
        elif self.forms and tag == "input" and values.get("name"):
            kind = values.get("type", "text")
            field = (values["name"], values.get("value") or ("on" if kind == "checkbox" else ""))
            if kind == "submit":
                self.forms[-1]["buttons"].append(field)
            elif kind in ("checkbox", "radio"):
                self.forms[-1]["choices"].add(values["name"])
                if "checked" in values:
                    self.forms[-1]["fields"].append(field)
            else:
                self.forms[-1]["fields"].append(field)
        elif self.forms and tag == "button" and values.get("name"):
            self.forms[-1]["buttons"].append((values["name"], values.get("value") or ""))


class Person:
    """Somebody at a browser: keeps cookies, follows redirects, fills in forms."""

    def __init__(self, issuer):
        self.issuer = issuer
        self.cookies = {}

    def send(self, method, url, fields=None):
        parts = urllib.parse.urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        headers = {"Accept": "text/html", "Origin": self.issuer} if method == "POST" else {"Accept": "text/html"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = request(base, method, urllib.parse.urlunsplit(("", "", parts.path, parts.query, "")), body, headers)
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return answer

    def walk(self, url, answers):
        """Follows redirects and submits forms until a redirect leaves the issuer; returns that address.

        `answers` maps a field that a form must have to the values to fill in; the first form that matches is sent.
        """
        method, fields = "GET", None
        for _ in range(20):
            answer = self.send(method, url, fields)
            if answer.status in (302, 303):
                url = urllib.parse.urljoin(url, answer.headers["Location"])
                if not url.startswith(self.issuer + "/"):
                    return url
                method, fields = "GET", None
                continue
            if answer.status != 200:
                raise AssertionError(f"{answer.status} at {url}\n{answer.text[:2000]}")
            method, url, fields = self.fill(url, answer.text, answers)
        raise AssertionError("the launch does not end")

    @staticmethod
    def fill(url, text, answers):
        for form in FormReader(text).forms:
            names = {name for name, _ in form["fields"] + form["buttons"]} | form["choices"]
            for field, values in answers.items():
                if field in names:
                    sent = [(name, value) for name, value in form["fields"] if name not in values]
                    return "POST", urllib.parse.urljoin(url, form["action"]), sent + list(values.items())
        raise AssertionError(f"no form that this person knows at {url}\n{text[:3000]}")


class App:
    """A public SMART client."""

    def __init__(self, fhir, client_id="demo-patient-app", redirect=REDIRECT):
        self.fhir, self.client_id, self.redirect = fhir, client_id, redirect
        self.configuration = request(fhir, "GET", "/.well-known/smart-configuration").json
        self.token = None

    def authorization_request(self, scope, **more):
        self.verifier = secrets.token_urlsafe(48)
        self.state = secrets.token_urlsafe(16)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        return {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect, "scope": scope,
            "state": self.state, "aud": self.fhir, "code_challenge": challenge, "code_challenge_method": "S256", **more}

    def launch(self, scope, username, password="demo", patient=None, **more):
        """The whole standalone launch; returns the token response."""
        query = urllib.parse.urlencode(self.authorization_request(scope, **more))
        issuer = self.configuration["issuer"]
        answers = {
            "password": {"username": username, "password": password},
            "patient": {"patient": patient or username},
            "decision": {"decision": "allow"},
        }
        back = Person(issuer).walk(f"{self.configuration['authorization_endpoint']}?{query}", answers)
        returned = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))
        assert back.startswith(self.redirect), back
        assert "error" not in returned, returned
        assert returned["state"] == self.state and returned["iss"] == issuer, returned
        answer = self.redeem(returned["code"])
        if answer.status != 200:
            raise AssertionError(f"token endpoint: {answer.status} {answer.text}")
        self.token = answer.json
        return self.token

    def redeem(self, code):
        return self.token_request({
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect,
            "client_id": self.client_id, "code_verifier": self.verifier})

    def token_request(self, fields):
        endpoint = urllib.parse.urlsplit(self.configuration["token_endpoint"])
        return request(
            f"{endpoint.scheme}://{endpoint.netloc}", "POST", endpoint.path, urllib.parse.urlencode(fields),
            {"Content-Type": "application/x-www-form-urlencoded"})

    def get(self, path, method="GET", headers=None, body=None, timeout=60):
        """A FHIR request; `path` is relative to the base or a full link of the same server."""
        relative = path[len(self.fhir):] if path.startswith(self.fhir) else "/" + path
        return request(self.fhir, method, relative, body, {
            "Authorization": f"Bearer {self.token['access_token']}", "Accept": "application/fhir+json",
            **(headers or {})}, timeout)

    def search_all(self, query):
        """Every page of a search; returns the entries."""
        entries, link = [], query
        while link:
            answer = self.get(link)
            if answer.status != 200:
                raise AssertionError(f"{answer.status} for {link}: {answer.text[:500]}")
            bundle = json.loads(answer.body)
            entries += bundle.get("entry", [])
            link = next((each["url"] for each in bundle.get("link", []) if each["relation"] == "next"), None)
        return entries
