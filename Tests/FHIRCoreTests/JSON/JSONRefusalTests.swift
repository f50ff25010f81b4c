import FHIRCore
import RequirementTraits
import Testing

/// Texts that are no JSON, or not the strict JSON that one reader cannot read differently from another.
@Suite struct JSONRefusalTests {
    struct Vector: CustomTestStringConvertible, Sendable {
        let bytes: [UInt8]
        let code: JSONSyntaxError.Code
        let testDescription: String

        init(_ text: String, _ code: JSONSyntaxError.Code) {
            bytes = Array(text.utf8)
            self.code = code
            testDescription = text
        }

        init(bytes: [UInt8], _ code: JSONSyntaxError.Code) {
            self.bytes = bytes
            self.code = code
            testDescription = bytes.map { String($0, radix: 16) }.joined(separator: " ")
        }
    }

    private func code(_ bytes: [UInt8], _ limits: JSONLimits = .default) -> JSONSyntaxError.Code? {
        do throws(JSONSyntaxError) {
            _ = try JSONDocument(bytes, limits: limits)
            return nil
        } catch {
            return error.code
        }
    }

    static let structure = [
        Vector("", .unexpectedEnd), Vector("  ", .unexpectedEnd), Vector("{", .unexpectedEnd),
        Vector("[", .unexpectedEnd), Vector("[1", .unexpectedEnd), Vector("{\"a\"", .unexpectedEnd),
        Vector("{\"a\":", .unexpectedEnd), Vector("{\"a\":1", .unexpectedEnd), Vector("{\"a\":1,", .unexpectedEnd),
        Vector("\"a", .unexpectedEnd), Vector("tru", .unexpectedEnd), Vector("[1,]", .unexpectedByte),
        Vector("{\"a\":1,}", .unexpectedByte), Vector("{,}", .unexpectedByte), Vector("[,1]", .unexpectedByte),
        Vector("{a:1}", .unexpectedByte), Vector("{'a':1}", .unexpectedByte), Vector("{1:1}", .unexpectedByte),
        Vector("{\"a\" 1}", .unexpectedByte), Vector("{\"a\":1 \"b\":2}", .unexpectedByte),
        Vector("[1 2]", .unexpectedByte), Vector("[1}", .unexpectedByte), Vector("{\"a\":1]", .unexpectedByte),
        Vector("nulL", .unexpectedByte), Vector("True", .unexpectedByte), Vector("NaN", .unexpectedByte),
        Vector("Infinity", .unexpectedByte), Vector("// c\n1", .unexpectedByte), Vector("/**/1", .unexpectedByte),
        Vector("1 2", .trailingData), Vector("{} {}", .trailingData), Vector("{}x", .trailingData),
        Vector("{}\u{0}", .trailingData), Vector("[]\u{0B}", .trailingData), Vector("\u{A0}1", .unexpectedByte),
        Vector("null,", .trailingData), Vector("]", .unexpectedByte), Vector("}", .unexpectedByte),
    ]

    @Test(arguments: structure)
    func `a text outside the grammar is refused`(vector: Vector) {
        #expect(code(vector.bytes) == vector.code)
    }

    static let numbers = [
        Vector("01", .invalidNumber), Vector("-01", .invalidNumber), Vector("-", .unexpectedEnd),
        Vector("1.", .unexpectedEnd), Vector("[1.]", .invalidNumber), Vector("[1.e1]", .invalidNumber),
        Vector("1e", .unexpectedEnd), Vector("[1e+]", .invalidNumber), Vector("+1", .unexpectedByte),
        Vector(".5", .unexpectedByte), Vector("[-a]", .invalidNumber), Vector("00", .invalidNumber),
        Vector("0x1", .trailingData), Vector("1_000", .trailingData),
    ]

    @Test(arguments: numbers)
    func `a number outside the grammar is refused`(vector: Vector) {
        #expect(code(vector.bytes) == vector.code)
    }

    static let strings = [
        Vector("\"\u{1}\"", .controlCharacter), Vector("\"a\nb\"", .controlCharacter),
        Vector("\"a\tb\"", .controlCharacter), Vector("\"\u{0}\"", .controlCharacter),
        Vector("\"0123456789\u{1F}\"", .controlCharacter), Vector("\"\\x41\"", .invalidEscape),
        Vector("\"\\u12\"", .unexpectedEnd), Vector("\"\\u12g4\"", .invalidEscape),
        Vector("\"\\U0041\"", .invalidEscape),
        Vector("\"\\'\"", .invalidEscape), Vector("\"\\", .unexpectedEnd), Vector("\"\\\"", .unexpectedEnd),
    ]

    @Test(arguments: strings)
    func `a string with a raw control character or an unknown escape is refused`(vector: Vector) {
        #expect(code(vector.bytes) == vector.code)
    }

