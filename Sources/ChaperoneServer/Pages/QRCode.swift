/// A QR code (ISO/IEC 18004) of a text in byte mode at error correction level M, in versions 1 to 10: as much as the
/// address of a shared key needs.
struct QRCode: Hashable, Sendable {
    /// How many modules a side has.
    private(set) var size: Int
    /// The modules row by row; true is dark.
    private(set) var modules: [[Bool]]
    /// Whether a module belongs to a pattern that data may not cover.
    private var isFixed: [[Bool]]

    /// The light margin that readers want, in modules (§9.1).
    static let margin = 4

    /// What a version holds: error correction bytes of a block, and the data bytes of each block (Table 9).
    private struct Version {
        let correction: Int
        let blocks: [Int]
        let alignment: [Int]
        var dataBytes: Int { blocks.reduce(0, +) }
    }

    private static let versions: [Version] = [
        .init(correction: 10, blocks: [16], alignment: []),
        .init(correction: 16, blocks: [28], alignment: [6, 18]),
        .init(correction: 26, blocks: [44], alignment: [6, 22]),
        .init(correction: 18, blocks: [32, 32], alignment: [6, 26]),
        .init(correction: 24, blocks: [43, 43], alignment: [6, 30]),
        .init(correction: 16, blocks: [27, 27, 27, 27], alignment: [6, 34]),
        .init(correction: 18, blocks: [31, 31, 31, 31], alignment: [6, 22, 38]),
        .init(correction: 22, blocks: [38, 38, 39, 39], alignment: [6, 24, 42]),
        .init(correction: 22, blocks: [36, 36, 36, 37, 37], alignment: [6, 26, 46]),
        .init(correction: 26, blocks: [43, 43, 43, 43, 44], alignment: [6, 28, 50]),
    ]

