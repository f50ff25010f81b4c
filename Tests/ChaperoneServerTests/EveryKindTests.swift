import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import Foundation
import Logging
import NIOHTTP1
import OAuthCore
import Persistence
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// Every kind of record that there is has a use-case that writes it, and here each use-case is done.
///
/// INVARIANT: no `default` in the table: a kind that is added does not compile without what it is written for.
@Suite(.serialized, .demoServer, .verifies("audit@every-kind")) struct EveryKindTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    /// What makes a record of a kind.
    private enum UseCase {
        /// The server's own start.
        case start
        /// Something that is asked of the server that runs.
        case asked((EveryKindTests) async throws -> Void)
        /// Something that takes longer than a test of this suite may; the file of the test from outside that does it.
        case outside(String)
        /// Something that needs an installation of its own; answers the kinds that stand in its log.
        case alone((EveryKindTests) async throws -> [String])
    }

    private static func useCase(_ kind: AuthorizationRecord.Kind) -> UseCase {
        switch kind {
        case .feedRefused: .outside("test_audit_feed_refused.py")
        case .login, .launch, .consent, .token:
            .asked { _ = try await TestApp(server: $0.server).launch() }
        case .loginFailed: .asked { try await $0.signIn("patient-a", "wrong") }
        case .logout: .asked { try await $0.signOut() }
        case .accountLocked:
            .asked { test in for _ in 0..<5 { try await test.signIn("patient-b", "wrong") } }
        case .patientChosen:
            .asked { _ = try await TestApp(server: $0.server).consentPage(as: "clinician-a", patient: "patient-a") }
        case .consentDenied: .asked { try await $0.deny() }
        case .authorizationRefused: .asked { try await $0.askWrongly() }
        case .codeReplayed: .asked { try await $0.replayCode() }
        case .tokenRefused: .asked { _ = try await TestApp(server: $0.server).redeem("nonsense") }
        case .refresh: .asked { try await $0.refresh(times: 1) }
        case .refreshReplayed: .asked { try await $0.replayRefresh() }
        case .introspect: .asked { try await $0.introspect() }
        case .userInfo: .asked { try await $0.tellUser() }
        case .revoke: .asked { try await $0.revoke() }
        case .userChanged: .asked { try await $0.addUser() }
        case .keyChanged: .asked { try await $0.admin("keys/rotate") }
        case .auditRead: .asked { try await $0.admin("audit", .GET) }
        case .checkpoint: .asked { try await $0.admin("audit/checkpoints") }
        case .holdPlaced: .asked { try await $0.admin("audit/holds?reason=claim") }
        case .holdLifted: .asked { try await $0.liftHold() }
        case .clientRegistered, .policyChanged, .configurationChanged, .started: .start
        case .clientChanged: .alone { try await $0.changeClient() }
        case .recordsRemoved: .alone { try await $0.retain() }
        case .recordingResumed: .alone { try await $0.failToWrite() }
        case .refusalsSummed: .alone { try await $0.flood() }
        case .stopped: .alone { try await $0.startAndStop() }
        }
    }

    @Test(arguments: AuthorizationRecord.Kind.allCases)
    func `what a kind is for writes it`(kind: AuthorizationRecord.Kind) async throws {
        switch Self.useCase(kind) {
        case .start: #expect(try count(kind) > 0)
        case .outside(let file):
            let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let text = try String(contentsOf: tests.appending(path: "Outside/\(file)"), encoding: .utf8)
            #expect(text.contains("\"\(kind.rawValue)\""))
        case .asked(let work):
            let before = try count(kind)
            try await work(self)
            #expect(try count(kind) > before)
        case .alone(let work): #expect(try await work(self).contains(kind.rawValue))
        }
    }

    /// Every record of a client that these use-cases made says by what right; none of a person names nobody.
    @Test(.verifies("audit@step-facts")) func `what the use-cases wrote says by what right`() async throws {
        _ = try await TestApp(server: server).launch()
        let records = try records([])
        let ofClients = records.filter { $0.clientID == ClientID("demo-patient-app") }
        #expect(Set(ofClients.map(\.kind)).isSuperset(of: [.launch, .consent, .token]))
        #expect(ofClients.allSatisfy { $0.program == "patient-access" && $0.purposeOfUse == ["PATRQT"] })
        #expect(ofClients.allSatisfy { $0.legalBasis?.contains("156.221") == true })
        let ofPeople = records.filter { [.login, .consent, .launch, .patientChosen].contains($0.kind) }
        #expect(ofPeople.allSatisfy { $0.subject != nil && $0.sourceAddress != nil })
    }

    // MARK: - the log

    private func records(_ kinds: Set<String>, in path: String? = nil) throws -> [AuthorizationRecord] {
        let reader = try AuditSQLiteReader(path: path ?? server.configuration.auditDatabase.path)
        var query = AuditQuery(kinds: kinds, limit: 200)
        var found: [AuthorizationRecord] = []
        repeat {
            let page = try reader.search(query)
            for entry in page.entries {
                if case .authorization(let record) = try entry.statement().event { found.append(record) }
            }
            query.after = page.next
        } while query.after != nil
        return found
    }

    private func count(_ kind: AuthorizationRecord.Kind) throws -> Int { try records([kind.rawValue]).count }

    // MARK: - people and apps

    private func signIn(_ user: String, _ password: String) async throws {
        let app = TestApp(server: server)
        let login = try await app.follow(try await app.browser.get(app.authorizeURL()))
        _ = try await app.browser.post(
            server.issuer + "/login", Form(login.text).fields + [("username", user), ("password", password)])
    }

    private func signOut() async throws {
        let app = TestApp(server: server)
        _ = try await app.launch()
        let asked = try await app.browser.get(server.issuer + "/oauth/logout")
        _ = try await app.browser.post(server.issuer + "/oauth/logout", Form(asked.text).fields)
    }

    private func deny() async throws {
        let app = TestApp(server: server)
        let page = try await app.consentPage(as: "patient-a")
        _ = try await app.browser.post(server.issuer + "/consent", Form(page.text).fields + [("decision", "deny")])
    }

    private func askWrongly() async throws {
        let app = TestApp(server: server)
        let parameters = app.parameters().map { $0.0 == "response_type" ? ($0.0, "token") : $0 }
        _ = try await app.browser.get(app.authorizeURL(parameters))
    }

    private func replayCode() async throws {
        let app = TestApp(server: server)
        let page = try await app.consentPage(as: "patient-a")
        let back = try await app.browser.post(
            server.issuer + "/consent", Form(page.text).fields + [("decision", "allow")])
        let query = try #require(back["location"]?.split(separator: "?").last)
        let code = try #require(try FormParameters(parsing: String(query))["code"])
        #expect(try await app.redeem(code).status == 200)
        #expect(try await app.redeem(code).status == 400)
    }

    /// Refreshes so often, one token after the other; all tokens, the first first.
    @discardableResult private func refresh(times: Int) async throws -> [String] {
        var tokens = [try #require(try await TestApp(server: server).launch()["refresh_token"]?.string)]
        for _ in 0..<times {
            let answer = try await present(tokens[tokens.count - 1])
            #expect(answer.status == 200, "\(answer.text)")
            tokens.append(try #require(try answer.json()["refresh_token"]?.string))
        }
        return tokens
    }

    private func present(_ refreshToken: String) async throws -> Answer {
        try await Browser().post(
            server.issuer + "/oauth/token",
            [("grant_type", "refresh_token"), ("refresh_token", refreshToken), ("client_id", "demo-patient-app")])
    }

    private func replayRefresh() async throws {
        let tokens = try await refresh(times: 2)
        #expect(try await present(tokens[0]).status == 400)
    }

    private func introspect() async throws {
        let answer = try await Browser().post(
            server.issuer + "/oauth/introspect", [("token", "unknown")],
            headers: [("authorization", "Basic " + Base64.encode("demo-smart1-app:demo-smart1-secret".utf8))])
        #expect(answer.status == 200, "\(answer.text)")
    }

    private func tellUser() async throws {
        let token = try #require(try await TestApp(server: server).launch()["access_token"]?.string)
        let answer = try await Browser().get(
            server.issuer + "/oauth/userinfo", headers: [("authorization", "Bearer \(token)")])
        #expect(answer.status == 200, "\(answer.text)")
    }

    private func revoke() async throws {
        let token = try #require(try await TestApp(server: server).launch()["refresh_token"]?.string)
        _ = try await Browser().post(
            server.issuer + "/oauth/revoke", [("token", token), ("client_id", "demo-patient-app")])
    }

    // MARK: - operators

    @discardableResult private func admin(
        _ path: String, _ method: HTTPMethod = .POST, body: String? = nil
    ) async throws -> Answer {
        let credential = try #require(try LocalCredential(stateDirectory: server.folder))
        var headers = [("authorization", "Bearer \(credential.token)")]
        if body != nil { headers.append(("content-type", "application/json")) }
        let answer = try await Browser().send(
            method, server.admin + "/admin/v1/" + path, headers: headers, body: body)
        #expect((200...299).contains(answer.status), "\(path): \(answer.text)")
        return answer
    }

    private func addUser() async throws {
        try await admin("users", body: #"{"username": "new-\#(UUID())", "password": "a-long-password"}"#)
    }

    private func liftHold() async throws {
        let id = try #require(try await admin("audit/holds?reason=claim").json()["id"]?.string)
        try await admin("audit/holds/\(id)")
    }

    // MARK: - installations of their own

    private func inFolder(_ work: (String) async throws -> [String]) async throws -> [String] {
        let folder = try RunningServer.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await work(folder)
    }

    private func configuration(_ folder: String, ports: [Int] = [8080, 8081], scope: String = "patient/Patient.rs")
        throws -> Configuration
    {
        let yaml = """
            issuer: http://localhost:\(ports[0])
            state-directory: \(folder)
            listeners: {public: {port: \(ports[0])}, admin: {port: \(ports[1])}}
            fhir-server: {upstream: "http://127.0.0.1:9"}
            clients:
              - id: ward
                kind: public
                program: patient-access
                redirect-uris: [https://ward.example.org/callback]
                grant-types: [authorization_code]
                scopes: launch/patient openid \(scope)
            """
        return try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
    }

    private func kinds(in folder: String) throws -> [String] {
        try records([], in: "\(folder)/audit.db").map(\.kind.rawValue)
    }

    private func changeClient() async throws -> [String] {
        try await inFolder { folder in
            let served = try configuration(folder)
            try await Installation(configuration: served, for: .serving(demandsFewAbsent: false)).close()
            let other = try configuration(folder, scope: "patient/Condition.rs")
            let installation = try await Installation(configuration: other)
            _ = try await ConfiguredIdentities(
                configuration: other, server: installation.server, clock: installation.clock
            ).reconcile()
            try await installation.close()
            return try kinds(in: folder)
        }
    }

    /// Eleven years later, what was written at the first start is old.
    private func retain() async throws -> [String] {
        try await inFolder { folder in
            let served = try configuration(folder)
            try await Installation(configuration: served, for: .serving(demandsFewAbsent: false)).close()
            let later = Clock(milliseconds: { Clock.system.milliseconds() + 4018 * 86_400_000 })
            let installation = try await Installation(configuration: try configuration(folder), clock: later)
            _ = try await installation.adminAPI.answer(
                AdminRequest(.post, ["audit", "checkpoints"], actor: .local, sourceAddress: "local"))
            _ = try await installation.adminAPI.answer(
                AdminRequest(.post, ["audit", "retention"], actor: .local, sourceAddress: "local"))
            try await installation.close()
            return try kinds(in: folder)
        }
    }

    private func failToWrite() async throws -> [String] {
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "n", limits: AuditQueueLimits(retry: 1))
        sink.behave(.fails)
        sink.behave(.works, after: 1)
        await #expect(throws: AuditFailure.self) {
            try await recorder.record(
                AuthorizationRecord(id: DecisionID("e"), kind: .login, outcome: .succeeded, at: 1))
        }
        while !recorder.health.canRecord { await Task.yield() }
        return sink.entries.map(\.index.kind)
    }

    private func flood() async throws -> [String] {
        try await inFolder { folder in
            let installation = try await Installation(configuration: try configuration(folder))
            let form = try FormParameters(parsing: "grant_type=authorization_code&client_id=nobody&code=x")
            for _ in 0..<260 {
                _ = await installation.server.token.answer(
                    form, authorization: nil, from: RequestSource(address: "192.0.2.1"))
            }
            let recorder = installation.recorder
            await RefusalSummaryService(
                ledgers: [.init(place: "authorization", refusals: installation.server.refusals)],
                record: { try await recorder.recordOnce($0) }, clock: .system, random: .system,
                logger: Logger(label: "test")
            ).write()
            try await installation.close()
            return try kinds(in: folder)
        }
    }

    private func startAndStop() async throws -> [String] {
        try await inFolder { folder in
            let configuration = try configuration(folder, ports: try await RunningServer.freePorts(2))
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let composition = try await Composition(configuration: configuration, logger: logger)
            let task = Task { try await composition.run() }
            _ = await composition.ports()
            await composition.shutDown()
            try await task.value
            return try kinds(in: folder)
        }
    }
}
