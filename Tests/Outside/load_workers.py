"""What the tests of faults share: workers that load the server, and the check that every answer has its one record."""
import contextlib
import http.client
import json
import sqlite3
import threading

# A client that may write; the demo's own may only read.
WRITER = """
clients:
  - id: writer
    name: Diary
    kind: public
    program: patient-access
    trusted: true
    grant-types: [authorization_code]
    redirect-uris: ["http://127.0.0.1:8765/callback"]
    scopes: "launch/patient patient/Observation.cruds patient/Patient.rs"
    access-token: 3600
"""
WRITER_SCOPES = "launch/patient patient/Observation.cruds patient/Patient.rs"


class Worker(threading.Thread):
    """Does the same until the server is gone; keeps the audit id of every answer with data that came whole.

    With `patient` it takes refusals for the time being (503 without data) and goes on.
    """

    def __init__(self, app, number, stop, patient=False):
        super().__init__()
        self.app, self.number, self.stop, self.patient = app, number, stop, patient
        self.received, self.refused, self.refused_ids, self.problem = [], 0, [], None

    def run(self):
        while not self.stop.is_set():
            try:
                self.step()
            except (OSError, http.client.HTTPException):
                if not self.patient:
                    return
            except Refused:
                self.refused += 1
                self.stop.wait(0.05)
            except Exception as problem:  # shown by the test, which joins this thread
                if not self.stop.is_set() or isinstance(problem, AssertionError):
                    self.problem = problem
                return

    def keep(self, answer, *statuses):
        if answer.status == 503 and self.patient:
            if b"patient-a" in answer.body:
                raise AssertionError(f"a refusal with data: {answer.text[:300]}")
            self.refused_ids += [value for name, value in answer.headers.items() if name.lower() == "x-request-id"]
            raise Refused()
        if answer.status not in statuses:
            raise AssertionError(f"{answer.status}: {answer.text[:300]}")
        if answer.status != 204:
            json.loads(answer.body)
            self.received.append(answer.headers["X-Request-Id"])
        return answer

    def send(self, method, path, body=None):
        headers = {"Content-Type": "application/fhir+json"} if body else {}
        return self.app.get(path, method, headers, body, timeout=40 if self.patient else 10)

    def observation(self, text, **more):
        return {
            "resourceType": "Observation", "status": "final", "code": {"text": text},
            "subject": {"reference": "Patient/patient-a"}, **more}


class Refused(Exception):
    """The server had no place for the record, and said so without data."""


class Reader(Worker):
    def step(self):
        self.keep(self.send("GET", "Patient/patient-a"), 200)


class Writer(Worker):
    """Creates an observation, changes it, reads it and deletes it."""

    def step(self):
        created = self.keep(
            self.send("POST", "Observation", json.dumps(self.observation(f"writer {self.number}"))), 201)
        identifier = json.loads(created.body)["id"]
        for change in range(3):
            body = json.dumps(self.observation(f"change {change}", id=identifier))
            self.keep(self.send("PUT", f"Observation/{identifier}", body), 200)
        self.keep(self.send("GET", f"Observation/{identifier}"), 200)
        self.keep(self.send("DELETE", f"Observation/{identifier}"), 204)


class Batcher(Worker):
    """Sends batches of a creation and two searches; keeps the ids of the batch and of its entries."""

    def step(self):
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "POST", "url": "Observation"},
             "resource": self.observation(f"batch {self.number}")},
            {"request": {"method": "GET", "url": "Observation?_count=1"}},
            {"request": {"method": "GET", "url": "Observation?code=none"}}]}
        answer = self.keep(self.send("POST", "", json.dumps(bundle)), 200)
        statuses = [entry["response"]["status"][:3] for entry in answer.json["entry"]]
        if statuses != ["201", "200", "200"]:
            raise AssertionError(f"entries answered {statuses}: {answer.text[:600]}")
        whole = answer.headers["X-Request-Id"]
        self.received += [f"{whole}.{place}" for place in (1, 2, 3)]


def check_records(test, log, received, records):
    """Every answer received has exactly one closed record, every opened one exactly one end, and no part of a batch says
    more than its whole. Counts what was opened and what ended as interrupted."""
    test.assertEqual(len(received), len(set(received)))
    told = {}
    for record in records:
        told.setdefault(record["decision"], []).append(record["phase"])
    for decision in received:
        test.assertEqual(told.get(decision), ["closed"], decision)
    # The list leaves out openings that have ended, so what was opened is looked up in the file itself.
    words = {"whole": "closed", "closing": "closed", "opening": "opened", "interrupted": "interrupted"}
    phases, marked, sequences = {}, set(), {}
    with contextlib.closing(sqlite3.connect(log)) as database:
        rows = database.execute(
            "SELECT event_id, phase, sequence, closes FROM audit_entry WHERE kind = 'access' ORDER BY sequence").fetchall()
    for decision, phase, sequence, closes in rows:
        sequences[sequence] = (decision, words[phase])
        phases.setdefault(decision, []).append(words[phase])
        if phase == "interrupted" and sequences.get(closes, ("", ""))[1] == "closed":
            # Stored, but the answer was not given: the mark ends it.
            marked.add(decision)
    test.assertEqual(set(phases), set(told))
    interrupted = 0
    for decision, found in phases.items():
        test.assertLessEqual(found.count("opened"), 1, (decision, found))
        ends = [phase for phase in found if phase != "opened"]
        if decision in marked:
            test.assertEqual(sorted(ends), ["closed", "interrupted"], (decision, found))
            test.assertNotIn(decision, received)
            interrupted += 1
            continue
        test.assertEqual(len(ends), 1, (decision, found))
        if ends == ["interrupted"]:
            test.assertEqual(sorted(found), ["interrupted", "opened"], "what was never opened cannot be interrupted")
            interrupted += 1
    for decision, found in phases.items():
        whole = decision.rpartition(".")[0]
        if whole in phases and "closed" in found and decision not in marked:
            test.assertIn("closed", phases[whole], f"{decision} says more than its batch")
            test.assertNotIn(whole, marked, f"{decision} says more than its batch")
    opened = sum("opened" in found for found in phases.values())
    return opened, interrupted