    /// The code of a text; nil when it is too long for version 10 (213 bytes).
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        // The length takes one byte up to version 9, two from 10 on (Table 3); the mode takes half a byte.
        guard
            let index = Self.versions.indices.first(where: { index in
                bytes.count * 8 + 4 + (index < 9 ? 8 : 16) <= Self.versions[index].dataBytes * 8
            })
        else { return nil }
        let number = index + 1
        size = 17 + 4 * number
        modules = Array(repeating: Array(repeating: false, count: size), count: size)
        isFixed = modules
        drawPatterns(number, alignment: Self.versions[index].alignment)
        let unmasked = placing(Self.codewords(bytes, Self.versions[index], lengthBits: index < 9 ? 8 : 16))
        // §7.8.3: the mask whose picture is easiest to read.
        let masked = (0..<8).map { unmasked.masked($0) }
        self = masked.min { $0.penalty < $1.penalty } ?? unmasked
    }

    /// One path of unit squares for every dark module, with the margin, for an SVG picture.
    var path: String {
        modules.enumerated().flatMap { row, line in
            line.enumerated().filter(\.element).map { column, _ in
                "M\(column + Self.margin) \(row + Self.margin)h1v1h-1z"
            }
        }.joined()
    }

    /// The side of the picture with its margin, in modules.
    var pictureSize: Int { size + 2 * Self.margin }

    // MARK: - data

    /// Data and correction, interleaved (§7.6).
    private static func codewords(_ bytes: [UInt8], _ version: Version, lengthBits: Int) -> [UInt8] {
        var bits: [Bool] = []
        func append(_ value: Int, _ count: Int) {
            for shift in stride(from: count - 1, through: 0, by: -1) { bits.append(value >> shift & 1 == 1) }
        }
        append(0b0100, 4)
        append(bytes.count, lengthBits)
        for byte in bytes { append(Int(byte), 8) }
        let capacity = version.dataBytes * 8
        append(0, min(4, capacity - bits.count))
        append(0, (8 - bits.count % 8) % 8)
        var pad = 0xEC
        while bits.count < capacity {
            append(pad, 8)
            pad ^= 0xEC ^ 0x11
        }
        let data = stride(from: 0, to: bits.count, by: 8).map { start in
            bits[start..<start + 8].reduce(UInt8(0)) { $0 << 1 | ($1 ? 1 : 0) }
        }
        var blocks: [[UInt8]] = []
        var start = 0
        for count in version.blocks {
            blocks.append(Array(data[start..<start + count]))
            start += count
        }
        let corrections = blocks.map { ReedSolomon.correction(of: $0, count: version.correction) }
        return interleaved(blocks) + interleaved(corrections)
    }

    private static func interleaved(_ blocks: [[UInt8]]) -> [UInt8] {
        var words: [UInt8] = []
        for index in 0..<(blocks.map(\.count).max() ?? 0) {
            for block in blocks where index < block.count { words.append(block[index]) }
        }
        return words
    }

    /// The code with its data bits in two-column strips from the lower right (§7.7.3).
    private func placing(_ codewords: [UInt8]) -> QRCode {
        var code = self
        var all: [Bool] = []
        for byte in codewords {
            for shift in stride(from: UInt8(7), through: 0, by: -1) { all.append((byte >> shift) & 1 == 1) }
        }
        var bits = all.makeIterator()
        var isUpward = true
        for right in stride(from: size - 1, through: 1, by: -2) {
            // The vertical timing pattern has a column of its own.
            let right = right <= 6 ? right - 1 : right
            for step in 0..<size {
                let row = isUpward ? size - 1 - step : step
                for column in [right, right - 1] where !isFixed[row][column] {
                    code.modules[row][column] = bits.next() ?? false
                }
            }
            isUpward.toggle()
        }
        return code
    }

    // MARK: - patterns

    private mutating func set(_ row: Int, _ column: Int, _ isDark: Bool) {
        guard (0..<size).contains(row), (0..<size).contains(column) else { return }
        modules[row][column] = isDark
        isFixed[row][column] = true
    }

    private mutating func drawPatterns(_ version: Int, alignment: [Int]) {
        for index in 0..<size {
            set(6, index, index % 2 == 0)
            set(index, 6, index % 2 == 0)
        }
        for (row, column) in [(3, 3), (3, size - 4), (size - 4, 3)] { drawFinder(row, column) }
        for row in alignment {
            for column in alignment where !isCorner(row, column) {
                for (x, y) in Self.square(2) {
                    set(row + y, column + x, max(abs(x), abs(y)) != 1)
                }
            }
        }
        drawFormat(mask: 0)
        guard version >= 7 else { return }
        let bits = Self.versionBits(version)
        for index in 0..<18 {
            let isDark = bits >> index & 1 == 1
            set(index / 3, size - 11 + index % 3, isDark)
            set(size - 11 + index % 3, index / 3, isDark)
        }
    }

    /// Whether an alignment pattern would lie on a finder.
    private func isCorner(_ row: Int, _ column: Int) -> Bool {
        row < 8 && (column < 8 || column > size - 9) || row > size - 9 && column < 8
    }

    private mutating func drawFinder(_ row: Int, _ column: Int) {
        for (x, y) in Self.square(4) {
            let ring = max(abs(x), abs(y))
            set(row + y, column + x, ring != 2 && ring != 4)
        }
    }

    private static func square(_ reach: Int) -> [(Int, Int)] {
        (-reach...reach).flatMap { y in (-reach...reach).map { (x: $0, y: y) } }
    }

    /// Level and mask, twice, with the module that is always dark (§7.9).
    private mutating func drawFormat(mask: Int) {
        // Level M is 00.
        let bits = Self.formatBits(mask)
        for index in 0..<15 {
            let isDark = bits >> index & 1 == 1
            switch index {
            case 0...5: set(index, 8, isDark)
            case 6: set(7, 8, isDark)
            case 7: set(8, 8, isDark)
            case 8: set(8, 7, isDark)
            default: set(8, 14 - index, isDark)
            }
            if index < 8 { set(8, size - 1 - index, isDark) } else { set(size - 15 + index, 8, isDark) }
        }
        set(size - 8, 8, true)
    }

    /// The five bits of level M and a mask with their BCH correction (Annex C).
    static func formatBits(_ mask: Int) -> Int {
        var rest = mask
        for _ in 0..<10 { rest = rest << 1 ^ (rest >> 9 & 1) * 0x537 }
        return (mask << 10 | rest & 0x3FF) ^ 0x5412
    }

    /// The six bits of a version with their BCH correction (Annex D).
    static func versionBits(_ version: Int) -> Int {
        var rest = version
        for _ in 0..<12 { rest = rest << 1 ^ (rest >> 11 & 1) * 0x1F25 }
        return version << 12 | rest & 0xFFF
    }

    // MARK: - masks

    /// Whether a mask turns a module over (Table 10).
    static func flips(_ mask: Int, row: Int, column: Int) -> Bool {
        switch mask {
        case 0: (row + column) % 2 == 0
        case 1: row % 2 == 0
        case 2: column % 3 == 0
        case 3: (row + column) % 3 == 0
        case 4: (row / 2 + column / 3) % 2 == 0
        case 5: row * column % 2 + row * column % 3 == 0
        case 6: (row * column % 2 + row * column % 3) % 2 == 0
        default: ((row + column) % 2 + row * column % 3) % 2 == 0
        }
    }

    private func masked(_ mask: Int) -> QRCode {
        var code = self
        for row in 0..<size {
            for column in 0..<size where !isFixed[row][column] && Self.flips(mask, row: row, column: column) {
                code.modules[row][column].toggle()
            }
        }
        code.drawFormat(mask: mask)
        return code
    }

    /// How hard the picture is to read: long runs, blocks, look-alikes of finders, imbalance (§7.8.3.1).
    private var penalty: Int {
        let columns = (0..<size).map { column in modules.map { $0[column] } }
        var total = 0
        for line in modules + columns {
            var run = 0
            for (index, isDark) in line.enumerated() {
                run = index > 0 && line[index - 1] == isDark ? run + 1 : 1
                if run == 5 { total += 3 } else if run > 5 { total += 1 }
            }
            var window = 0
            for (index, isDark) in line.enumerated() {
                window = (window << 1 | (isDark ? 1 : 0)) & 0x7FF
                if index >= 10, [0b101_1101_0000, 0b000_0101_1101].contains(window) { total += 40 }
            }
        }
        for row in 1..<size {
            for column in 1..<size {
                let corner = modules[row][column]
                if modules[row - 1][column] == corner, modules[row][column - 1] == corner,
                    modules[row - 1][column - 1] == corner
                {
                    total += 3
                }
            }
        }
        let dark = modules.joined().count { $0 }
        let percent = dark * 100 / (size * size)
        return total + abs(percent - 50) / 5 * 10
    }
}

/// Error correction over GF(256) with the polynomial of QR codes (§7.5).
enum ReedSolomon {
    /// The product of two elements.
    static func product(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var result = 0
        for shift in stride(from: 7, through: 0, by: -1) {
            result = result << 1 ^ (result >> 7) * 0x11D
            result ^= (Int(right) >> shift & 1) * Int(left)
        }
        return UInt8(result & 0xFF)
    }

    /// The correction bytes of a block: the rest of its division by the generator.
    static func correction(of data: [UInt8], count: Int) -> [UInt8] {
        var generator = [UInt8](repeating: 0, count: count - 1) + [1]
        var root: UInt8 = 1
        for _ in 0..<count {
            for index in 0..<count {
                generator[index] = product(generator[index], root) ^ (index + 1 < count ? generator[index + 1] : 0)
            }
            root = product(root, 2)
        }
        var rest = [UInt8](repeating: 0, count: count)
        for byte in data {
            let factor = byte ^ rest.removeFirst()
            rest.append(0)
            for index in 0..<count { rest[index] ^= product(generator[index], factor) }
        }
        return rest
    }
}
