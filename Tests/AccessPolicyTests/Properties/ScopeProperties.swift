import AccessPolicy
import FHIRCore
import Testing

/// Theorems about scopes and sets of them.
@Suite(.underMutation) struct ScopeProperties {
    static let seeds: [UInt64] = [1, 2, 3, 4]

    @Test(arguments: seeds) func `printing a scope and parsing it gives the same scope`(seed: UInt64) {
        var cases = RandomCases(seed: seed)
        for _ in 0..<PropertyRun.cases(10_000) {
            let text = cases.scope()
            let scope = Scope(parsing: text)
            #expect(scope.text == text)
            #expect(Scope(parsing: scope.text) == scope)
        }
    }

    @Test(arguments: seeds) func `any text has one reading that prints it again`(seed: UInt64) {
        var cases = RandomCases(seed: seed)
        for _ in 0..<PropertyRun.cases(12_500) {
            var bytes = Array(cases.scope().utf8)
            for _ in 0..<Int.random(in: 1...3, using: &cases.random) {
                let place = Int.random(in: 0..<bytes.count, using: &cases.random)
                bytes[place] = UInt8.random(in: 0x21...0x7E, using: &cases.random)
            }
            let text = String(decoding: bytes, as: UTF8.self)
            let scope = Scope(parsing: text)
            #expect(scope.text == text)
            if case .malformed = scope { #expect(HeldScope(text) == nil) }
        }
    }

    @Test(arguments: seeds) func `an intersection permits nothing that either side does not`(seed: UInt64) throws {
        var cases = RandomCases(seed: seed)
        for _ in 0..<PropertyRun.cases(1_000) {
            let asked = try ScopeSet(parsing: cases.scopes(3).joined(separator: " "))
            let ceiling = try ScopeSet(parsing: cases.scopes(4).joined(separator: " "))
            let granted = asked.intersection(ceiling)
            #expect(asked.covers(granted), "\(asked.text) ∩ \(ceiling.text) = \(granted.text)")
            #expect(ceiling.covers(granted), "\(asked.text) ∩ \(ceiling.text) = \(granted.text)")
            #expect(asked.intersection(asked.union(ceiling)).isEmpty == asked.isEmpty)
        }
    }

    @Test(arguments: seeds) func `the canonical form permits the same and is its own canonical form`(seed: UInt64)
        throws
    {
        var cases = RandomCases(seed: seed)
        for _ in 0..<PropertyRun.cases(1_000) {
            let set = try ScopeSet(parsing: cases.scopes(4).joined(separator: " "))
            let canonical = set.canonical
            #expect(set.covers(canonical), "\(set.text) → \(canonical.text)")
            #expect(canonical.covers(set), "\(set.text) → \(canonical.text)")
            #expect(canonical.canonical == canonical)
            #expect(try ScopeSet(parsing: canonical.text) == canonical)
            #expect(ScopeSet(set.scopes.reversed()).canonical == canonical)
        }
    }

    @Test(arguments: seeds) func `a scope of version 1 and its form in version 2 cover each other`(seed: UInt64) throws
    {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<PropertyRun.cases(1_000) {
            let head = random.pick(["patient", "user", "system"]) + "/" + random.pick(RandomCases.types) + "."
            let (old, new) = random.pick([("read", "rs"), ("write", "cud"), ("*", "cruds")])
            let first = try ScopeSet(parsing: head + old)
            let second = try ScopeSet(parsing: head + new)
            #expect(first.covers(second) && second.covers(first))
            #expect(first.canonical == second.canonical)
        }
    }
}
