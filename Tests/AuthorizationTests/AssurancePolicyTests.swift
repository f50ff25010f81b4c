import AccessPolicy
import OAuthCore
import RequirementTraits
import Testing

@testable import Authorization

/// Whether a sign-in is enough, decided.
@Suite struct AssurancePolicyTests {
    static let issuer = "https://idp.example"

    static func proved(_ context: String?, _ methods: [String] = [], at issuer: String = issuer)
        -> AuthenticationContext
    {
        AuthenticationContext(classReference: context, methods: methods, witness: .provider(issuer: issuer))
    }

    static func unknown(_ context: String?, _ methods: [String]) -> AuthenticationContext {
        AuthenticationContext(classReference: context, methods: methods, witness: .unknown)
    }

    static let policy = AssurancePolicy(
        minimum: AssuranceRules(programs: ["patient-access": "urn:mid"], scopes: ["offline_access": "urn:high"]),
        secondFactor: SecondFactorPolicy(roles: [.clinician], programs: [.providerAccess]),
        providers: [
            issuer: ProviderAssurance(
                contextOrder: ["urn:low", "urn:mid", "urn:high"],
                secondFactor: SecondFactorEvidence(contexts: ["urn:high"]))
        ])

    struct Row: Sendable {
        let proved: AuthenticationContext?
        let contexts: Set<String>
        let secondFactor: Bool
        let finding: SignInFinding

        init(_ proved: AuthenticationContext?, _ contexts: Set<String>, _ secondFactor: Bool, _ finding: SignInFinding)
        {
            (self.proved, self.contexts, self.secondFactor, self.finding) = (proved, contexts, secondFactor, finding)
        }
    }

    static let rows = [
        // Nothing is known: nothing is met.
        Row(nil, ["urn:low"], false, .tooWeak), Row(nil, [], true, .tooWeak),
        Row(unknown("urn:high", ["mfa"]), ["urn:low"], false, .tooWeak),
        Row(unknown("urn:high", ["mfa"]), [], true, .tooWeak),
        Row(unknown(AuthenticationContext.secondFactorClass, ["pwd", "otp", "mfa"]), [], true, .tooWeak),
        // A password of this server has no context; a code of it is two factors.
        Row(.password, ["urn:low"], false, .tooWeak), Row(.oneTimePassword, ["urn:low"], false, .tooWeak),
        Row(.oneTimePassword, ["urn:low"], true, .tooWeak), Row(.password, ["urn:low"], true, .tooWeak),
        Row(.password, [], true, .secondFactorMissing), Row(.oneTimePassword, [], true, .enough),
        Row(.recoveryCode, [], true, .enough),
        // A provider that is not configured, by a word that another one's would be worth something.
        Row(proved("urn:high", ["mfa"], at: "https://other.example"), ["urn:low"], false, .tooWeak),
        Row(proved("urn:high", ["mfa"], at: "https://other.example"), [], true, .tooWeak),
        Row(proved("urn:high", ["mfa"], at: issuer + "/"), [], true, .tooWeak),
        // The contexts of one that is.
        Row(proved(nil), ["urn:low"], false, .tooWeak), Row(proved("urn:other"), ["urn:low"], false, .tooWeak),
        Row(proved("urn:low"), ["urn:mid"], false, .tooWeak), Row(proved("urn:mid"), ["urn:mid"], false, .enough),
        Row(proved("urn:high"), ["urn:mid"], false, .enough),
        Row(proved("urn:mid"), ["urn:low", "urn:high"], false, .tooWeak),
        Row(proved("urn:high"), ["urn:low", "urn:high"], false, .enough),
        Row(proved("urn:high"), ["urn:elsewhere"], false, .tooWeak),
        // Its two factors. A local class that a provider says is not ours.
        Row(proved("urn:mid", ["pwd", "otp"]), [], true, .tooWeak), Row(proved("urn:mid", ["mfa"]), [], true, .enough),
        Row(proved("urn:high", ["pwd"]), [], true, .enough),
        Row(proved(AuthenticationContext.secondFactorClass, ["pwd"]), [], true, .tooWeak),
        Row(proved("urn:low", ["mfa"]), ["urn:mid"], true, .tooWeak),
        Row(proved("urn:mid", ["pwd"]), ["urn:mid"], true, .tooWeak),
        Row(proved("urn:mid", ["mfa"]), ["urn:mid"], true, .enough),
    ]

