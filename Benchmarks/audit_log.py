#!/usr/bin/env python3
"""Makes an audit log of many records, to measure verification and searches on.

usage: audit_log.py TEMPLATE.db OUT.db RECORDS [--patients N]

TEMPLATE.db is any audit log of the product; its tables are taken, its records are not. The records are written by this
script's own reading of the format (one chain, node `bench`, a record every three seconds), so a verifier that accepts
them agrees with a second implementation of the chain.
"""
import argparse
import hashlib
import json
import random
import sqlite3
import struct
import time

START = 1_735_689_600_000


def body(number, patient, chance):
    kind = chance.random()
    interaction, method = ("search-type", "GET") if kind < 0.6 else ("read", "GET")
    resource = chance.choice(("Observation", "Condition", "ExplanationOfBenefit", "MedicationRequest", "Encounter"))
    refused = kind > 0.97
    access = {
        "decision": "d%022d" % number, "client": "app-%d" % (number % 500), "subject": "s-%d" % patient,
        "fhirUser": "Patient/p-%d" % patient, "address": "192.0.2.%d" % (number % 250),
        "grant": "g-%d" % (patient % 300_000), "token": "t%021d" % (number // 7),
        "scopes": ["patient/%s.rs" % resource], "program": "patient-access", "patients": ["p-%d" % patient],
        "interaction": interaction, "resourceType": resource,
    }
    if interaction == "read":
        access["resourceID"] = "r-%d" % number
        access["path"] = "/%s/r-%d" % (resource, number)
    access["method"] = method
    if interaction != "read":
        access["path"] = "/%s" % resource
        access["asked"] = "category=laboratory&date=ge2024-01-01&_count=50"
        access["narrowed"] = "category=laboratory&date=ge2024-01-01&_count=50&patient=p-%d" % patient
    access["outcome"] = "refused" if refused else "permitted"
    if refused:
        access["reason"] = "insufficient-scope"
    access.update({"status": 403 if refused else 200, "released": 0 if refused else 12,
                   "started": START + number * 3000, "ended": START + number * 3000 + 12,
                   "trace": "%032x" % number})
    return access, json.dumps({"v": 1, "phase": "whole", "access": access}, separators=(",", ":")).encode()


def rows(count, patients):
    chance = random.Random(5)
    previous = bytes(32)
    prefix = b"chaperone-audit-1" + struct.pack(">Q", 5) + b"bench"
    for number in range(1, count + 1):
        patient = chance.randrange(patients)
        access, text = body(number, patient, chance)
        at = START + number * 3000 + 13
        digest = hashlib.sha256(
            prefix + struct.pack(">qq", number, at) + previous + hashlib.sha256(text).digest()).digest()
        yield (number, "bench", number, at, access["decision"], "whole", "access", access["interaction"],
               access["resourceType"], access["client"], access["subject"], access["grant"], access["outcome"],
               previous, digest, text), (access["patients"][0], at, number, 0)
        previous = digest


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("template")
    parser.add_argument("out")
    parser.add_argument("records", type=int)
    parser.add_argument("--patients", type=int, default=200_000)
    options = parser.parse_args()
    template = sqlite3.connect(options.template)
    objects = template.execute(
        "SELECT type, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'").fetchall()
    migrations = template.execute("SELECT identifier FROM grdb_migrations").fetchall()
    database = sqlite3.connect(options.out, isolation_level=None)
    database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -500000")
    for kind, sql in objects:
        if kind == "table":
            database.execute(sql)
    database.executemany("INSERT INTO grdb_migrations VALUES (?)", migrations)
    began = time.time()
    source = rows(options.records, options.patients)
    done = 0
    while done < options.records:
        part = [row for _, row in zip(range(min(100_000, options.records - done)), source)]
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO audit_entry (position, node, sequence, recorded_at, event_id, phase, kind, interaction, "
            "resource_type, client_id, subject, grant_id, outcome, previous, hash, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [entry for entry, _ in part])
        database.executemany("INSERT INTO audit_patient VALUES (?, ?, ?, ?)", sorted(patient for _, patient in part))
        database.execute("COMMIT")
        done += len(part)
        print(f"{done} records, {time.time() - began:.0f} s", flush=True)
    for kind, sql in objects:
        if kind != "table":
            database.execute(sql)
    database.execute("PRAGMA journal_mode = WAL")
    print(f"indexes made, {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
