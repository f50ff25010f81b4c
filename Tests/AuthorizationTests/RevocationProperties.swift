import AccessPolicy
import RequirementTraits
import Testing

@testable import Authorization

/// Revocation absorbs: what was refused once is refused as long as a token can live (house rules, test pyramid).
@Suite struct RevocationProperties {
    /// SplitMix64, so that a failing case can be run again.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return value ^ (value >> 31)
        }
    }

    private static func access(_ random: inout Seeded, issuedAt now: Int64, number: Int) -> GrantedAccess {
        GrantedAccess(
            clientID: ClientID("c\(Int.random(in: 0..<3, using: &random))"),
            subject: Bool.random(using: &random) ? SubjectID("s\(Int.random(in: 0..<3, using: &random))") : nil,
            scopeText: "patient/*.rs", launch: LaunchContext(), program: .patientAccess,
            grantID: GrantID("g\(Int.random(in: 0..<6, using: &random))"), tokenID: TokenID("t\(number)"),
            issuedAt: now, expiresAt: now + Int64.random(in: 30...3600, using: &random))
    }

    private static func target(_ random: inout Seeded, tokens: Int) -> RevocationTarget {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: .grant(GrantID("g\(Int.random(in: 0..<6, using: &random))"))
        case 1: .client(ClientID("c\(Int.random(in: 0..<3, using: &random))"))
        case 2: .user(SubjectID("s\(Int.random(in: 0..<3, using: &random))"))
        default: .token(TokenID("t\(Int.random(in: 0..<max(tokens, 1), using: &random))"))
        }
    }

    /// What a revocation means, read off its text alone.
    private static func isHit(_ access: GrantedAccess, by target: RevocationTarget, at moment: Int64) -> Bool {
        switch target {
        case .grant(let id): access.grantID == id
        case .token(let id): access.tokenID == id
        case .client(let id): access.clientID == id && access.issuedAt <= moment
        case .user(let id): access.subject == id && access.issuedAt <= moment
        }
    }

    @Test(arguments: UInt64(1)...8)
    func `what was refused once is never permitted again, and only what was revoked is refused`(seed: UInt64) {
        var random = Seeded(state: seed)
        var refusals = 0
        for _ in 0..<100 {
            let state = RevocationState()
            var now: Int64 = 1_800_000_000
            var alive: [GrantedAccess] = []
            var revoked: [(target: RevocationTarget, at: Int64)] = []
            var refused: Set<TokenID> = []
            for step in 0..<40 {
                now += Int64.random(in: 0...300, using: &random)
                alive.removeAll { $0.expiresAt <= now }
                switch Int.random(in: 0..<3, using: &random) {
                case 0: alive.append(Self.access(&random, issuedAt: now, number: step))
                case 1:
                    let target = Self.target(&random, tokens: step)
                    revoked.append((target, now))
                    state.apply(
                        [Revocation(sequence: Int64(step), target: target, at: now, reason: .person)], at: now)
                default: state.forget(at: now)
                }
                for access in alive {
                    let isRefused = state.refuses(access)
                    #expect(isRefused || !refused.contains(access.tokenID), "seed \(seed): permitted again")
                    // A grant makes no token after its end, so a hit counts for tokens that were there before it.
                    let isHit = revoked.contains {
                        access.issuedAt <= $0.at && Self.isHit(access, by: $0.target, at: $0.at)
                    }
                    #expect(isRefused || !isHit, "seed \(seed): a revoked token is permitted")
                    let isNamed = revoked.contains { Self.isHit(access, by: $0.target, at: $0.at) }
                    #expect(isNamed || !isRefused, "seed \(seed): refused without a revocation")
                    if isRefused { refusals += 1 }
                    if isHit { refused.insert(access.tokenID) }
                }
            }
        }
        #expect(refusals > 1_000)
    }
}
