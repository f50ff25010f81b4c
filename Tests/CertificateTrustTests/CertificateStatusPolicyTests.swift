import CertificateTrust
import ChaperoneTesting
import RequirementTraits
import Testing

/// What the status of a path is worth: a table and what holds for all of it.
@Suite struct CertificateStatusPolicyTests {
    typealias Policy = CertificateStatusPolicy

    static let evidence: [Policy.Evidence] = [[], [.good], [.withdrawn], [.good, .withdrawn]].flatMap { findings in
        [true, false].map { Policy.Evidence(findings: findings, hasSource: $0) }
    }

    /// Every path of up to three certificates.
    static let paths: [[Policy.Evidence]] = {
        var paths: [[Policy.Evidence]] = [[]]
        var longest = paths
        for _ in 0..<3 {
            longest = longest.flatMap { path in evidence.map { path + [$0] } }
            paths += longest
        }
        return paths
    }()

    @Test(
        .verifies("house@certificates-withdrawn"),
        arguments: [
            ([], true, .unknown(.nothingCurrent)), ([], false, .unknown(.noSource)), ([.good], true, .good),
            ([.good], false, .good), ([.withdrawn], true, .withdrawn), ([.withdrawn], false, .withdrawn),
            ([.good, .withdrawn], true, .withdrawn), ([.withdrawn, .good], false, .withdrawn),
        ] as [([StatusFinding], Bool, Policy.Status)])
    func `one certificate is good where somebody says so and nobody says otherwise`(
        _ findings: [StatusFinding], _ hasSource: Bool, _ expected: Policy.Status
    ) {
        #expect(Policy.status(of: [.init(findings: findings, hasSource: hasSource)]) == expected)
    }

    @Test(
        .verifies("house@certificates-withdrawn"),
        arguments: [
            (.good, .required, true), (.good, .whenAvailable, true), (.good, .off, true),
            (.withdrawn, .required, false), (.withdrawn, .whenAvailable, false), (.withdrawn, .off, false),
            (.unknown(.noSource), .required, false), (.unknown(.noSource), .whenAvailable, true),
            (.unknown(.noSource), .off, true), (.unknown(.nothingCurrent), .required, false),
            (.unknown(.nothingCurrent), .whenAvailable, true), (.unknown(.nothingCurrent), .off, true),
        ] as [(Policy.Status, Policy.Demand, Bool)])
    func `what is withdrawn is refused whatever is demanded, what is unknown where a status is`(
        _ status: Policy.Status, _ demand: Policy.Demand, _ isAccepted: Bool
    ) {
        #expect(Policy.accepts(status, demanding: demand) == isAccepted)
    }

    @Test func `every certificate of a path counts`() {
        for path in Self.paths {
            let status = Policy.status(of: path)

            #expect((status == .withdrawn) == path.contains { $0.findings.contains(.withdrawn) })
            #expect((status == .good) == path.allSatisfy { $0.findings == [.good] })
        }
    }

    @Test func `knowing that something was withdrawn never lets more in, and knowing less never does where it counts`()
    {
        for path in Self.paths {
            for index in path.indices {
                var worse = path
                worse[index].findings.append(.withdrawn)
                for demand in Policy.Demand.allCases {
                    #expect(!Policy.accepts(Policy.status(of: worse), demanding: demand))
                }
                var less = path
                less[index].findings.removeAll { $0 == .good }
                #expect(!Policy.accepts(Policy.status(of: less), demanding: .required))
            }
        }
    }
}
