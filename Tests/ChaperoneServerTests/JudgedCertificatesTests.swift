import CertificateTrust
import ChaperoneTesting
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// What is remembered of certificates, and for whom room is made.
@Suite struct JudgedCertificatesTests {
    @Test(.verifies("house@certificates-withdrawn"))
    func `no certificate that is shown makes one be forgotten that was withdrawn`() throws {
        let fixtures = try StatusFixtures()
        let authorities = try #require(CertificateAuthorities(pem: try fixtures.pem("root")))
        let path = try #require(authorities.path(from: try fixtures.client("leaf"), at: StatusFixtures.now))
        func entry(_ isWithdrawn: Bool, path: CertificatePath? = nil, generation: Int = 1) -> JudgedCertificates.Entry {
            .init(path: path, isWithdrawn: isWithdrawn, generation: generation, until: 1000)
        }
        var judged = JudgedCertificates(limit: 20)
        judged.note("known", entry(true, path: path), at: 0)

        for number in 0..<100 { judged.note("good \(number)", entry(false), at: 0) }
        for number in 0..<100 { judged.note("named \(number)", entry(true), at: 0) }

        #expect(judged["known"]?.isWithdrawn == true)
        #expect(judged.count <= 40)
        #expect(judged["good 99"]?.isWithdrawn == false && judged["named 99"]?.isWithdrawn == true)
        // What was found out under older lists does not bring it back; under the same or newer ones it does.
        judged.note("known", entry(false, path: path, generation: 0), at: 0)
        #expect(judged["known"]?.isWithdrawn == true)
        judged.note("known", entry(false, path: path, generation: 2), at: 0)
        #expect(judged["known"]?.isWithdrawn == false)
        judged.renew("known", isWithdrawn: true, generation: 3, at: 0)
        judged.renew("known", isWithdrawn: false, generation: 3, at: 0)
        #expect(judged["known"]?.isWithdrawn == true)
        // They have a bound of their own.
        for number in 0..<100 { judged.note("path \(number)", entry(true, path: path), at: 0) }
        #expect(judged.count <= 40 && judged["path 99"]?.isWithdrawn == true)
    }
}
