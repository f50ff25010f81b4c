internal import CZlib

/// The codings in which a protected server may have packed its answer, although we ask for none.
///
/// What is packed is unpacked whole before it is judged, within limits: a small answer that grows without end is no
/// answer.
enum ContentCoding: Hashable, Sendable {
    case identity
    /// RFC 1952.
    case gzip
    /// RFC 1950, or the bare RFC 1951 that some servers send under its name.
    case deflate

    /// How many times larger than itself an answer may become, once it is larger than a megabyte.
    static let ratio = 100

    /// Reads `Content-Encoding`; nil for codings that we do not know, and for several at once.
    init?(_ field: String?) {
        switch field?.lowercased().filter({ $0 != " " && $0 != "\t" }) {
        case nil, "identity", "": self = .identity
        case "gzip", "x-gzip": self = .gzip
        case "deflate": self = .deflate
        default: return nil
        }
    }

    /// The bytes as they were before they were packed.
    func unpacked(_ bytes: [UInt8], limit: Int) throws(UpstreamFailure) -> [UInt8] {
        // A server may name a coding where it has nothing to pack.
        guard !bytes.isEmpty else { return [] }
        switch self {
        case .identity: return bytes
        // 15 bits of window, and 16 for the gzip wrapper (zlib manual, inflateInit2).
        case .gzip: return try Self.inflated(bytes, window: 15 + 16, limit: limit)
        case .deflate:
            // The first byte of the zlib wrapper names the method in its lower half, and both bytes are a multiple of 31.
            let isWrapped =
                bytes.count >= 2 && bytes[0] & 0x0F == 8 && (Int(bytes[0]) << 8 | Int(bytes[1])) % 31 == 0
            return try Self.inflated(bytes, window: isWrapped ? 15 : -15, limit: limit)
        }
    }

    private static func inflated(
        _ bytes: [UInt8], window: Int32, limit: Int
    ) throws(UpstreamFailure) -> [UInt8] {
        var stream = z_stream()
        guard inflateInit2_(&stream, window, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw .malformed
        }
        defer { inflateEnd(&stream) }
        let most = min(limit, max(1 << 20, bytes.count * ratio))
        var input = bytes
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let failure = input.withUnsafeMutableBufferPointer { source -> UpstreamFailure? in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            while true {
                let (status, produced) = chunk.withUnsafeMutableBufferPointer { target -> (Int32, Int) in
                    stream.next_out = target.baseAddress
                    stream.avail_out = UInt32(target.count)
                    let status = inflate(&stream, Z_NO_FLUSH)
                    return (status, target.count - Int(stream.avail_out))
                }
                output.append(contentsOf: chunk[..<produced])
                if output.count > most { return .tooLarge }
                switch status {
                // Whatever follows the end was packed by nobody who can be trusted.
                case Z_STREAM_END: return stream.avail_in == 0 ? nil : .malformed
                case Z_OK where produced > 0 || stream.avail_in > 0: continue
                default: return .malformed
                }
            }
        }
        if let failure { throw failure }
        return output
    }
}
