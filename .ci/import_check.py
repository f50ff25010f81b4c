"""Checks that every module declares what it imports, and that imports only point inward.

SwiftPM accepts an import of a module that arrives through another dependency. That hides the real graph, so each
imported name must be a declared dependency of the target (or part of the toolchain), and no target may import one of
a higher layer (design: the module table of ARCHITECTURE.md).
"""
import json
import pathlib
import re
import subprocess
import sys

TOOLCHAIN = {
    "Swift", "Synchronization", "Foundation", "FoundationEssentials", "FoundationNetworking", "Glibc", "Darwin",
    "Dispatch", "Testing", "XCTest",
}
LAYERS = {
    "FHIRCore": 0, "AccessPolicy": 1, "OAuthCore": 2, "Audit": 3, "CertificateTrust": 3, "Authorization": 4, "Enforcement": 4,
    "FHIRXML": 1, "SyntheticRecords": 1, "Persistence": 5, "SandboxFHIR": 5, "ChaperoneServer": 6, "chaperone": 7,
}
NO_FOUNDATION = {"FHIRCore", "AccessPolicy", "FHIRXML"}
IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:public |package |internal |fileprivate |private )?"
    r"import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)", re.M)


def main() -> int:
    package = json.loads(subprocess.run(["swift", "package", "dump-package"], check=True, capture_output=True).stdout)
    problems = []
    for target in package["targets"]:
        declared = set(TOOLCHAIN)
        for dependency in target["dependencies"]:
            declared.add(next(iter(dependency.values()))[0])
        folder = "Tests" if target["type"] == "test" else "Sources"
        root = pathlib.Path(target.get("path") or f"{folder}/{target['name']}")
        for file in sorted(root.rglob("*.swift")):
            for name in IMPORT.findall(file.read_text()):
                if name not in declared and name != target["name"]:
                    problems.append(f"{file}: imports {name}, which {target['name']} does not declare")
                if name in ("Foundation", "FoundationEssentials") and target["name"] in NO_FOUNDATION:
                    problems.append(f"{file}: {target['name']} is free of Foundation")
                if target["name"] in LAYERS and name in LAYERS and LAYERS[name] >= LAYERS[target["name"]] \
                        and name != target["name"]:
                    problems.append(f"{file}: {target['name']} may not import {name}, which is not further in")
    print("\n".join(problems) if problems else "every import is declared and points inward")
    return 1 if problems else 0


sys.exit(main())
