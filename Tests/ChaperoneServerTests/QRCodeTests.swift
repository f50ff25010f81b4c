import Testing

@testable import ChaperoneServer

/// The picture of a key is read back by a reader of its own, which shares nothing with the writer but the standard.
@Suite struct QRCodeTests {
    @Test(arguments: [214, 215, 1000])
    func `what is too long for version 10 has no picture`(_ length: Int) {
        #expect(QRCode(String(repeating: "a", count: length)) == nil)
    }

    /// Every length at which the version changes, on both sides, and a few between.
    @Test(arguments: [0, 1, 14, 15, 26, 27, 42, 43, 62, 63, 84, 85, 106, 107, 122, 123, 152, 153, 180, 181, 200, 213])
    func `a picture reads as the text that it was made of`(_ length: Int) throws {
        let letters = Array("otpauth://totp/as.example%3A8443:anna?secret=GEZDGNBVGY3TQOJQ&é")
        var text = ""
        while text.utf8.count < length {
            let next = letters[text.count % letters.count]
            text.append(text.utf8.count + String(next).utf8.count > length ? "x" : next)
        }
        let code = try #require(QRCode(text))
        #expect(code.modules.count == code.size && code.modules.allSatisfy { $0.count == code.size })
        #expect(try SlowQRReader(code.modules).text() == text)
    }

    /// The format words of level M in Annex C, and the version words of Annex D.
    @Test func `the words of format and version are those of the standard`() {
        #expect(
            (0..<8).map { QRCode.formatBits($0) } == [
                0b101010000010010, 0b101000100100101, 0b101111001111100, 0b101101101001011, 0b100010111111001,
                0b100000011001110, 0b100111110010111, 0b100101010100000,
            ])
        #expect((7...10).map { QRCode.versionBits($0) } == [0x07C94, 0x085BC, 0x09A99, 0x0A4D3])
    }

    @Test func `the path has a square for each dark module, inside the margin`() throws {
        let code = try #require(QRCode("x"))
        let squares = code.path.split(separator: "z")
        #expect(squares.count == code.modules.joined().filter { $0 }.count)
        #expect(squares.first == "M4 4h1v1h-1")
        #expect(code.pictureSize == 29)
    }
}

/// Reads a QR code of level M in byte mode: the mask, the bits, the blocks, their correction, the text.
private struct SlowQRReader {
    struct Unreadable: Error {
        let what: String
        init(_ what: String) { self.what = what }
    }

    let modules: [[Bool]]
    var size: Int { modules.count }

    init(_ modules: [[Bool]]) { self.modules = modules }

    /// Blocks and correction bytes of level M, and alignment centres, by version.
    private static let table: [(blocks: [Int], correction: Int, centres: [Int])] = [
        ([16], 10, []), ([28], 16, [6, 18]), ([44], 26, [6, 22]), ([32, 32], 18, [6, 26]), ([43, 43], 24, [6, 30]),
        ([27, 27, 27, 27], 16, [6, 34]), ([31, 31, 31, 31], 18, [6, 22, 38]), ([38, 38, 39, 39], 22, [6, 24, 42]),
        ([36, 36, 36, 37, 37], 22, [6, 26, 46]), ([43, 43, 43, 43, 44], 26, [6, 28, 50]),
    ]

    func text() throws -> String {
        let version = (size - 17) / 4
        let (blocks, correction, centres) = Self.table[version - 1]
        for (row, column) in [(0, 0), (0, size - 7), (size - 7, 0)] { try demandFinder(row, column) }
        let mask = try self.mask()
        let bits = data(mask, version, centres)
        let total = blocks.reduce(0, +) + blocks.count * correction
        let words: [Int] = (0..<total).map { index in
            bits[index * 8..<index * 8 + 8].reduce(0) { $0 * 2 + ($1 ? 1 : 0) }
        }
        var split = [[Int]](repeating: [], count: blocks.count)
        var next = 0
        for place in 0..<(blocks.max() ?? 0) {
            for block in blocks.indices where place < blocks[block] {
                split[block].append(words[next])
                next += 1
            }
        }
        var corrected = split
        for _ in 0..<correction {
            for block in blocks.indices {
                corrected[block].append(words[next])
                next += 1
            }
        }
        for block in corrected { try demandNoError(block, correction) }
        return try decoded(split.joined().map { $0 }, version)
    }

