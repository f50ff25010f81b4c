/// The header fields of a request that mean something to us. Every other field stops at the door.
public struct FHIRHeaders: Hashable, Sendable {
    /// `Accept`.
    public var accept: String?
    /// `Content-Type`.
    public var contentType: String?
    /// `Content-Encoding`.
    public var contentEncoding: String?
    /// `Prefer` (RFC 7240); repeated fields are joined.
    public var prefer: String?
    /// `If-Match`.
    public var ifMatch: String?
    /// `If-None-Match`.
    public var ifNoneMatch: String?
    /// `If-Modified-Since`.
    public var ifModifiedSince: String?
    /// `If-Unmodified-Since`.
    public var ifUnmodifiedSince: String?
    /// `If-None-Exist` (FHIR R4 http.html, conditional create).
    public var ifNoneExist: String?
    /// Whether `X-Provenance` was there: it asks for a second resource to be stored.
    public var hasProvenanceHeader = false
    /// Whether a field was there that asks for another method than the request line's.
    public var hasMethodOverride = false
    /// Whether a field was there that widens a delete beyond the resource that it names.
    public var hasCascade = false
    /// Whether a field that may stand once stood more than once.
    public var hasRepeatedField = false

    /// No fields.
    public init() {}

    /// Collects the fields that matter; names are compared without regard to case.
    public init(_ fields: some Sequence<(name: String, value: String)>) {
        // Most fields of a request are none of these, and most of those have other lengths.
        for field in fields where field.name.utf8.count < 32 && FHIRHeaders.lengths >> field.name.utf8.count & 1 == 1 {
            add(field.name.lowercased(), field.value)
        }
    }

    /// The lengths of the names that matter, a bit for each.
    private static let lengths: UInt32 = [6, 8, 9, 12, 13, 16, 17, 19, 22].reduce(0) { $0 | 1 << $1 }

    private mutating func add(_ name: String, _ value: String) {
        switch name {
        case "accept": accept = accept.map { "\($0), \(value)" } ?? value
        case "prefer": prefer = prefer.map { "\($0), \(value)" } ?? value
        case "content-type": setOnce(\.contentType, value)
        case "content-encoding": setOnce(\.contentEncoding, value)
        case "if-match": setOnce(\.ifMatch, value)
        case "if-none-match": setOnce(\.ifNoneMatch, value)
        case "if-modified-since": setOnce(\.ifModifiedSince, value)
        case "if-unmodified-since": setOnce(\.ifUnmodifiedSince, value)
        case "if-none-exist": setOnce(\.ifNoneExist, value)
        case "x-provenance": hasProvenanceHeader = true
        case "x-http-method-override", "x-http-method", "x-method-override": hasMethodOverride = true
        case "x-cascade": hasCascade = true
        default: break
        }
    }

    private mutating func setOnce(_ field: WritableKeyPath<FHIRHeaders, String?>, _ value: String) {
        if self[keyPath: field] != nil { hasRepeatedField = true }
        self[keyPath: field] = value
    }
}
