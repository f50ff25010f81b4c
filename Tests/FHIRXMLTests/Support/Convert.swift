import FHIRCore
import FHIRXML

/// Short ways to convert in tests.
enum Convert {
    static func xml(_ json: String) throws -> String {
        String(decoding: try ResourceXML.xml(fromJSON: Array(json.utf8)), as: UTF8.self)
    }

    static func json(_ xml: String) throws -> String {
        String(decoding: try ResourceXML.json(fromXML: Array(xml.utf8)), as: UTF8.self)
    }

    static func refusal(ofXML xml: some Sequence<UInt8>, limits: XMLLimits = .default) -> XMLConversionError? {
        do throws(XMLConversionError) {
            _ = try ResourceXML.json(fromXML: Array(xml), limits: limits)
            return nil
        } catch { return error }
    }

    static func refusal(ofJSON json: String, limits: XMLLimits = .default) -> XMLConversionError? {
        do throws(XMLConversionError) {
            _ = try ResourceXML.xml(fromJSON: Array(json.utf8), limits: limits)
            return nil
        } catch { return error }
    }

    /// A Patient in XML with this content.
    static func patient(_ content: String) -> String { "<Patient xmlns=\"http://hl7.org/fhir\">\(content)</Patient>" }
}

extension JSONValue {
    /// The same with the members of every object in the order of their names, and narratives without white space around.
    var canonical: JSONValue {
        switch self {
        case .object(let members):
            .object(
                members.sorted { $0.name < $1.name }.map { member in
                    guard member.name == "div", case .string(let text) = member.value else {
                        return JSONMemberValue(member.name, member.value.canonical)
                    }
                    return JSONMemberValue("div", .string(text.trimmingSpace))
                })
        case .array(let elements): .array(elements.map(\.canonical))
        case .null, .bool, .int, .number, .string: self
        }
    }
}

extension String {
    fileprivate var trimmingSpace: String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
        var bytes = Array(utf8)[...]
        while let last = bytes.last, isSpace(last) { bytes.removeLast() }
        while let first = bytes.first, isSpace(first) { bytes.removeFirst() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
