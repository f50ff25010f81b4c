import Authorization
import FHIRCore
import Logging
import NIOHTTP1
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

#if canImport(Glibc)
    import Glibc
#endif

/// Explanations of the running server.
@Suite(.demoServer) struct ExplainTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    private func explain(_ body: String, as headers: [(String, String)]? = nil) async throws -> Answer {
        let credential = try #require(try LocalCredential(stateDirectory: server.folder))
        return try await Browser().send(
            .POST, server.admin + "/admin/v1/explain",
            headers: (headers ?? [("authorization", "Bearer \(credential.token)")])
                + [("content-type", "application/json")], body: body)
    }

    private func token() async throws -> String {
        try #require(try await TestApp(server: server).launch()["access_token"]?.string)
    }

    @Test(arguments: [
        "{}", "[]", #"{"request":"GET"}"#, #"{"request":"GET /elsewhere"}"#, #"{"request":"GET /fhirx/Patient"}"#,
        #"{"request":"GET /fhir/Patient","colour":"red"}"#, #"{"request":"GET /fhir/Patient?name=é"}"#,
        #"{"request":"GET /fhir/Patient","resource":{"resourceType":"Nobody"}}"#,
    ])
    func `what is no request is refused`(_ body: String) async throws {
        #expect(try await explain(body).status == 400)
    }

    @Test func `nobody without a role is told`() async throws {
        let body = #"{"request":"GET /fhir/Patient"}"#

        #expect(try await explain(body, as: []).status == 401)
        let member = [("authorization", "Basic " + Base64.encode("patient-a:demo".utf8))]
        #expect(try await explain(body, as: member).status == 403)
    }

    @Test(.verifies("house@explain-is-the-decision"))
    func `the server's own keys and grants decide`() async throws {
        let token = try await token()
        func verdict(_ request: String) async throws -> JSONValue {
            try await explain(#"{"request":"\#(request)","token":"\#(token)"}"#).json()
        }

        let permitted = try await verdict("GET /fhir/Observation")
        #expect(permitted["verdict"] == "permitted")
        #expect(permitted["client"] == "demo-patient-app")
        #expect(permitted["patient"] == "patient-a")
        #expect(permitted["forwarded"]?.string?.contains("patient-a") == true)
        #expect(try await verdict("GET \(server.fhir)/Observation")["verdict"] == "permitted")
        #expect(try await verdict("GET /fhir/Immunization")["reason"] == "type-not-granted")
        #expect(
            try await explain(#"{"request":"GET /fhir/Patient","token":"x"}"#).json()["reason"] == "token-malformed")
    }

    @Test(.verifies("house@explain-demo-only"))
    func `in the demo a header asks for the explanation, and without it there is none`() async throws {
        let authorization = ("authorization", "Bearer \(try await token())")
        let url = server.fhir + "/Patient/patient-a"

        let plain = try await Browser().get(url, headers: [authorization])
        let explained = try await Browser().get(url, headers: [authorization, ("chaperone-explain", "1")])

        #expect(plain["chaperone-explanation"] == nil)
        let header = try #require(explained["chaperone-explanation"])
        #expect(try JSONValue(parsing: Array(header.utf8))["verdict"] == "permitted")
        #expect(explained.status == 200)
        #expect(explained.body == plain.body)
        let refused = try await Browser().get(
            server.fhir + "/Immunization", headers: [authorization, ("chaperone-explain", "1")])
        #expect(refused.status == 403)
        #expect(refused["chaperone-explanation"]?.contains("type-not-granted") == true)
    }
}

/// A server that is no demo: in front of somebody else's tokens, with a decision listener.
@Suite struct EnforcerAloneTests {
    private struct Site {
        let composition: Composition
        let folder: String
        let origin: String
        let admin: String
        let decisions: String
        let key: PrivateJWK
        let audience: String

        func token(_ scope: String, patient: String = "patient-a", audience: String? = nil) throws -> String {
            let now = Clock.system.now()
            return try JWS.sign(
                [
                    "iss": "https://idp.example", "aud": .string(audience ?? self.audience), "sub": "m",
                    "azp": "their-app", "scope": .string(scope), "patient": .string(patient), "iat": .int(now),
                    "exp": .int(now + 120),
                ], type: "JWT", with: key)
        }
    }

    /// Runs a server whose upstream and issuer are parts of a demo server: its sandbox, and a file behind its proxy.
    private func with(_ work: (Site) async throws -> Void) async throws {
        try await RunningServer.with { demo in
            let key = try PrivateJWK.generate(.es256, keyID: "theirs")
            let publisher = try await KeyPublisher.start(JWKSet([key.publicKey]).json.serialized)
            let ports = try await RunningServer.freePorts(3)
            let folder = try RunningServer.temporaryFolder()
            let keyFile = "\(folder)/gateway.key"
            try PrivateFile.write(Array((Self.sharedKey + "\n").utf8), to: keyFile)
            let origin = "http://localhost:\(ports[0])"
            let yaml = """
                issuer: \(origin)
                state-directory: \(folder)
                authorization-server: none
                fhir-server: {upstream: "http://127.0.0.1:\(demo.configuration.listeners.sandbox.port)/fhir"}
                token-issuer:
                  issuer: https://idp.example
                  audience: \(origin)/fhir
                  program: patient-access
                  key-set: http://127.0.0.1:\(publisher.port)/jwks.json
                  client-claim: azp
                listeners:
                  public: {port: \(ports[0])}
                  admin: {port: \(ports[1])}
                  decisions: {port: \(ports[2]), key-file: \(keyFile)}
                """
            let configuration = try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let composition = try await Composition(configuration: configuration, logger: logger)
            let task = Task { try await composition.run() }
            _ = await composition.ports()
            let site = Site(
                composition: composition, folder: folder, origin: origin, admin: "http://127.0.0.1:\(ports[1])",
                decisions: "http://127.0.0.1:\(ports[2])", key: key, audience: "\(origin)/fhir")
            let result: Result<Void, any Error>
            do { result = .success(try await work(site)) } catch { result = .failure(error) }
            await composition.shutDown()
            try await task.value
            try await publisher.stop()
            try StateDirectory.wipe(folder)
            unlink(keyFile)
            unlink("\(folder)/serve.lock")
            unlink("\(folder)/chaperone.db.lock")
            rmdir(folder)
            try result.get()
        }
    }

    private static let sharedKey = "0123456789abcdef0123456789abcdef"

    @Test(.verifies("house@foreign-revocation-holds"), arguments: [("client", "their-app"), ("user", "m")])
    func `whom somebody else's issuer lets in and we do not stays out until let in again`(
        _ kind: String, _ id: String
    ) async throws {
        try await with { site in
            func token(issuedIn seconds: Int64?) throws -> String {
                let now = Clock.system.now()
                let times: [JSONMemberValue] = seconds.map { [JSONMemberValue("iat", .int(now + $0))] } ?? []
                return try JWS.sign(
                    .object(
                        times + [
                            JSONMemberValue("iss", "https://idp.example"),
                            JSONMemberValue("aud", .string(site.audience)),
                            JSONMemberValue("sub", "m"), JSONMemberValue("azp", "their-app"),
                            JSONMemberValue("scope", "patient/Patient.rs"), JSONMemberValue("patient", "patient-a"),
                            JSONMemberValue("exp", .int(now + 120)),
                        ]), type: "JWT", with: site.key)
            }
            func status(_ token: String) async throws -> Int {
                try await Browser().get(
                    site.origin + "/fhir/Patient/patient-a", headers: [("authorization", "Bearer \(token)")]
                ).status
            }
            func call(_ path: String, _ body: String) async throws -> Int {
                let credential = try #require(try LocalCredential(stateDirectory: site.folder))
                return try await Browser().send(
                    .POST, site.admin + "/admin/v1/" + path,
                    headers: [
                        ("authorization", "Bearer \(credential.token)"), ("content-type", "application/json"),
                    ], body: body
                ).status
            }
            let (before, undated) = (try token(issuedIn: 0), try token(issuedIn: nil))
            #expect(try await status(before) == 200)
            #expect(try await status(undated) == 200)
            let body = #"{"kind":"\#(kind)","id":"\#(id)"}"#
            #expect(try await call("reinstatements", body) == 409)
            #expect(try await call("revocations", body) == 200)
            #expect(try await call("revocations", body) == 409)
            // Also what its issuer makes from now on.
            let after = try token(issuedIn: 25)
            for token in [before, undated, after] { #expect(try await status(token) == 401) }
            #expect(try await call("reinstatements", #"{"kind":"token","id":"x"}"#) == 400)
            #expect(try await call("reinstatements", body) == 200)
            #expect(try await status(after) == 200)
            for token in [before, undated] { #expect(try await status(token) == 401) }
        }
    }

    @Test(.verifies("house@enforcer-alone"))
    func `a foreign token is enforced, and nobody is authorized here`() async throws {
        try await with { site in
            func get(_ path: String, _ token: String?, _ extra: [(String, String)] = []) async throws -> Answer {
                try await Browser().get(
                    site.origin + path, headers: (token.map { [("authorization", "Bearer \($0)")] } ?? []) + extra)
            }
            let token = try site.token("patient/Observation.rs patient/Patient.rs")

            let found = try await get("/fhir/Observation?_count=3", token)
            #expect(found.status == 200)
            let rows = try found.json()["entry"]?.array ?? []
            #expect(rows.count == 3)
            for entry in rows {
                #expect(entry["resource"]?["subject"]?["reference"] == "Patient/patient-a")
            }
            #expect(try await get("/fhir/Patient/patient-a", token).status == 200)
            #expect(try await get("/fhir/Patient/patient-b", token).status == 404)
            #expect(try await get("/fhir/Condition", token).status == 403)
            #expect(try await get("/fhir/Observation", nil).status == 401)
            #expect(
                try await get("/fhir/Observation", try site.token("patient/*.rs", audience: "https://other")).status
                    == 401)
            for path in ["/oauth/authorize", "/login", "/.well-known/openid-configuration", "/.well-known/jwks.json"] {
                #expect(try await get(path, nil).status == 404, "\(path)")
            }
            #expect(try await Browser().post(site.origin + "/oauth/token", []).status == 404)
        }
    }

    @Test(.verifies("house@explain-demo-only"))
    func `outside the demo nothing explains itself`() async throws {
        try await with { site in
            let answer = try await Browser().get(
                site.origin + "/fhir/Patient/patient-a",
                headers: [
                    ("authorization", "Bearer \(try site.token("patient/*.rs"))"), ("chaperone-explain", "1"),
                ])

            #expect(answer.status == 200)
            #expect(answer["chaperone-explanation"] == nil)
        }
    }

    @Test(.verifies("house@gateway-decision-recorded"))
    func `a decision is for a gateway with the key, and is in the record as given`() async throws {
        try await with { site in
            func ask(_ target: String?, key: String?, token: String?) async throws -> Answer {
                var headers: [(String, String)] = [("x-original-method", "GET")]
                if let target { headers.append(("x-original-uri", target)) }
                if let key { headers.append(("x-chaperone-key", key)) }
                if let token { headers.append(("authorization", "Bearer \(token)")) }
                return try await Browser().get(site.decisions + "/authz/nginx", headers: headers)
            }
            let token = try site.token("patient/Observation.rs")
            let credential = try #require(try LocalCredential(stateDirectory: site.folder))
            // A narrowed search is let through only once the protected server has said that it knows the parameter.
            for _ in 0..<500 {
                let health = try await Browser().get(
                    site.admin + "/health", headers: [("authorization", "Bearer \(credential.token)")])
                if !health.text.contains("not been read") { break }
                try await Task.sleep(for: .milliseconds(20))
            }

            #expect(try await ask("/fhir/Observation", key: nil, token: token).status == 403)
            #expect(try await ask("/fhir/Observation", key: "guess", token: token).status == 403)
            #expect(try await ask(nil, key: Self.sharedKey, token: token).status == 403)
            #expect(try await ask("/other/Observation", key: Self.sharedKey, token: token).status == 403)
            #expect(try await ask("/fhir/Observation", key: Self.sharedKey, token: nil).status == 401)
            #expect(try await ask("/fhir/Observation/o1", key: Self.sharedKey, token: token).status == 403)
            let given = try await ask("/fhir/Observation", key: Self.sharedKey, token: token)
            #expect(given.status == 200)
            #expect(given["x-chaperone-path"] == "/Observation")
            #expect(given["x-chaperone-query"]?.contains("patient-a") == true)
            #expect(given.body.isEmpty)

            let audit = try await Browser().get(
                site.admin + "/admin/v1/audit", headers: [("authorization", "Bearer \(credential.token)")])
            let rows = try audit.json().object?.compactMap { $0.value.array }.first ?? []
            let searches = rows.filter { $0["request"] == "GET /Observation" && $0["client"] == "their-app" }
            #expect(searches.map { $0["outcome"]?.string } == ["decision-given"])
        }
    }
}
