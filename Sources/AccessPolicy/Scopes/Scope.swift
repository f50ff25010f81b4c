public import FHIRCore

/// One token of an OAuth `scope` parameter, understood as far as SMART on FHIR defines it.
public enum Scope: Hashable, Sendable {
    /// Access to FHIR resources.
    case resource(ResourceScope)
    /// `launch`: the context of an EHR launch.
    case launch
    /// `launch/type`: a context to be chosen, with an optional role.
    case launchContext(ResourceType, role: String?)
    /// `openid`.
    case openid
    /// `fhirUser`.
    case fhirUser
    /// `profile`, the SMART 1.0 spelling of `fhirUser`.
    case profile
    /// `offline_access`.
    case offlineAccess
    /// `online_access`.
    case onlineAccess
    /// An absolute URI, a `__` name, or a known literal that is not for the FHIR API; kept, never granting.
    case `extension`(String)
    /// A scope that nobody here defines; kept for the record, never granting.
    case unrecognised(String)
    /// Begins like a resource scope and is not one: a request with it is `invalid_scope`.
    case malformed(String)

    /// Reads one scope token. Every text has exactly one reading, and `text` gives it back.
    public init(parsing text: String) {
        if let word = Scope.words[text] {
            self = word
        } else if ScopeLevel.allCases.contains(where: { text.hasPrefix($0.rawValue + "/") }) {
            // The Bulk Data submit scope has no dot and is not a resource scope; everything else here must be one.
            if text == "system/bulk-submit" {
                self = .extension(text)
            } else {
                self = ResourceScope(parsing: text).map(Scope.resource) ?? .malformed(text)
            }
        } else if text.hasPrefix("launch/") {
            self = Scope(launchContext: text.dropFirst("launch/".count)) ?? .unrecognised(text)
        } else if Scope.isExtension(text) {
            self = .extension(text)
        } else {
            self = .unrecognised(text)
        }
    }

    /// The scope as it was written.
    public var text: String {
        switch self {
        case .resource(let scope): scope.text
        case .launch: "launch"
        case .launchContext(let type, let role):
            "launch/" + type.rawValue.lowercased() + (role.map { "?role=" + $0 } ?? "")
        case .openid: "openid"
        case .fhirUser: "fhirUser"
        case .profile: "profile"
        case .offlineAccess: "offline_access"
        case .onlineAccess: "online_access"
        case .extension(let text), .unrecognised(let text), .malformed(let text): text
        }
    }

    /// The resource scope, if this is one.
    public var resourceScope: ResourceScope? {
        guard case .resource(let scope) = self else { return nil }
        return scope
    }

    private static let words: [String: Scope] = [
        "launch": .launch, "openid": .openid, "fhirUser": .fhirUser, "profile": .profile,
        "offline_access": .offlineAccess, "online_access": .onlineAccess,
    ]

    /// `launch/` types are written in lower case (SMART 2.2 scopes, standalone launch context).
    private static let launchTypes = Dictionary(
        uniqueKeysWithValues: ResourceType.allCases.map { ($0.rawValue.lowercased(), $0) })

    private init?(launchContext text: some StringProtocol) {
        let pieces = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let type = Scope.launchTypes[String(pieces[0])] else { return nil }
        guard pieces.count == 2 else {
            self = .launchContext(type, role: nil)
            return
        }
        guard pieces[1].hasPrefix("role=") else { return nil }
        let role = pieces[1].dropFirst("role=".count)
        guard !role.isEmpty, !role.contains("&"), !role.contains("?") else { return nil }
        self = .launchContext(type, role: String(role))
    }

    private static func isExtension(_ text: String) -> Bool {
        if text.hasPrefix("__") { return text.utf8.count > 2 }
        // RFC 3986 §4.3: a scheme, a colon, something after it.
        guard let colon = text.firstIndex(of: ":"), text.index(after: colon) < text.endIndex,
            let first = text.utf8.first, isLetter(first)
        else { return false }
        return text[..<colon].utf8.allSatisfy {
            isLetter($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-")
                || $0 == UInt8(ascii: ".")
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}

extension Scope {
    /// Whether it reaches kinds of record that nobody has thought of, by what it means and however it is written:
    /// `system/*`, or a wildcard that writes (decision 22).
    public var isRiskyWildcard: Bool {
        guard let scope = resourceScope, scope.target == .all else { return false }
        return scope.level == .system || !scope.permissions.isDisjoint(with: [.create, .update, .delete])
    }
}
