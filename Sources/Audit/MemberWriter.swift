internal import FHIRCore

/// Writes the members of a JSON object one after another into bytes; what is nil or empty is left out.
///
/// The same text as that of a `MemberList`, without the tree: a record is written on every request.
struct MemberWriter {
    private var bytes: [UInt8] = []
    private var isFirst = true

    init() {
        bytes.reserveCapacity(1024)
        bytes.append(UInt8(ascii: "{"))
    }

    mutating func add(_ name: StaticString, _ text: String?) {
        guard let text else { return }
        begin(name)
        bytes.appendJSONString(text)
    }

    mutating func add(_ name: StaticString, _ value: Int64?) {
        guard let value else { return }
        begin(name)
        bytes.append(contentsOf: String(value).utf8)
    }

    mutating func add(_ name: StaticString, _ texts: [String]) {
        guard !texts.isEmpty else { return }
        begin(name)
        var opening = UInt8(ascii: "[")
        for text in texts {
            bytes.append(opening)
            bytes.appendJSONString(text)
            opening = UInt8(ascii: ",")
        }
        bytes.append(UInt8(ascii: "]"))
    }

    mutating func add(_ name: StaticString, _ counts: [(name: String, count: Int)]) {
        guard !counts.isEmpty else { return }
        begin(name)
        var opening = UInt8(ascii: "{")
        for part in counts {
            bytes.append(opening)
            bytes.appendJSONString(part.name)
            bytes.append(UInt8(ascii: ":"))
            bytes.append(contentsOf: String(part.count).utf8)
            opening = UInt8(ascii: ",")
        }
        bytes.append(UInt8(ascii: "}"))
    }

    mutating func add(_ name: StaticString, _ value: JSONValue) {
        begin(name)
        value.append(to: &bytes)
    }

    /// Begins an object as a member; what is added until `close` is in it.
    mutating func open(_ name: StaticString) {
        begin(name)
        bytes.append(UInt8(ascii: "{"))
        isFirst = true
    }

    /// Ends the object that was opened last.
    mutating func close() {
        bytes.append(UInt8(ascii: "}"))
        isFirst = false
    }

    /// The whole object.
    consuming func finished() -> [UInt8] {
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    /// A name of ours, in which nothing has to be escaped.
    private mutating func begin(_ name: StaticString) {
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        isFirst = false
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }
}
