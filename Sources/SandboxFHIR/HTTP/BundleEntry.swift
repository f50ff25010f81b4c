internal import FHIRCore

/// One entry of a submitted Bundle, read.
struct BundleEntry {
    let fullURL: String?
    let resource: JSONValue?
    /// The request, without the part that depends on its place; `nil` when the entry has none.
    let request: SandboxRequest?

    /// Reads an entry; `base` is taken off URLs that are written absolutely.
    init(_ tree: JSONValue, base: String) throws {
        fullURL = tree["fullUrl"]?.string
        resource = tree["resource"]
        guard let parts = tree["request"] else {
            request = nil
            return
        }
        guard let method = parts["method"]?.string, let url = parts["url"]?.string else {
            throw SandboxFailure.invalid("the `request` of an entry needs `method` and `url`")
        }
        var text = url[...]
        if text.hasPrefix(base + "/") { text = text.dropFirst(base.count + 1) }
        let sides = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var made = SandboxRequest(method: method, path: String(sides[0]))
        if sides.count > 1 { made.query = try QueryString(parsing: String(sides[1])) }
        let headers = [
            "if-match": "ifMatch", "if-none-match": "ifNoneMatch", "if-none-exist": "ifNoneExist",
            "if-modified-since": "ifModifiedSince",
        ]
        for (header, member) in headers {
            if let value = parts[member]?.string { made.headers[header] = value }
        }
        // What a Bundle carries is a resource, also where a Binary would be sent as its content.
        made.headers["accept"] = MediaType.fhirJSON
        made.resource = resource
        request = made
    }
}
