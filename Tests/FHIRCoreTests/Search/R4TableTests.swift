import FHIRCore
import Foundation
import RequirementTraits
import Testing

@Suite struct R4TableTests {
    @Test func `there are the 146 types of R4, by their exact names`() {
        #expect(ResourceType.allCases.count == 146)
        #expect(ResourceType(rawValue: "Observation") == .observation)
        #expect(ResourceType(rawValue: "observation") == nil)
        #expect(ResourceType(rawValue: "Resource") == nil)
        #expect(ResourceType(rawValue: "DomainResource") == nil)
    }

    @Test(arguments: ResourceType.allCases)
    func `every type has the parameters of every resource`(type: ResourceType) {
        for code in ["_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"] {
            #expect(R4.searchParameter(code, for: type) != nil)
        }
        #expect(R4.searchParameter("foo", for: type) == nil)
        #expect(R4.searchParameter("_query", for: type) == nil)
    }

    @Test func `66 types can be in the Patient compartment and each has its narrowing parameter`() throws {
        let members = ResourceType.allCases.filter { R4.patientMembership($0) != nil }

        #expect(members.count == 66)
        #expect(R4.patientMembership(.patient)?.primary.code == "_id")
        #expect(R4.patientMembership(.observation)?.primary.code == "patient")
        #expect(R4.patientMembership(.observation)?.full.map(\.code) == ["subject", "performer"])
        for type in [ResourceType.task, .device, .binary, .bundle, .organization, .practitioner, .medication] {
            #expect(R4.patientMembership(type) == nil)
        }
    }

    @Test func `each compartment knows its parameters and no others`() {
        #expect(R4.compartmentParameters(.patient, .allergyIntolerance) == ["patient", "recorder", "asserter"])
        #expect(R4.compartmentParameters(.encounter, .observation) == ["encounter"])
        #expect(R4.compartmentParameters(.encounter, .patient).isEmpty)
        #expect(R4.compartmentParameters(.device, .observation) == ["subject", "device"])
        #expect(R4.compartmentParameters(.patient, .organization).isEmpty)
    }

    @Test func `a parameter has its kind, its targets and the alternatives of its type only`() throws {
        let patient = try #require(R4.searchParameter("patient", for: .condition))

        #expect(patient.kind == .reference)
        #expect(patient.expressionText == "Condition.subject.where(resolve() is Patient)")
        #expect(R4.searchParameter("category", for: .observation)?.kind == .token)
        #expect(R4.searchParameter("subject", for: .account)?.targets.contains(.patient) == true)
        #expect(R4.searchParameter("target", for: .provenance)?.targets.count == 146)
    }

    @Test(.enabled(if: SharedData.isThere))
    func `every published parameter is in the tables as published`() throws {
        let bundle = try JSONDocument(SharedData.bytes("r4-definitions/search-parameters.json")).root
        let entries = try #require(bundle["entry"]).elements
        #expect(entries.count == 1375)
        var found = 0
        for entry in entries {
            let parameter = try #require(entry["resource"])
            let code = try #require(parameter["code"]?.string)
            for base in try #require(parameter["base"]).elements.compactMap(\.string) {
                guard let type = ResourceType(rawValue: base) else { continue }
                let known = try #require(R4.searchParameter(code, for: type))
                #expect(known.kind.rawValue == parameter["type"]?.string)
                let published = try #require(parameter["expression"]?.string)
                for alternative in known.expressionText.split(separator: " | ") {
                    #expect(published.contains(alternative))
                }
                found += 1
            }
        }
        #expect(found > 1600)
    }

    @Test(.enabled(if: SharedData.isThere))
    func `generating the tables again gives the committed files`() throws {
        let output = FileManager.default.temporaryDirectory.appending(
            path: "r4-tables-\(UInt64.random(in: 0 ... .max))")
        defer { try? FileManager.default.removeItem(at: output) }
        let generator = Process()
        generator.executableURL = URL(filePath: "/usr/bin/env")
        let script = SharedData.packageRoot.appending(path: "scripts/generate/r4-tables.py").path
        generator.arguments = ["python3", script, try #require(SharedData.folder).path, output.path]
        try generator.run()
        generator.waitUntilExit()
        #expect(generator.terminationStatus == 0)

        let committed = SharedData.packageRoot.appending(path: "Sources/FHIRCore/Generated")
        let names = try FileManager.default.contentsOfDirectory(atPath: committed.path).sorted()

        #expect(try FileManager.default.contentsOfDirectory(atPath: output.path).sorted() == names)
        for name in names {
            #expect(
                try Data(contentsOf: output.appending(path: name))
                    == Data(contentsOf: committed.appending(path: name)), "\(name) is out of date")
        }
    }
}
