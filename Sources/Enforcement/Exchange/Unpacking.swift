internal import CZlib

/// Undoes, as it comes, what a protected server has packed although we ask for nothing packed.
///
/// Within limits: what grows a hundredfold, in all or in one piece, is no answer but an attack on whoever unpacks it. It
/// cannot be copied, because zlib's state has one place in memory and one owner.
struct Unpacking: ~Copyable {
    /// How many times larger than itself an answer may become, once it is larger than a megabyte.
    static let ratio = 100
    /// What may be of any ratio.
    private static let unjudged = 1 << 20
    private static let bytesAtOnce = 1 << 16

    let coding: ContentCoding
    /// zlib's state; nil until the first bytes have come.
    private var stream: UnsafeMutablePointer<z_stream>?
    /// The beginning of what is too short to say how it is packed.
    private var beginning: [UInt8] = []
    private var packed = 0
    private var plain = 0
    private var hasEnded = false

    init(_ coding: ContentCoding = .identity) { self.coding = coding }

    deinit {
        guard let stream else { return }
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Whether nothing is missing of what has come. A server may name a coding where it has nothing to pack.
    var isWhole: Bool { coding == .identity || packed == 0 || hasEnded }

    /// The bytes as they were before they were packed. Throws `malformed` for what is no such packing, or is followed by
    /// anything but another member of gzip (RFC 1952 §2.2), and `tooLarge` for what grows beyond measure; after that nothing more may be taken.
    mutating func unpack(_ bytes: [UInt8]) throws(UpstreamFailure) -> [UInt8] {
        guard coding != .identity, !bytes.isEmpty else { return bytes }
        packed += bytes.count
        if hasEnded { guard beginsAnother() else { throw .malformed } }
        var input = beginning + bytes
        guard stream != nil || input.count > 1 else {
            beginning = input
            return []
        }
        beginning = []
        let stream = try begun(input)
        let most = min(
            max(Self.unjudged, packed * Self.ratio) - plain, max(4 * Self.unjudged, input.count * Self.ratio))
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: Self.bytesAtOnce)
        let end = input.withUnsafeMutableBufferPointer { source -> Result<Bool, UpstreamFailure> in
            stream.pointee.next_in = source.baseAddress
            stream.pointee.avail_in = UInt32(source.count)
            defer { stream.pointee.next_in = nil }
            while true {
                let (status, produced) = chunk.withUnsafeMutableBufferPointer { target -> (Int32, Int) in
                    stream.pointee.next_out = target.baseAddress
                    stream.pointee.avail_out = UInt32(target.count)
                    let status = inflate(stream, Z_NO_FLUSH)
                    return (status, target.count - Int(stream.pointee.avail_out))
                }
                output.append(contentsOf: chunk[..<produced])
                if output.count > most { return .failure(.tooLarge) }
                switch status {
                case Z_STREAM_END where stream.pointee.avail_in == 0: return .success(true)
                case Z_STREAM_END where coding == .gzip && inflateReset(stream) == Z_OK: continue
                case Z_STREAM_END: return .failure(.malformed)
                case Z_OK where stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0: continue
                // All that has come is unpacked.
                case Z_OK, Z_BUF_ERROR: return .success(false)
                default: return .failure(.malformed)
                }
            }
        }
        hasEnded = try end.get()
        plain += output.count
        return output
    }

    /// Whether what follows an end may be another member, for which zlib's state is then ready; the limits go on counting.
    private mutating func beginsAnother() -> Bool {
        guard coding == .gzip, let stream, inflateReset(stream) == Z_OK else { return false }
        hasEnded = false
        return true
    }

    /// zlib's state, made when the first two bytes are there.
    private mutating func begun(_ input: [UInt8]) throws(UpstreamFailure) -> UnsafeMutablePointer<z_stream> {
        if let stream { return stream }
        let made = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        made.initialize(to: z_stream())
        guard inflateInit2_(made, window(input), ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            made.deallocate()
            throw .malformed
        }
        stream = made
        return made
    }

    /// The form of the wrapper, in the words of zlib's `inflateInit2`.
    private func window(_ input: [UInt8]) -> Int32 {
        // 15 bits of window, and 16 for the gzip wrapper.
        guard coding == .deflate else { return 15 + 16 }
        // The first byte of the zlib wrapper names the method in its lower half, and both bytes are a multiple of 31.
        let isWrapped = input[0] & 0x0F == 8 && (Int(input[0]) << 8 | Int(input[1])) % 31 == 0
        return isWrapped ? 15 : -15
    }
}