    static let unicode = [
        Vector(bytes: [0xEF, 0xBB, 0xBF, 0x7B, 0x7D], .unexpectedByte),
        Vector(bytes: [0xFF, 0xFE, 0x7B, 0x00, 0x7D, 0x00], .unexpectedByte),
        Vector(bytes: [0x00, 0x7B, 0x00, 0x7D], .unexpectedByte),
        Vector(bytes: [0x22, 0x80, 0x22], .invalidUTF8), Vector(bytes: [0x22, 0xC0, 0xAF, 0x22], .invalidUTF8),
        Vector(bytes: [0x22, 0xC1, 0xBF, 0x22], .invalidUTF8), Vector(bytes: [0x22, 0xC2, 0x22], .invalidUTF8),
        Vector(bytes: [0x22, 0xC3, 0x28, 0x22], .invalidUTF8),
        Vector(bytes: [0x22, 0xE0, 0x9F, 0xBF, 0x22], .invalidUTF8),
        Vector(bytes: [0x22, 0xE2, 0x82, 0x22], .invalidUTF8),
        Vector(bytes: [0x22, 0xED, 0xA0, 0x80, 0x22], .invalidUTF8),
        Vector(bytes: [0x22, 0xED, 0xBF, 0xBF, 0x22], .invalidUTF8),
        Vector(bytes: [0x22, 0xF0, 0x8F, 0xBF, 0xBF, 0x22], .invalidUTF8),
        Vector(bytes: [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], .invalidUTF8),
        Vector(bytes: [0x22, 0xF5, 0x80, 0x80, 0x80, 0x22], .invalidUTF8),
        Vector(bytes: [0x22, 0xFE, 0x22], .invalidUTF8), Vector(bytes: [0x22, 0xF0, 0x9F, 0x98], .invalidUTF8),
        Vector("\"\\ud800\"", .loneSurrogate), Vector("\"\\udc00\"", .loneSurrogate),
        Vector("\"\\ud800\\u0041\"", .loneSurrogate), Vector("\"\\ud800\\ud800\"", .loneSurrogate),
        Vector("\"\\udc00\\ud800\"", .loneSurrogate), Vector("\"\\ud83dx\"", .loneSurrogate),
        Vector("\"\\ud83d\\n\"", .loneSurrogate),
    ]

    @Test(arguments: unicode)
    func `a text that is not well-formed Unicode is refused`(vector: Vector) {
        #expect(code(vector.bytes) == vector.code)
    }

    static let duplicates = [
        Vector(#"{"a":1,"a":2}"#, .duplicateKey), Vector(#"{"a":1,"b":2,"a":1}"#, .duplicateKey),
        Vector(#"{"":1,"":2}"#, .duplicateKey), Vector(#"[{"x":{"a":1,"a":2}}]"#, .duplicateKey),
        Vector(#"{"subject":1,"\u0073ubject":2}"#, .duplicateKey),
        Vector(#"{"\u0073ubject":1,"s\u0075bject":2}"#, .duplicateKey),
        Vector(#"{"a/b":1,"a\/b":2}"#, .duplicateKey), Vector(#"{"é":1,"\u00e9":2}"#, .duplicateKey),
        Vector(#"{"😀":1,"\ud83d\ude00":2}"#, .duplicateKey), Vector(#"{"\n":1,"\u000a":2}"#, .duplicateKey),
    ]

    @Test(arguments: duplicates)
    func `an object with two members of one name is refused, also by escapes`(vector: Vector) {
        #expect(code(vector.bytes) == vector.code)
    }

    @Test(arguments: [2, 3, 11, 12, 13, 14, 40, 1000])
    func `a repeated name is found wherever it stands among many`(count: Int) {
        for first in [0, count / 2, count - 2] {
            var names = (0..<count).map { "name-\($0)" }
            names[count - 1] = names[min(first, count - 2)]
            let text = "{" + names.map { "\"\($0)\":0" }.joined(separator: ",") + "}"
            #expect(code(Array(text.utf8)) == .duplicateKey)
        }
    }

    @Test(arguments: [2, 12, 13, 1000])
    func `a repeated name is found among many with escapes`(count: Int) {
        var names = (0..<count).map { "name-\($0)" }
        names[count - 1] = "\\u006eame-0"
        let text = "{" + names.map { "\"\($0)\":0" }.joined(separator: ",") + "}"
        #expect(code(Array(text.utf8)) == .duplicateKey)
    }

    @Test func `canonically equivalent names are two names`() throws {
        let document = try JSONDocument(Array("{\"e\u{301}\":1,\"\u{E9}\":2}".utf8))
        #expect(document.root.count == 2)
    }

    @Test(arguments: ["[", "{\"a\":", "[{\"a\":"])
    func `depth beyond the limit is refused without exhausting the stack`(opening: String) {
        let text = String(repeating: opening, count: 40_000)
        #expect(code(Array(text.utf8)) == .tooDeep)
    }

    @Test func `the deepest text within the limit is read and one level more is not`() {
        let fits = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        let exceeds = "[" + fits + "]"

        #expect(code(Array(fits.utf8)) == nil)
        #expect(code(Array(exceeds.utf8)) == .tooDeep)
    }

    @Test func `a text beyond the size limit is refused`() {
        let limits = JSONLimits(maxBytes: 10)

        #expect(code(Array("[12345678]".utf8), limits) == nil)
        #expect(code(Array("[123456789]".utf8), limits) == .tooLarge)
    }

    @Test func `an object of many names costs no quadratic time`() throws {
        // 40 000 names of one length, first and last letter: pairs would be 8·10⁸ comparisons.
        let names = (0..<40_000).map { "a\(1_000_000 + $0)z" }
        let text = "{" + names.map { "\"\($0)\":0" }.joined(separator: ",") + "}"
        let start = ContinuousClock.now

        let document = try JSONDocument(Array(text.utf8))

        #expect(document.root.count == 40_000)
        #expect(ContinuousClock.now - start < .seconds(60))
    }

    @Test func `an error names its byte and shows nothing of the text`() {
        #expect(throws: JSONSyntaxError(code: .duplicateKey, offset: 16)) {
            _ = try JSONDocument(Array(#"{"secret":"x", "secret":1}"#.utf8))
        }
        #expect(!JSONSyntaxError(code: .duplicateKey, offset: 16).summary.contains("secret"))
    }
}
