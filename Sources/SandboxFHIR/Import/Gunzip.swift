internal import CZlib

/// Unpacks gzip (RFC 1952), with one member or several.
enum Gunzip {
    /// Why the bytes are not a whole gzip file.
    enum Failure: Error, Hashable, CustomStringConvertible {
        case truncated
        case corrupt(String)
        case tooLarge(limit: Int)
        case unavailable

        var description: String {
            switch self {
            case .truncated: "the gzip data ends too early"
            case .corrupt(let reason): "the gzip data is damaged: \(reason)"
            case .tooLarge(let limit): "the unpacked data is larger than \(limit) bytes"
            case .unavailable: "zlib could not be started"
            }
        }
    }

    /// Whether bytes begin as gzip does.
    static func isGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1f, 0x8b]) }

    /// The unpacked bytes; the check sum and length at the end of each member must be right.
    static func unpack(_ bytes: [UInt8], limit: Int = 1 << 30) throws(Failure) -> [UInt8] {
        var result: [UInt8] = []
        var rest = bytes[...]
        repeat {
            let used = try member(Array(rest), into: &result, limit: limit)
            rest = rest.dropFirst(used)
        } while !rest.isEmpty
        return result
    }

    /// Unpacks one member and returns how many bytes it took.
    private static func member(_ input: [UInt8], into result: inout [UInt8], limit: Int) throws(Failure) -> Int {
        var stream = z_stream()
        // 15 bits of window, and 16 for the gzip wrapper (zlib manual, inflateInit2).
        guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw .unavailable
        }
        defer { inflateEnd(&stream) }
        var input = input
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var failure: Failure?
        let used = input.withUnsafeMutableBufferPointer { source -> Int in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            while failure == nil {
                let (status, produced) = step(&stream, &chunk)
                result.append(contentsOf: chunk[..<produced])
                if result.count > limit { failure = .tooLarge(limit: limit) }
                if status == Z_STREAM_END { break }
                if status == Z_BUF_ERROR || (status == Z_OK && produced < chunk.count && stream.avail_in == 0) {
                    failure = failure ?? .truncated
                } else if status != Z_OK {
                    failure = failure ?? .corrupt(stream.msg.map { String(cString: $0) } ?? "code \(status)")
                }
            }
            return source.count - Int(stream.avail_in)
        }
        if let failure { throw failure }
        return used
    }

    private static func step(_ stream: inout z_stream, _ chunk: inout [UInt8]) -> (status: Int32, produced: Int) {
        chunk.withUnsafeMutableBufferPointer { target in
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(target.count)
            let status = inflate(&stream, Z_NO_FLUSH)
            return (status, target.count - Int(stream.avail_out))
        }
    }
}
