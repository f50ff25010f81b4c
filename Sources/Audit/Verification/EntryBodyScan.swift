/// Reads out of an entry's body, in one pass and without building anything, what the entry is found by.
///
/// It understands the compact JSON that the recorder writes and gives up on anything else, escapes included; whoever
/// asks then reads the body in full. So it can only save time, never change a verdict.
struct EntryBodyScan {
    private(set) var phase: Range<Int>?
    private(set) var closes: Int64?
    private(set) var eventID: Range<Int>?
    /// Nil for an access.
    private(set) var kind: Range<Int>?
    private(set) var interaction: Range<Int>?
    private(set) var resourceType: Range<Int>?
    private(set) var client: Range<Int>?
    private(set) var subject: Range<Int>?
    private(set) var grant: Range<Int>?
    private(set) var outcome: Range<Int>?
    private(set) var patients: [Range<Int>] = []

    /// Reads a body; false when it is not plain enough.
    mutating func read(_ body: UnsafeRawBufferPointer) -> Bool {
        (phase, closes, eventID, kind, interaction) = (nil, nil, nil, nil, nil)
        (resourceType, client, subject, grant, outcome) = (nil, nil, nil, nil, nil)
        patients.removeAll(keepingCapacity: true)
        var at = 0
        var events = 0
        let isRead = Self.object(body, &at) { name, at in
            if Self.name(body, name, is: "v") {
                guard let version = Self.integer(body, &at) else { return false }
                return version == AuditStatement.formatVersion
            }
            if Self.name(body, name, is: "phase") { return Self.text(body, &at, &phase) }
            if Self.name(body, name, is: "closes") {
                closes = Self.integer(body, &at)
                return closes != nil
            }
            events += 1
            if Self.name(body, name, is: "access") { return access(body, &at) }
            if Self.name(body, name, is: "authorization") { return authorization(body, &at) }
            return false
        }
        return isRead && events == 1 && at == body.count && phase != nil && eventID != nil && outcome != nil
    }

    private mutating func access(_ body: UnsafeRawBufferPointer, _ at: inout Int) -> Bool {
        Self.object(body, &at) { name, at in
            switch name.count {
            case 5: if Self.name(body, name, is: "grant") { return Self.text(body, &at, &grant) }
            case 6: if Self.name(body, name, is: "client") { return Self.text(body, &at, &client) }
            case 7:
                if Self.name(body, name, is: "subject") { return Self.text(body, &at, &subject) }
                if Self.name(body, name, is: "outcome") { return Self.text(body, &at, &outcome) }
            case 8:
                if Self.name(body, name, is: "decision") { return Self.text(body, &at, &eventID) }
                if Self.name(body, name, is: "patients") { return texts(body, &at) }
            case 11: if Self.name(body, name, is: "interaction") { return Self.text(body, &at, &interaction) }
            case 12: if Self.name(body, name, is: "resourceType") { return Self.text(body, &at, &resourceType) }
            default: break
            }
            return Self.skip(body, &at, depth: 0)
        }
    }

    private mutating func authorization(_ body: UnsafeRawBufferPointer, _ at: inout Int) -> Bool {
        let isRead = Self.object(body, &at) { name, at in
            if Self.name(body, name, is: "id") { return Self.text(body, &at, &eventID) }
            if Self.name(body, name, is: "kind") { return Self.text(body, &at, &kind) }
            if Self.name(body, name, is: "client") { return Self.text(body, &at, &client) }
            if Self.name(body, name, is: "subject") { return Self.text(body, &at, &subject) }
            if Self.name(body, name, is: "grant") { return Self.text(body, &at, &grant) }
            if Self.name(body, name, is: "outcome") { return Self.text(body, &at, &outcome) }
            if Self.name(body, name, is: "patient") {
                var patient: Range<Int>?
                guard Self.text(body, &at, &patient), let patient else { return false }
                patients.append(patient)
                return true
            }
            return Self.skip(body, &at, depth: 0)
        }
        return isRead && kind != nil
    }

    /// An array of plain strings into `patients`.
    private mutating func texts(_ body: UnsafeRawBufferPointer, _ at: inout Int) -> Bool {
        guard Self.take(body, &at, "[") else { return false }
        while true {
            var text: Range<Int>?
            guard Self.text(body, &at, &text), let text else { return false }
            patients.append(text)
            if Self.take(body, &at, "]") { return true }
            guard Self.take(body, &at, ",") else { return false }
        }
    }

    // MARK: Compact JSON

    /// Walks an object's members; the closure reads each value.
    private static func object(
        _ body: UnsafeRawBufferPointer, _ at: inout Int, _ member: (Range<Int>, inout Int) -> Bool
    ) -> Bool {
        guard take(body, &at, "{") else { return false }
        if take(body, &at, "}") { return true }
        while true {
            var name: Range<Int>?
            guard text(body, &at, &name), let name, take(body, &at, ":"), member(name, &at) else { return false }
            if take(body, &at, "}") { return true }
            guard take(body, &at, ",") else { return false }
        }
    }

    private static func take(_ body: UnsafeRawBufferPointer, _ at: inout Int, _ character: Unicode.Scalar) -> Bool {
        guard at < body.count, body[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    private static func name(_ body: UnsafeRawBufferPointer, _ range: Range<Int>, is name: StaticString) -> Bool {
        guard range.count == name.utf8CodeUnitCount else { return false }
        for offset in 0..<range.count where body[range.lowerBound + offset] != name.utf8Start[offset] { return false }
        return true
    }

    /// A string without escapes: the range between its quotes.
    private static func text(_ body: UnsafeRawBufferPointer, _ at: inout Int, _ range: inout Range<Int>?) -> Bool {
        guard take(body, &at, "\"") else { return false }
        let start = at
        while at < body.count {
            let byte = body[at]
            if byte == UInt8(ascii: "\"") {
                range = start..<at
                at += 1
                return true
            }
            guard byte != UInt8(ascii: "\\"), byte >= 0x20 else { return false }
            at += 1
        }
        return false
    }

    private static func integer(_ body: UnsafeRawBufferPointer, _ at: inout Int) -> Int64? {
        let start = at
        var value: Int64 = 0
        while at < body.count, case let digit = body[at] &- UInt8(ascii: "0"), digit < 10 {
            guard at - start < 18 else { return nil }
            value = value * 10 + Int64(digit)
            at += 1
        }
        return at > start ? value : nil
    }

    /// Passes over a value of any kind; strings in it may have escapes, for nobody looks into them.
    private static func skip(_ body: UnsafeRawBufferPointer, _ at: inout Int, depth: Int) -> Bool {
        guard at < body.count, depth < 8 else { return false }
        switch body[at] {
        case UInt8(ascii: "\""):
            at += 1
            while at < body.count {
                let byte = body[at]
                at += 1
                if byte == UInt8(ascii: "\"") { return true }
                if byte == UInt8(ascii: "\\") { at += 1 }
            }
            return false
        case UInt8(ascii: "{"): return object(body, &at) { _, at in skip(body, &at, depth: depth + 1) }
        case UInt8(ascii: "["):
            at += 1
            if take(body, &at, "]") { return true }
            while skip(body, &at, depth: depth + 1) {
                if take(body, &at, "]") { return true }
                guard take(body, &at, ",") else { return false }
            }
            return false
        default:
            let start = at
            while at < body.count, isScalar(body[at]) { at += 1 }
            return at > start
        }
    }

    /// A byte of a number, `true`, `false` or `null`.
    private static func isScalar(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"),
            UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "E"):
            true
        default: false
        }
    }
}
