internal import AccessPolicy
public import FHIRCore

extension Explanation {
    /// The explanation as a document: for the admin side, the command line and the demo's header.
    public var json: JSONValue {
        Self.object([
            ("verdict", .string(verdict.rawValue)), ("reason", text(reason)),
            ("status", status.map { .int(Int64($0)) }), ("parameter", text(parameter)),
            ("sufficientScopes", list(sufficientScopes)), ("client", text(access?.clientID.text)),
            ("subject", text(access?.subject?.text)), ("patient", text(access?.launch.patient?.text)),
            ("fhirUser", text(access?.launch.fhirUser?.description)), ("program", text(access?.program.rawValue)),
            ("grant", text(access?.grantID.text)), ("expiresAt", access.map { .int($0.expiresAt) }),
            ("scopes", access.map { .array($0.scopes.map { .string($0.text) }) }),
            ("interaction", text(request?.interaction.code)), ("type", text(request?.interaction.type?.rawValue)),
            ("instance", text(request?.interaction.instance?.description)),
            ("determining", determining.isEmpty ? nil : .array(determining.map(\.json))),
            ("asked", text(request?.query.encoded)), ("forwarded", text(forwarded)),
            ("narrowed", forwarded == nil ? nil : .bool(isNarrowed)),
            ("narrowingIsExact", narrowingIsExact.map { .bool($0) }), ("readFirst", text(readFirst?.description)),
            ("resources", resources.isEmpty ? nil : .array(resources.map(\.json))),
            ("entries", entries.isEmpty ? nil : .array(entries.map(\.json))),
        ])
    }

    /// The document as the value of a header field: in ASCII, and without what would make it too long for one.
    var headerValue: String {
        let whole = Self.ascii(json)
        guard whole.utf8.count > Self.longestHeader else { return whole }
        return Self.ascii(
            Self.object([
                ("verdict", .string(verdict.rawValue)), ("reason", text(reason)),
                ("status", status.map { .int(Int64($0)) }), ("truncated", true),
            ]))
    }

    /// Proxies take header blocks of 8 kB by default.
    private static let longestHeader = 4096

    private static func ascii(_ json: JSONValue) -> String {
        var result = ""
        for unit in json.text.utf16 {
            if (0x20...0x7E).contains(unit) {
                result.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            } else {
                let digits = String(unit, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return result
    }

    private func text(_ text: String?) -> JSONValue? { text.flatMap { $0.isEmpty ? nil : .string($0) } }

    private func list(_ texts: [String]) -> JSONValue? {
        texts.isEmpty ? nil : .array(texts.map { .string($0) })
    }

    fileprivate static func object(_ members: [(String, JSONValue?)]) -> JSONValue {
        .object(members.compactMap { name, value in value.map { JSONMemberValue(name, $0) } })
    }
}

extension Explanation.Determining {
    fileprivate var json: JSONValue {
        let reach: JSONValue =
            switch boundary {
            case .none: "nobody"
            case .everyone: "everyone"
            case .patients(let ids): .array(ids.map(\.text).sorted().prefix(Self.mostShown).map { .string($0) })
            }
        return Explanation.object([("scope", .string(scope)), ("patients", reach)])
    }

    /// A panel can have thousands.
    private static var mostShown: Int { 50 }
}

extension Explanation.ResourceVerdict {
    fileprivate var json: JSONValue {
        Explanation.object([
            ("resource", .string(resource)), ("role", .string(role.rawValue)), ("admission", .string(admission)),
            ("edits", edits == 0 ? nil : .int(Int64(edits))), ("reason", reason.map { .string($0) }),
        ])
    }
}
