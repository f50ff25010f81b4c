public import AccessPolicy
public import Authorization

extension Configuration {
    /// Who must show a second factor beside those who have set one up.
    public struct SecondFactor: Hashable, Sendable {
        public var roles: [UserRole]
        public var programs: [APIProgram]
    }

    static func secondFactor(_ top: inout SettingReader) -> SecondFactor {
        var map = top.map("second-factor")
        defer { map.finish() }
        return SecondFactor(roles: words("roles", &map), programs: words("programs", &map))
    }

    /// A list of words of a closed set.
    private static func words<Word: RawRepresentable<String> & CaseIterable>(
        _ key: String, _ map: inout SettingReader
    ) -> [Word] {
        let texts = map.texts(key)
        let words = texts.compactMap(Word.init(rawValue:))
        if words.count != texts.count {
            let all = Word.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
            map.fail(key, "may hold \(all)")
        }
        return words
    }
}

extension Configuration.SecondFactor {
    /// The policy of the authorization server.
    var policy: SecondFactorPolicy {
        SecondFactorPolicy(roles: Set(roles), programs: Set(programs))
    }

    /// What the audit trail keeps of it.
    var description: String {
        "second-factor roles: \(roles.map(\.rawValue).sorted()), programs: \(programs.map(\.rawValue).sorted())"
    }
}
