/// The codings in which a protected server may have packed its answer, although we ask for none.
enum ContentCoding: Hashable, Sendable {
    case identity
    /// RFC 1952.
    case gzip
    /// RFC 1950, or the bare RFC 1951 that some servers send under its name.
    case deflate

    /// Reads `Content-Encoding`; nil for codings that we do not know, and for several at once.
    init?(_ field: String?) {
        switch field?.lowercased().filter({ $0 != " " && $0 != "\t" }) {
        case nil, "identity", "": self = .identity
        case "gzip", "x-gzip": self = .gzip
        case "deflate": self = .deflate
        default: return nil
        }
    }
}
