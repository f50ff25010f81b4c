internal import FHIRCore

/// Builds the Bundle that we answer with; nothing of the upstream's envelope is copied.
///
/// Total and links stand behind the entries: what they may say is only known when every entry was judged, so that an
/// answer which goes out entry by entry reads like one that was judged whole.
struct BundleEnvelope: Sendable {
    /// What has been written; between `open` and `close` a resource is appended.
    var bytes: [UInt8]
    private var count = 0
    /// `total`, if the Bundle is to have one.
    var total: Int?
    /// `link`.
    var links: [(relation: String, url: String)]

    /// - Parameter capacity: about how many bytes there will be.
    init(type: String, total: Int?, links: [(relation: String, url: String)], capacity: Int = 0) {
        self.total = total
        self.links = links
        bytes = []
        bytes.reserveCapacity(capacity)
        bytes.append(contentsOf: #"{"resourceType":"Bundle","type":"#.utf8)
        JSONValue.string(type).append(to: &bytes)
    }

    /// Makes room for what will be added.
    mutating func reserve(_ capacity: Int) { bytes.reserveCapacity(capacity) }

    /// Begins an entry of a searchset with its address; the resource comes next, and then `close`.
    ///
    /// - Parameter base: the public base as `JSONAddress` writes it.
    mutating func open(_ key: InstanceKey, below base: JSONAddress) {
        bytes.append(ours: count == 0 ? #","entry":[{"fullUrl":"# : #",{"fullUrl":"#)
        count += 1
        base.append(key, to: &bytes)
        bytes.append(ours: #","resource":"#)
    }

    /// Ends an entry of a searchset with how it came to be there: a code of ours, in which nothing has to be escaped.
    mutating func close(mode: StaticString) {
        bytes.append(ours: #","search":{"mode":""#)
        bytes.append(ours: mode)
        bytes.append(ours: "\"}}")
    }

    /// Adds an entry: the resource's bytes as they are, and members of our own making.
    mutating func add(fullURL: String?, resource: [UInt8]?, members: [JSONMemberValue]) {
        bytes += Array((count == 0 ? ",\"entry\":[{" : ",{").utf8)
        count += 1
        var isFirst = true
        func separate(_ bytes: inout [UInt8]) {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
        }
        if let fullURL {
            separate(&bytes)
            bytes += Array("\"fullUrl\":".utf8) + JSONValue.string(fullURL).serialized
        }
        if let resource {
            separate(&bytes)
            bytes += Array("\"resource\":".utf8)
            bytes += resource
        }
        for member in members {
            separate(&bytes)
            bytes += JSONValue.string(member.name).serialized
            bytes.append(UInt8(ascii: ":"))
            bytes += member.value.serialized
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// The whole Bundle.
    consuming func finished() -> [UInt8] {
        end()
        return bytes
    }

    /// Writes what stands behind the entries.
    mutating func end() {
        if count > 0 { bytes.append(UInt8(ascii: "]")) }
        if let total { bytes.append(contentsOf: ",\"total\":\(total)".utf8) }
        bytes.append(contentsOf: #","link":"#.utf8)
        JSONValue.array(links.map { ["relation": .string($0.relation), "url": .string($0.url)] as JSONValue })
            .append(to: &bytes)
        bytes.append(UInt8(ascii: "}"))
    }

    /// How much has been written since the last time.
    var size: Int { bytes.count }

    /// What has been written since the last time.
    mutating func drain() -> [UInt8] {
        var drained: [UInt8] = []
        swap(&drained, &bytes)
        return drained
    }
}

extension [UInt8] {
    /// Appends a text of the program's own.
    @inline(__always)
    fileprivate mutating func append(ours text: StaticString) { text.withUTF8Buffer { append(contentsOf: $0) } }
}

/// A FHIR base as it stands in JSON, made once and followed by one key after another.
struct JSONAddress {
    /// With the quote before it and a slash behind.
    private let beginning: [UInt8]

    init(_ base: String) {
        var text = JSONValue.string(base + "/").serialized
        text.removeLast()
        beginning = text
    }

    /// Appends the address of a resource below the base. Type and id have nothing in them that JSON would escape.
    func append(_ key: InstanceKey, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: beginning)
        bytes.append(contentsOf: key.type.rawValue.utf8)
        bytes.append(UInt8(ascii: "/"))
        bytes.append(contentsOf: key.id.text.utf8)
        bytes.append(UInt8(ascii: "\""))
    }
}
