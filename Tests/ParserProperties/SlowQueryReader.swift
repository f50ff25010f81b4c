internal import Foundation
package import FHIRCore

/// A second reader of queries, by regular expressions and splitting; it shares nothing with the first but the rules.
package enum SlowQueryReader {
    /// One parameter as it was understood.
    package struct Term: Hashable, Sendable, CustomStringConvertible {
        let fullName: String
        let value: String

        package var description: String { "`\(fullName)` = `\(value)`" }

        /// A parameter of the first reader, for comparison.
        package init(_ term: SearchTerm) {
            fullName = term.fullName
            value = term.rawValue
        }

        init(fullName: String, value: String) {
            self.fullName = fullName
            self.value = value
        }

        /// Equal when the bytes are: `String` takes canonically equivalent texts for one.
        package static func == (left: Term, right: Term) -> Bool {
            Array(left.fullName.utf8) == Array(right.fullName.utf8) && Array(left.value.utf8) == Array(right.value.utf8)
        }

        /// Hashes the bytes.
        package func hash(into hasher: inout Hasher) {
            hasher.combine(Array(fullName.utf8))
            hasher.combine(Array(value.utf8))
        }
    }

    /// The parameters of a raw query; nil when it has no one meaning. The limits of the first reader are not looked at.
    package static func terms(of raw: String) -> [Term]? {
        guard !raw.isEmpty else { return [] }
        // What may stand in a query at all: visible ASCII without the characters that servers read differently.
        guard raw.wholeMatch(of: /[!$-:=?-Z\\^_a-z|~%&']+/.asciiOnlyCharacterClasses()) != nil else { return nil }
        var terms: [Term] = []
        for part in raw.components(separatedBy: "&") {
            guard let cut = part.range(of: "="),
                let name = decoded(String(part[..<cut.lowerBound])),
                let value = decoded(String(part[cut.upperBound...])), isName(name)
            else { return nil }
            terms.append(Term(fullName: name, value: value))
        }
        return terms
    }

    private static func decoded(_ text: String) -> String? {
        guard let plain = SlowPercentDecoding.decoded(text.replacingOccurrences(of: "+", with: " ")) else { return nil }
        let controls = plain.unicodeScalars.contains { $0.properties.generalCategory == .control }
        return controls ? nil : plain
    }

    // MARK: - names

    private static let typeNames = ResourceType.allCases.map(\.rawValue).sorted { $0.count > $1.count }

    /// Whether a name has the grammar of FHIR R4 search.html: a parameter, a chain of at most eight steps, a modifier.
    static func isName(_ text: String) -> Bool {
        guard text.utf8.allSatisfy({ $0 < 0x80 }),
            let first = text.prefixMatch(of: /[A-Za-z_][A-Za-z0-9_-]*/), first.output.count <= 64
        else { return false }
        return isRest(String(text[first.range.upperBound...]), after: String(first.output), steps: 0)
    }

    private static func isRest(_ rest: String, after name: String, steps: Int) -> Bool {
        if rest.isEmpty { return name != "_has" }
        guard steps < 8 else { return false }
        if name == "_has" {
            guard let link = rest.prefixMatch(of: /:([A-Za-z-]+):([A-Za-z_][A-Za-z0-9_-]*):([A-Za-z_][A-Za-z0-9_-]*)/),
                typeNames.contains(String(link.1)), link.2 != "_has", link.2.count <= 64, link.3.count <= 64
            else { return false }
            return isRest(String(rest[link.range.upperBound...]), after: String(link.3), steps: steps + 1)
        }
        if let link = rest.prefixMatch(of: /(:([A-Za-z][A-Za-z-]*))?\.([A-Za-z_][A-Za-z0-9_-]*)/) {
            guard link.3.count <= 64, link.2.map({ typeNames.contains(String($0)) }) ?? true else { return false }
            return isRest(String(rest[link.range.upperBound...]), after: String(link.3), steps: steps + 1)
        }
        guard let modifier = rest.wholeMatch(of: /:([A-Za-z][A-Za-z-]*)/) else { return false }
        return modifier.1.count <= 64
    }
}
