internal import AccessPolicy
internal import FHIRCore

/// One line of an access log in the combined format, with the fields that `docs/mirror.md` names behind it.
struct AccessLogLine: Hashable, Sendable {
    let address: String
    /// Milliseconds since 1970 UTC.
    let time: Int64
    let method: String
    /// Path and query as they were sent.
    let target: String
    let status: Int
    /// The fields behind the combined ones, by name: `authorization`, or `client`, `scope`, `patient`, `fhir_user`.
    let fields: [String: String]

    /// Reads a line; nil when it has another form.
    init?(_ line: String) {
        var scanner = LogScanner(line)
        guard let address = scanner.word(), scanner.word() != nil, scanner.word() != nil,
            let timeText = scanner.enclosed("[", "]"), let time = Self.time(timeText),
            let request = scanner.enclosed("\"", "\""), let status = scanner.word().flatMap({ Int($0) }),
            scanner.word() != nil
        else { return nil }
        let parts = request.split(separator: " ")
        guard parts.count == 3, parts[2].hasPrefix("HTTP/") else { return nil }
        // Referrer and user agent, where they are there.
        _ = scanner.enclosed("\"", "\"")
        _ = scanner.enclosed("\"", "\"")
        var fields: [String: String] = [:]
        while let (name, value) = scanner.field() { if value != "-", !value.isEmpty { fields[name] = value } }
        self.address = address
        self.time = time
        method = String(parts[0])
        target = String(parts[1])
        self.status = status
        self.fields = fields
    }

    /// The token's facts as the line states them, for logs that have no tokens; nil when it names no client.
    func access(program: APIProgram) -> GrantedAccess? {
        guard let client = fields["client"] else { return nil }
        var launch = LaunchContext()
        launch.patient = fields["patient"].flatMap { ResourceID($0) }
        if let user = fields["fhir_user"], case .relative(let key, nil) = LiteralReference(user) {
            launch.fhirUser = key
        }
        return GrantedAccess(
            clientID: ClientID(client), subject: nil, scopeText: fields["scope"] ?? "", launch: launch,
            program: program, grantID: GrantID("log"), tokenID: TokenID("log"), issuedAt: time / 1000,
            expiresAt: time / 1000 + 60)
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `25/Nov/2026:18:30:00 +0000`
    private static func time(_ text: String) -> Int64? {
        let halves = text.split(separator: " ")
        guard halves.count == 2 else { return nil }
        let parts = halves[0].split { $0 == "/" || $0 == ":" }
        guard parts.count == 6, let day = Int64(parts[0]), let month = months.firstIndex(of: String(parts[1])),
            let year = Int64(parts[2]), let hour = Int64(parts[3]), let minute = Int64(parts[4]),
            let second = Int64(parts[5]), (1970...9999).contains(year), (1...31).contains(day),
            (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        let zone = halves[1]
        guard zone.count == 5, let digits = Int64(zone.dropFirst()), digits >= 0, digits % 100 < 60,
            zone.hasPrefix("+") || zone.hasPrefix("-")
        else { return nil }
        let offset = (digits / 100 * 60 + digits % 100) * (zone.hasPrefix("-") ? -1 : 1)
        // Days from 1 March of year 0, so that the leap day is a year's last.
        let shifted = month < 2 ? year - 1 : year
        let dayOfYear = (153 * Int64((month + 10) % 12) + 2) / 5 + day - 1
        let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
        return ((days * 24 + hour) * 60 + minute - offset) * 60_000 + second * 1000
    }
}

/// A cursor over a line.
private struct LogScanner {
    private var rest: Substring

    init(_ line: String) { rest = line[...] }

    private mutating func skipBlanks() { rest = rest.drop { $0 == " " } }

    mutating func word() -> String? {
        skipBlanks()
        let word = rest.prefix { $0 != " " }
        rest = rest.dropFirst(word.count)
        return word.isEmpty ? nil : String(word)
    }

    /// A text between two marks; nothing is taken when the first is not there. `\xHH` stands for a byte.
    mutating func enclosed(_ open: Character, _ close: Character) -> String? {
        skipBlanks()
        guard rest.first == open else { return nil }
        let inner = rest.dropFirst()
        guard let end = inner.firstIndex(of: close) else { return nil }
        rest = inner[inner.index(after: end)...]
        return LogScanner.unescaped(inner[..<end])
    }

    /// `name="value"`
    mutating func field() -> (String, String)? {
        skipBlanks()
        guard let equals = rest.firstIndex(of: "=") else { return nil }
        let name = String(rest[..<equals])
        rest = rest[rest.index(after: equals)...]
        guard let value = enclosed("\"", "\"") else { return nil }
        return (name, value)
    }

    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "x"), rest.count >= 3,
                let value = UInt8(String(decoding: rest.dropFirst().prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
