import AccessPolicy
import ChaperoneTesting
import FHIRCore
import OAuthCore
import Testing

@testable import Authorization

/// A course through the server at whose end there are tokens.
enum RaceCourse: String, CaseIterable, Sendable {
    case exchange, rotation, renewal, consent, recalled, launch, service

    /// The store's write that decides whether there are.
    var decidingWrite: String {
        switch self {
        case .exchange: "redeem"
        case .rotation: "rotate"
        case .renewal: "use"
        case .consent, .recalled, .launch: "issue"
        case .service: "insert grant"
        }
    }

    var client: String {
        switch self {
        case .renewal: "confidential"
        case .service: "service"
        case .exchange, .rotation, .consent, .recalled, .launch: "app"
        }
    }

    var authorization: String? {
        self == .renewal ? LaunchHarness.basic("confidential", "confidential-secret") : nil
    }

    /// What stands before the course: the tokens that there are already, and the way to go.
    struct Start: Sendable {
        var tokens: [TokenResponse] = []
        let go: @Sendable () async throws -> [TokenResponse]
    }

    func prepare(_ harness: LaunchHarness, number: Int) async throws -> Start {
        switch self {
        case .exchange:
            let code = try await harness.launch()
            return Start { [try await harness.exchange(code).response].compactMap { $0 } }
        case .rotation, .renewal:
            let code = try await harness.launch(["client_id": client])
            let first = try #require(
                try await harness.exchange(code, ["client_id": client], authorization: authorization).response)
            let token = try #require(first.refreshToken).reveal()
            return Start(tokens: [first]) {
                [try await harness.refresh(token, client: client, authorization: authorization).response]
                    .compactMap { $0 }
            }
        case .consent:
            let (page, session) = try await harness.reachConsent()
            return Start {
                try await Self.tokens(harness, of: try await harness.decide(page, session: session))
            }
        case .recalled:
            // What a suspension left remembered would answer.
            let (page, session) = try await harness.reachConsent(["prompt": "consent"])
            var fields = [("decision", "allow"), ("remember", "yes")]
            for item in page.offer.items {
                fields += [(item.field, item.value)] + item.parts.map { ($0.field, $0.value) }
            }
            let given = await harness.server.interaction.consent(
                transaction: page.transaction, form: try LaunchHarness.form(fields), session: session,
                from: harness.source)
            let first = try await Self.tokens(harness, of: given)
            #expect(first.count == 1)
            return Start(tokens: first) {
                try await Self.tokens(harness, of: try await harness.begin(session: session))
            }
        case .launch:
            return Start {
                var answer = try await harness.begin()
                guard let login = answer.login, let visit = answer.newCookie else { return [] }
                answer = await harness.server.interaction.login(
                    transaction: login.transaction, username: "anna", password: Secret("pass-anna"), session: visit,
                    from: harness.source)
                guard let page = answer.consent, let session = answer.newCookie else { return [] }
                return try await Self.tokens(harness, of: try await harness.decide(page, session: session))
            }
        case .service:
            let claims: JSONValue = [
                "iss": "service", "sub": "service", "aud": "https://as.example/oauth/token",
                "jti": .string("race-\(number)"), "exp": .int(harness.clock.now + 300),
            ]
            let assertion = try JWS.sign(claims, type: "JWT", with: SharedKeys.serviceKey)
            return Start {
                let answer = try await harness.token([
                    "grant_type": "client_credentials", "scope": "system/Patient.rs", "client_assertion": assertion,
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ])
                return [answer.response].compactMap { $0 }
            }
        }
    }

    /// The tokens of a code, if the browser was given one.
    static func tokens(_ harness: LaunchHarness, of answer: InteractionAnswer) async throws -> [TokenResponse] {
        guard let code = answer.redirectParameters?["code"] else { return [] }
        return [try await harness.exchange(code).response].compactMap { $0 }
    }
}

/// A way in which access ends, of the person `anna` or of a client.
enum RaceEnding: String, CaseIterable, Sendable {
    case grants, disabled, unlinked, otherPerson, clientRevoked, clientSuspended

    /// Whether what is there comes back when the ending is taken back.
    var keepsGrants: Bool { self == .clientSuspended }

    /// Whether every token of a course must be over after this ending. A person who says yes after their grants were ended
    /// has given a new one.
    func ends(_ course: RaceCourse) -> Bool {
        switch self {
        case .grants: ![.consent, .launch, .service].contains(course)
        case .disabled, .unlinked, .otherPerson: course != .service
        case .clientRevoked, .clientSuspended: true
        }
    }

    private static func anna(_ harness: LaunchHarness) async throws -> UserAccount {
        try #require(try await harness.store.user(named: "anna"))
    }

    private static func link(_ subject: SubjectID, to patient: String) throws -> MemberLink {
        MemberLink(
            subject: subject, fhirUser: try #require(InstanceKey("Patient/\(patient)")),
            patients: [LinkedPatient(id: try #require(ResourceID(patient)), label: "Somebody")])
    }

    /// Says by configuration who `anna` is.
    static func configure(_ harness: LaunchHarness, _ patient: String) async throws {
        let anna = try await anna(harness)
        _ = try await harness.server.accounts.reconcile(
            anna.subject, roles: anna.roles, person: try link(anna.subject, to: patient), from: harness.source)
    }

    func end(_ harness: LaunchHarness, client: ClientID) async throws {
        let (server, source) = (harness.server, harness.source)
        switch self {
        case .grants:
            let anna = try await Self.anna(harness)
            let filter = GrantFilter(subject: anna.subject, onlyActive: true)
            for grant in try await harness.store.grants(matching: filter, limit: 1000) {
                _ = try await server.access.revoke(.grant(grant.id), because: .person, by: "test", from: source)
            }
        case .disabled:
            _ = try await server.accounts.disable(try await Self.anna(harness).subject, by: "test", from: source)
        case .unlinked:
            _ = try await server.access.unlink(try await Self.anna(harness).subject, by: "test", from: source)
        case .otherPerson: try await Self.configure(harness, "patient-b")
        case .clientRevoked:
            _ = try await server.access.revoke(.client(client), because: .clientSuspended, by: "test", from: source)
        case .clientSuspended:
            let others = Set(try await harness.store.clients().map(\.id)).subtracting([client])
            #expect(try await server.clients.suspendAbsent(others, from: source) == [client])
        }
    }

    func takeBack(_ harness: LaunchHarness, client: ClientID) async throws {
        let (server, source) = (harness.server, harness.source)
        switch self {
        case .grants: return
        case .disabled: try await server.accounts.enable(try await Self.anna(harness).subject, by: "test", from: source)
        case .unlinked:
            let link = try Self.link(try await Self.anna(harness).subject, to: "patient-a")
            #expect(try await server.accounts.link(link, by: "test", from: source))
        case .otherPerson: try await Self.configure(harness, "patient-a")
        case .clientRevoked, .clientSuspended:
            #expect(try await server.clients.activate(client, by: "test", from: source))
        }
    }
}
