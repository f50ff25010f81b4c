internal import FHIRCore

/// Builds the Bundle that we answer with; nothing of the upstream's envelope is copied.
struct BundleEnvelope {
    private var bytes: [UInt8]
    private var count = 0

    init(type: String, total: Int?, links: [(relation: String, url: String)]) {
        var head = #"{"resourceType":"Bundle","type":"\#(type)""#
        if let total { head += ",\"total\":\(total)" }
        let list = JSONValue.array(
            links.map { ["relation": .string($0.relation), "url": .string($0.url)] as JSONValue })
        bytes = Array(head.utf8) + Array(",\"link\":".utf8) + list.serialized
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
    func finished() -> [UInt8] { bytes + Array((count == 0 ? "}" : "]}").utf8) }
}
