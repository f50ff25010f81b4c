import FHIRCore
import FHIRXML
import Foundation
import RequirementTraits
import SyntheticRecords
import Testing

/// Whole resources there and back.
@Suite struct RoundTripTests {
    @Test(.verifies("house@xml-lossless"), arguments: SyntheticRecordSet().bundles().map(\.name))
    func `the fixtures lose nothing`(name: String) throws {
        let bundle = try #require(SyntheticRecordSet().bundles().first { $0.name == name })
        try expectLossless(bundle.json, name)
        for entry in try #require(bundle.bundle["entry"]?.array) {
            try expectLossless(try #require(entry["resource"]).serialized, name)
        }
    }

    @Test(.verifies("house@xml-lossless"))
    func `the records of the attack catalogue lose nothing`() throws {
        let file = SharedData.packageRoot.appending(path: "fixtures/attacks/records.json")
        let records = try JSONValue(parsing: [UInt8](Data(contentsOf: file)))
        let resources = try #require(records["resources"]?.array)
        #expect(resources.count > 30)
        for resource in resources { try expectLossless(resource.serialized, resource["id"]?.string ?? "") }
    }

    @Test(
        .verifies("house@xml-lossless"), .enabled(if: SharedData.isThere),
        arguments: [
            "carin-bb-2.0.0", "davinci-pas-2.0.1", "davinci-pas-2.2.1", "davinci-pdex-2.0.0",
            "davinci-pdex-2.2.0-build",
            "ihe-balp", "leak-fixtures", "r4-definitions", "us-core", "synthea-r4",
        ])
    func `published samples lose nothing`(folder: String) throws {
        let all = try SharedData.resources(in: folder)
        #expect(!all.isEmpty)
        // The bundles of this folder have some megabytes each.
        let chosen = folder == "synthea-r4" && !SharedData.isNightly ? Array(all.prefix(1)) : all
        var converted = 0
        for sample in chosen {
            guard let json = try? JSONValue(parsing: sample.bytes), json["resourceType"] != nil else { continue }
            try expectLossless(sample.bytes, sample.name)
            converted += 1
        }
        #expect(converted > 0)
    }

    /// JSON → XML → JSON gives the same content, decimals and narratives to the character, and XML → JSON → XML the same
    /// bytes. The peer test outside compares the XML with another program's reading of it.
    private func expectLossless(_ json: [UInt8], _ name: String) throws {
        let xml = try ResourceXML.xml(fromJSON: json)
        let back = try ResourceXML.json(fromXML: xml)

        let (before, after) = (try JSONValue(parsing: json).resolved, try JSONValue(parsing: back).canonical)
        #expect(before.serialized == after.serialized, "\(name)")
        #expect(try ResourceXML.xml(fromJSON: back) == xml, "\(name)")
        try Peer.keep(json: json, xml: xml)
    }
}

extension JSONValue {
    /// In canonical order, with the entities of HTML that the published samples use as the references that they become.
    fileprivate var resolved: JSONValue {
        guard text.contains("&reg;") else { return canonical }
        let replaced = text.split(separator: "&reg;", omittingEmptySubsequences: false).joined(separator: "&#174;")
        return ((try? JSONValue(parsing: Array(replaced.utf8))) ?? self).canonical
    }
}

/// Leaves what was converted in the folder that `CHAPERONE_XML_PAIRS` names, for `peer.py` beside this file.
enum Peer {
    private static let folder = ProcessInfo.processInfo.environment["CHAPERONE_XML_PAIRS"]

    static func keep(json: [UInt8], xml: [UInt8]) throws {
        guard let folder else { return }
        let name = "\(folder)/\(UInt64.random(in: 0 ... .max))"
        try Data(json).write(to: URL(filePath: name + ".json"))
        try Data(xml).write(to: URL(filePath: name + ".xml"))
    }
}
