import Foundation
import ParserProperties

/// The inputs that the fuzzer has found worth keeping: one a line, bytes that are not printable percent-encoded.
enum Corpus {
    struct Unreadable: Error { let line: String }

    static func inputs(for property: ParserProperty) throws -> [[UInt8]] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../fixtures/fuzz", directoryHint: .isDirectory).standardized
        let text = try String(contentsOf: folder.appending(path: "\(property.rawValue).txt"), encoding: .utf8)
        return try text.split(separator: "\n").map { try bytes(of: String($0)) }
    }

    private static func bytes(of line: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = line.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                throw Unreadable(line: line)
            }
            bytes.append(code)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
