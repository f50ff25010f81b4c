#!/usr/bin/env python3
"""Compares our XML with an independent converter: the Python package fhir.resources 6.4.0 (with lxml, 'pydantic<2').

usage: peer.py PAIRS

PAIRS is a folder of NAME.json and NAME.xml as the tests of FHIRXML leave them when CHAPERONE_XML_PAIRS names it. For
each pair the peer reads our XML, and both that and what it reads from the JSON are compared as values. It then writes
XML of its own from the JSON, which is compared with ours element by element. What the peer itself cannot read or write
(it validates, and knows some things wrongly) is counted by its message, not passed over in silence.
"""

import collections
import decimal
import json
import pathlib
import re
import sys

from lxml import etree
from fhir.resources import get_fhir_model_class

FHIR = "{http://hl7.org/fhir}"
XHTML = "{http://www.w3.org/1999/xhtml}"


def model_of(document):
    return get_fhir_model_class(document["resourceType"])


def plain(value):
    """Values as JSON has them; narratives by what they mean. The peer loses the ids of complex elements in XML."""
    if isinstance(value, dict):
        kept = {name: member for name, member in value.items() if name != "id" or "resourceType" in value}
        return {name: narrative(member) if name == "div" else plain(member) for name, member in kept.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value


def narrative(text):
    return etree.tostring(etree.fromstring(text), method="c14n").decode().strip() if isinstance(text, str) else text


def spelling(text):
    """A value by what it means: the peer spells numbers, times and mail addresses anew (`1` as `1.0`, `Z` as `+00:00`)."""
    if text.startswith("mailto:"):
        return text.lower()
    try:
        return decimal.Decimal(text).normalize()
    except decimal.InvalidOperation:
        pass
    time = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text)
    if not time:
        return text
    return time[1], (time[2] or "").ljust(6, "0")[:6], "+00:00" if time[3] == "Z" else time[3]


def tree(element):
    """An element as nested tuples, without white space between elements; a narrative as canonical text."""
    if element.tag == XHTML + "div":
        bare = etree.fromstring(etree.tostring(element, with_tail=False))
        return ("div", etree.tostring(bare, method="c14n").decode().strip())
    attributes = {name: spelling(text) for name, text in element.attrib.items()}
    children = [tree(child) for child in element if isinstance(child.tag, str)]
    if etree.QName(element).localname[0].islower():
        # The peer writes the id of a complex element as an element, which FHIR R4 xml.html has as an attribute.
        attributes.update({"id": dict(child[1])["value"] for child in children if child[0] == FHIR + "id"})
        children = [child for child in children if child[0] != FHIR + "id"]
    return (element.tag, tuple(sorted(attributes.items(), key=lambda item: item[0])), tuple(children))


def compare(name, folder, tally):
    text = (folder / f"{name}.json").read_bytes()
    ours = (folder / f"{name}.xml").read_bytes()
    document = json.loads(text, parse_float=decimal.Decimal)
    model = model_of(document)
    try:
        expected = model.parse_raw(text)
    except Exception as error:
        tally[f"the peer does not read the JSON: {str(error).splitlines()[0][:80]}"] += 1
        return True
    same = True
    try:
        found = model.parse_raw(ours, content_type="text/xml")
        if plain(json.loads(found.json())) != plain(json.loads(expected.json())):
            tally["DIFFERENT as JSON"] += 1
            print(f"{name}: the peer reads something else from our XML")
            same = False
        else:
            tally["the same as JSON"] += 1
    except Exception as error:
        tally[f"the peer does not read our XML: {type(error).__name__} {str(error).splitlines()[-1][:100]}"] += 1
    try:
        theirs = expected.xml().encode()
    except Exception as error:
        tally[f"the peer writes no XML: {type(error).__name__} {str(error).splitlines()[-1][:100]}"] += 1
        return same
    if tree(etree.fromstring(theirs)) != tree(etree.fromstring(ours)):
        tally["DIFFERENT as XML"] += 1
        print(f"{name}: the peer writes other XML")
        return False
    tally["the same as XML"] += 1
    return same


def main():
    folder = pathlib.Path(sys.argv[1])
    tally = collections.Counter()
    results = [compare(file.stem, folder, tally) for file in sorted(folder.glob("*.xml"))]
    for line, count in sorted(tally.items()):
        print(f"{count:6} {line}")
    print(f"{len(results)} resources, {results.count(False)} with differences")
    return 1 if False in results or not results else 0


if __name__ == "__main__":
    sys.exit(main())
