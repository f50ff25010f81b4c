import Foundation
import RequirementTraits
import Testing

/// The switches that break rules on purpose: complete, asked about, and of the debug build only (ADR 0050).
@Suite struct MutantTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// The names of the rules in one module's list.
    private static func rules(_ path: String) throws -> Set<String> {
        Set(try text(path).matches(of: /\n +case (\w+)\n/).map { String($0.1) })
    }

    /// The names that the sources of a module ask about.
    private static func asked(in module: String) throws -> Set<String> {
        let folder = root.appending(path: "Sources/\(module)")
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        var names: Set<String> = []
        for case let file as URL in files ?? .init() where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            names.formUnion(text.matches(of: /mutated\(\.(\w+)\)/).map { String($0.1) })
        }
        return names
    }

    @Test(
        .verifies("house@mutants"),
        arguments: [
            ("AccessPolicy", "Sources/AccessPolicy/Mutation/PolicyMutation.swift"),
            ("Enforcement", "Sources/Enforcement/Mutation/EnforcementMutation.swift"),
        ])
    func `each rule that can be broken is asked about where it stands`(module: String, list: String) throws {
        let rules = try Self.rules(list)

        #expect(rules.count >= 20)
        #expect(try Self.asked(in: module) == rules)
    }

    @Test(.verifies("house@mutants")) func `each rule has a test that is known to see it broken`() throws {
        let rules = try Self.rules("Sources/AccessPolicy/Mutation/PolicyMutation.swift")
            .union(try Self.rules("Sources/Enforcement/Mutation/EnforcementMutation.swift"))
        let data = try Data(contentsOf: Self.root.appending(path: "Tests/Mutants/known.json"))
        let known = try #require(try JSONSerialization.jsonObject(with: data) as? [String: String])

        #expect(rules.count >= 40)
        #expect(Set(known.keys) == rules)
    }

    @Test(.verifies("house@mutants")) func `the switch exists in debug builds only`() throws {
        let package = try Self.text("Package.swift")
        let uses = package.matches(of: /POLICY_MUTANTS/).count

        #expect(uses == 1)
        #expect(package.contains(#".define("POLICY_MUTANTS", .when(configuration: .debug))"#))
        for list in [
            "Sources/AccessPolicy/Mutation/PolicyMutation.swift",
            "Sources/Enforcement/Mutation/EnforcementMutation.swift",
        ] {
            let text = try Self.text(list)
            let outside = text.replacing(/#if POLICY_MUTANTS[\s\S]*?#(else|endif)/, with: "")
            #expect(!outside.contains("TaskLocal") && !outside.contains("active"))
        }
    }
}
