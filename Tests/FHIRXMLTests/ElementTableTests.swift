import FHIRCore
import Testing

@testable import FHIRXML

/// The generated table: what is in it, and what it must say.
@Suite struct ElementTableTests {
    private let table = ElementTable.r4

    @Test func `the resources are those of R4`() {
        #expect(Set(table.resources.keys) == Set(ResourceType.allCases.map(\.rawValue)))
        #expect(table.definitions.count > 600)
        // The reader's limit of different names in one text.
        #expect(Set(table.definitions.flatMap { $0.variants.map(\.name) } + table.resources.keys).count < 4096)
    }

    @Test func `every type that begins with a capital letter has a row`() {
        let known = Set(table.definitions.map(\.name))
        var used = 0
        for line in ElementTable.rows.description.split(separator: "\n") {
            for word in line.split(separator: " ").dropFirst() {
                let types =
                    word.last == "]"
                    ? word.split(separator: "[")[1].dropLast().split(separator: "|")
                    : [word.split(separator: ":")[1]]
                for type in types where type.first?.isUppercase == true && type != "Resource" {
                    #expect(known.contains(String(type)), "\(word)")
                    used += 1
                }
            }
        }
        for type in ElementTable.openTypes.description.split(separator: " ") where type.first?.isUppercase == true {
            #expect(known.contains(String(type)))
        }
        #expect(used > 3000)
    }

    @Test func `names are unique within a type and places rise`() {
        for definition in table.definitions {
            #expect(Set(definition.variants.map(\.name)).count == definition.variants.count)
            #expect(definition.variants.map(\.place) == definition.variants.map(\.place).sorted())
            #expect(!definition.variants.isEmpty)
        }
    }

    @Test(arguments: [
        (
            "Patient",
            ["id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"]
        ),
        (
            "Bundle",
            [
                "id", "meta", "implicitRules", "language", "identifier", "type", "timestamp", "total", "link", "entry",
                "signature",
            ]
        ),
        ("HumanName", ["extension", "use", "text", "family", "given", "prefix", "suffix", "period"]),
        (
            "BundleEntry",
            ["extension", "modifierExtension", "link", "fullUrl", "resource", "search", "request", "response"]
        ),
        ("Narrative", ["extension", "status", "div"]),
        ("Element", ["extension"]),
    ]) func `elements stand in the order of the definition`(type: String, names: [String]) throws {
        let definition = try #require(table.definitions.first { $0.name == type })
        #expect(Array(definition.variants.map(\.name).prefix(names.count)) == names)
    }

    @Test func `the open choice has every type`() throws {
        let definition = try #require(table.definitions.first { $0.name == "Extension" })
        // FHIR R4 datatypes.html, open type element: 50 types.
        #expect(definition.variants.filter { $0.name.hasPrefix("value") }.count == 50)
        #expect(definition.hasURL)
    }

    @Test func `kinds are those of the definition`() throws {
        func kind(_ type: String, _ element: String) throws -> ElementTable.Kind {
            let definition = try #require(table.definitions.first { $0.name == type })
            return definition.variants[try #require(definition.lookup[element])].kind
        }
        #expect(try kind("Patient", "id") == .plainString)
        #expect(try kind("Patient", "active") == .primitive(.boolean))
        #expect(try kind("Quantity", "value") == .primitive(.decimal))
        #expect(try kind("Bundle", "total") == .primitive(.integer))
        #expect(try kind("Patient", "contained") == .resource)
        #expect(try kind("Narrative", "div") == .xhtml)
        #expect(try kind("Bundle", "type") == .primitive(.string))
    }
}