    @Test(.verifies("house@ASSURANCE-TODAY"), arguments: rows)
    func `a sign-in is held against what is demanded`(_ row: Row) {
        let demands = SignInDemands(contexts: row.contexts, secondFactor: row.secondFactor)
        #expect(Self.policy.finding(row.proved, against: demands) == row.finding)
        // Where nothing is demanded anything is enough, but for the word of a provider that is not configured.
        let isVouched =
            if case .provider(let issuer)? = row.proved?.witness { issuer == Self.issuer } else { true }
        #expect(Self.policy.finding(row.proved, against: SignInDemands()) == (isVouched ? .enough : .tooWeak))
    }

    @Test(.verifies("house@ASSURANCE-TODAY"), arguments: rows)
    func `a further demand never makes enough of what was not`(_ row: Row) {
        let demands = SignInDemands(contexts: row.contexts, secondFactor: row.secondFactor)
        guard Self.policy.finding(row.proved, against: demands) != .enough else { return }
        for context in ["urn:low", "urn:mid", "urn:high", "urn:elsewhere"] {
            let more = SignInDemands(contexts: row.contexts.union([context]), secondFactor: true)
            #expect(Self.policy.finding(row.proved, against: more) != .enough)
        }
    }

    @Test func `everything that is demanded is put together`() throws {
        let lasting = [Scope.offlineAccess]
        #expect(Self.policy.demands(roles: []) == SignInDemands())
        #expect(Self.policy.demands(programs: [.patientAccess], roles: []) == SignInDemands(contexts: ["urn:mid"]))
        #expect(
            Self.policy.demands(programs: [.patientAccess], scopes: lasting, roles: [.member])
                == SignInDemands(contexts: ["urn:mid", "urn:high"]))
        #expect(
            Self.policy.demands(programs: [.patientAccess, .providerAccess], roles: [])
                == SignInDemands(contexts: ["urn:mid"], secondFactor: true))
        #expect(Self.policy.demands(roles: [.member, .clinician]) == SignInDemands(secondFactor: true))
        #expect(Self.policy.demands(roles: [], isAsked: true) == SignInDemands(secondFactor: true))
    }

    // MARK: - what says two factors

    @Test(
        .verifies("house@SECOND-FACTOR-ELSEWHERE"),
        arguments: [
            (nil, []), (nil, ["pwd"]), (nil, ["otp"]), (nil, ["pwd", "otp"]), (nil, ["pwd", "sms"]),
            (nil, ["hwk", "fpt"]), (nil, ["mca"]), (nil, ["MFA"]), ("urn:mfa", ["pwd"]), ("mfa", []), ("", [""]),
        ] as [(String?, [String])])
    func `without a setting nothing but mfa says two factors`(_ context: String?, _ methods: [String]) {
        #expect(!SecondFactorEvidence().isGiven(by: Self.proved(context, methods)))
        #expect(SecondFactorEvidence().isGiven(by: Self.proved(context, methods + ["mfa"])))
    }

    @Test(
        .verifies("house@SECOND-FACTOR-ELSEWHERE"),
        arguments: [
            (["pwd", "otp"], true), (["pin", "hwk"], true), (["kba", "sms"], true), (["pwd", "fpt"], true),
            (["sc", "pin"], true), (["swk", "face"], true), (["tel", "vbm"], true), (["iris", "pwd"], true),
            (["pwd", "user", "otp"], true), (["retina", "hwk"], true),
            (["pwd", "pin"], false), (["pwd", "kba"], false), (["otp", "sms"], false), (["hwk", "swk"], false),
            (["otp", "otp"], false), (["face", "fpt"], false), (["pwd", "user"], false), (["pwd", "geo"], false),
            (["pwd", "rba"], false), (["pwd", "mca"], false), (["pwd", "wia"], false), (["pwd", "unheard-of"], false),
            (["pwd"], false), ([], false), (["PWD", "OTP"], false), (["pwd otp"], false),
        ])
    func `where kinds count, two methods must be of different kinds`(_ methods: [String], _ isGiven: Bool) {
        let evidence = SecondFactorEvidence(methods: [], countsKinds: true)
        #expect(evidence.isGiven(by: Self.proved(nil, methods)) == isGiven)
        #expect(!SecondFactorEvidence(methods: []).isGiven(by: Self.proved(nil, methods)))
    }

    @Test(.verifies("house@SECOND-FACTOR-ELSEWHERE"))
    func `what the operator names counts, letter by letter, and mfa no more where it is not named`() {
        let evidence = SecondFactorEvidence(contexts: ["urn:mfa"], methods: ["ngcmfa"])
        #expect(evidence.isGiven(by: Self.proved("urn:mfa", [])))
        #expect(evidence.isGiven(by: Self.proved(nil, ["pwd", "ngcmfa"])))
        for context in ["urn:mfa ", "URN:MFA", "urn:mfa2", "ngcmfa"] {
            #expect(!evidence.isGiven(by: Self.proved(context, ["pwd", "mfa", "urn:mfa"])))
        }
    }

    // MARK: - what a provider is asked for

    private static func asked(
        _ contexts: [String], order: [String] = [], evidence: Set<String> = [], _ demands: SignInDemands
    ) -> [String] {
        ProviderDouble.provider(
            contextOrder: order, contexts: contexts, secondFactor: SecondFactorEvidence(contexts: evidence)
        ).contexts(meeting: demands)
    }

    @Test func `a provider is asked for each context once, and for nothing that would not do`() {
        let order = ["low", "mid", "high"]
        let nothing = SignInDemands()
        let factor = SignInDemands(secondFactor: true)
        #expect(Self.asked(["a", "b", "a"], nothing) == ["a", "b"])
        #expect(
            Self.asked(["low", "other"], order: order, SignInDemands(contexts: ["mid"])) == ["mid", "high", "other"])
        #expect(
            Self.asked(["high", "high"], order: order, SignInDemands(contexts: ["low", "mid"])) == ["mid", "high"])
        #expect(Self.asked(["low"], order: order, SignInDemands(contexts: ["elsewhere"])) == [])
        // Two factors that are said by amr only: the usual contexts are asked for.
        #expect(Self.asked(["a"], factor) == ["a"])
        #expect(Self.asked(["a", "m"], evidence: ["m", "n"], factor) == ["m"])
        #expect(Self.asked(["a"], evidence: ["m", "n"], factor) == ["m", "n"])
        #expect(
            Self.asked([], order: order, evidence: ["high"], SignInDemands(contexts: ["mid"], secondFactor: true))
                == ["high"])
        #expect(
            Self.asked([], order: order, evidence: ["low"], SignInDemands(contexts: ["mid"], secondFactor: true))
                == ["mid", "high"])
    }

    @Test(arguments: [
        ([AuthenticationContext.secondFactorClass, AuthenticationContext.secondFactorClass], true),
        ([AuthenticationContext.secondFactorClass, "urn:nothing", AuthenticationContext.secondFactorClass], true),
        ([AuthenticationContext.secondFactorClass, AuthenticationContext.passwordClass], false),
        ([AuthenticationContext.passwordClass, AuthenticationContext.passwordClass], false), ([], false),
    ])
    func `a class that an app names twice is named`(_ values: [String], _ isAsked: Bool) {
        #expect(SecondFactorPolicy.isAsked(by: values) == isAsked)
    }

    // MARK: - whose address it is

    @Test(
        .verifies("house@PROVIDER-DOCUMENT"),
        arguments: [
            ("https://idp.example/keys", true), ("https://idp.example:443/keys", true), ("https://idp.example", true),
            ("https://idp.example?x", true), ("https://named.example:8443/keys", true),
            ("http://idp.example/keys", false), ("https://idp.example:8443/keys", false),
            ("https://keys.idp.example/keys", false), ("https://idp.example.evil/keys", false),
            ("https://IDP.example/keys", false), ("https://idp.example@evil/keys", false),
            ("https://evil/idp.example", false), ("https://idp.example\\@evil/keys", false),
            ("https://idp.example:443@evil/keys", false), ("https://idp.example:/keys", false),
            ("https://idp.example:00443x/keys", false), ("https://[idp.example]/keys", false),
            ("https://idp.example%2Fevil/keys", false), ("https://169.254.169.254/latest", false),
            ("https://sub.named.example/keys", false), ("ftp://idp.example/keys", false), ("", false),
        ])
    func `an address is the operator's word at the issuer's origin and at named hosts only`(
        _ url: String, _ isTrusted: Bool
    ) {
        let provider = ProviderDouble.provider(documentHosts: ["named.example"])
        #expect(provider.trust(in: url) == (isTrusted ? .configured : .client))
    }

    @Test func `an origin with a port or a literal is compared whole`() {
        let near = ProviderDouble.provider(issuer: "http://127.0.0.1:9000/realm")
        #expect(near.trust(in: "http://127.0.0.1:9000/keys") == .configured)
        #expect(near.trust(in: "http://127.0.0.1:9001/keys") == .client)
        #expect(near.trust(in: "https://127.0.0.1:9000/keys") == .client)
        let six = ProviderDouble.provider(issuer: "https://[fd00::1]:8443")
        #expect(six.trust(in: "https://[fd00::1]:8443/keys") == .configured)
        #expect(six.trust(in: "https://[fd00::2]:8443/keys") == .client)
        #expect(six.trust(in: "https://fd00::1:8443/keys") == .client)
    }
}
