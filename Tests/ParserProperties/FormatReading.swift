internal import FHIRCore
internal import FHIRXML

/// What must hold of the conversion between the two formats of a resource: either refuses, or both say the same.
enum FormatReading {
    static func violation(by input: [UInt8]) -> String? {
        input.first == UInt8(ascii: "{") ? jsonViolation(input) : xmlViolation(input)
    }

    /// From JSON the content comes back, from XML what was made of it.
    private static func jsonViolation(_ input: [UInt8]) -> String? {
        guard let xml = try? ResourceXML.xml(fromJSON: input) else { return nil }
        guard let json = try? JSONValue(parsing: input) else { return "what is no JSON was written as XML" }
        guard let back = try? ResourceXML.json(fromXML: xml) else { return "the XML that was written is refused" }
        guard let read = try? JSONValue(parsing: back) else { return "what comes back is no JSON" }
        guard ordered(read) == ordered(json) else { return "something else comes back" }
        return (try? ResourceXML.xml(fromJSON: back)) == xml ? nil : "the XML is another the second time"
    }

    private static func xmlViolation(_ input: [UInt8]) -> String? {
        guard let json = try? ResourceXML.json(fromXML: input) else { return nil }
        do throws(JSONSyntaxError) {
            _ = try JSONDocument(json)
        } catch {
            // Arrays make JSON deeper than XML; whoever reads it next refuses it.
            return error.code == .tooDeep ? nil : "what was read from XML is no JSON"
        }
        guard let xml = try? ResourceXML.xml(fromJSON: json) else { return "what was read from XML cannot be written" }
        return (try? ResourceXML.json(fromXML: xml)) == json ? nil : "something else comes back"
    }

    /// Members by name; narratives, whose entities and surrounding space may change, are left out.
    private static func ordered(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            .object(
                members.filter { $0.name != "div" && !isAllNull($0.value) }.sorted { $0.name < $1.name }
                    .map { JSONMemberValue($0.name, ordered($0.value)) })
        case .array(let elements): .array(elements.map(ordered))
        case .null, .bool, .int, .number, .string: value
        }
    }

    /// An array of nothing but `null` beside one with extensions says what no array says.
    private static func isAllNull(_ value: JSONValue) -> Bool {
        guard case .array(let elements) = value else { return false }
        return !elements.isEmpty && elements.allSatisfy { $0 == .null }
    }
}