    /// A finder: dark frame, light ring, dark heart.
    private func demandFinder(_ row: Int, _ column: Int) throws {
        let picture = ["1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"]
        for (y, line) in picture.enumerated() {
            for (x, letter) in line.enumerated() where modules[row + y][column + x] != (letter == "1") {
                throw Unreadable("finder at \(row), \(column)")
            }
        }
    }

    /// Both copies of the format word say the same, and level M.
    private func mask() throws -> Int {
        var words = [0, 0]
        for index in 0..<15 {
            let first = index < 6 ? (8, index) : index < 9 ? [(8, 7), (8, 8), (7, 8)][index - 6] : (14 - index, 8)
            let second = index < 7 ? (size - 1 - index, 8) : (8, size - 15 + index)
            for (copy, place) in [first, second].enumerated() {
                words[copy] = words[copy] * 2 + (modules[place.0][place.1] ? 1 : 0)
            }
        }
        guard words[0] == words[1], modules[size - 8][8] else { throw Unreadable("format") }
        let format = (words[0] ^ 0b101010000010010) >> 10
        guard format >> 3 == 0 else { throw Unreadable("level") }
        return format & 7
    }

    private func data(_ mask: Int, _ version: Int, _ centres: [Int]) -> [Bool] {
        var reserved = Set<[Int]>()
        for row in 0..<size {
            for column in 0..<size {
                let inFinder =
                    row < 9 && (column < 9 || column >= size - 8) || row >= size - 8 && column < 9
                let inVersion =
                    version >= 7
                    && (row < 6 && column >= size - 11 && column < size - 8
                        || column < 6 && row >= size - 11 && row < size - 8)
                if inFinder || inVersion || row == 6 || column == 6 { reserved.insert([row, column]) }
            }
        }
        for row in centres {
            for column in centres {
                let onFinder = [[6, 6], [6, size - 7], [size - 7, 6]].contains([row, column])
                guard !onFinder else { continue }
                for y in -2...2 { for x in -2...2 { reserved.insert([row + y, column + x]) } }
            }
        }
        var bits: [Bool] = []
        var column = size - 1
        var isUpward = true
        while column > 0 {
            if column == 6 { column = 5 }
            for step in 0..<size {
                let row = isUpward ? size - 1 - step : step
                for x in [column, column - 1] where !reserved.contains([row, x]) {
                    bits.append(modules[row][x] != isFlipped(mask, row, x))
                }
            }
            isUpward.toggle()
            column -= 2
        }
        return bits
    }

    private func isFlipped(_ mask: Int, _ i: Int, _ j: Int) -> Bool {
        let sum: Int = i + j
        let product: Int = i * j
        let mixed: Int = product % 2 + product % 3
        let last: Int = sum % 2 + product % 3
        let coarse: Int = i / 2 + j / 3
        let terms: [Int] = [sum % 2, i % 2, j % 3, sum % 3, coarse % 2, mixed, mixed % 2, last % 2]
        return terms[mask] == 0
    }

    /// The block, as a polynomial, vanishes at the first powers of the generator of the field.
    private func demandNoError(_ block: [Int], _ correction: Int) throws {
        var powers = [1]
        while powers.count < 255 {
            let double = powers[powers.count - 1] * 2
            powers.append(double > 255 ? double ^ 0x11D : double)
        }
        for root in 0..<correction {
            var sum = 0
            for word in block {
                if sum != 0, let logarithm = powers.firstIndex(of: sum) { sum = powers[(logarithm + root) % 255] }
                sum ^= word
            }
            if sum != 0 { throw Unreadable("correction") }
        }
    }

    private func decoded(_ words: [Int], _ version: Int) throws -> String {
        var bits: [Int] = []
        for word in words { for shift in stride(from: 7, through: 0, by: -1) { bits.append((word >> shift) & 1) } }
        var place = 0
        func take(_ count: Int) -> Int {
            defer { place += count }
            return bits[place..<place + count].reduce(0) { $0 * 2 + $1 }
        }
        guard take(4) == 4 else { throw Unreadable("mode") }
        let count = take(version < 10 ? 8 : 16)
        return String(decoding: (0..<count).map { _ in UInt8(take(8)) }, as: UTF8.self)
    }
}
