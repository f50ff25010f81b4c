internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import Foundation
internal import GRDB
internal import OAuthCore

extension AuthorizationTransaction {
    /// What of a launch is kept as one document: the request and the state.
    func storedBody() throws -> JSONValue { ["request": try request.stored(), "state": state.stored] }

    init(_ row: Row) throws {
        let body = try JSONValue(blob: row["body"])
        self.init(
            id: TransactionID(hash: try SecretHash(blob: row["id"])),
            session: SessionID(hash: try SecretHash(blob: row["session"])),
            request: try AcceptedRequest(stored: try body["request"].orCorrupt("request")),
            state: try State(stored: try body["state"].orCorrupt("state")), createdAt: row["created_at"],
            expiresAt: row["expires_at"], revision: row["revision"])
    }
}

extension AcceptedRequest {
    func stored() throws -> JSONValue {
        .record([
            ("client", .string(clientID.text)), ("redirect", .string(redirectURI)), ("state", .string(state)),
            ("scopes", .string(try scopes.writable())), ("challenge", challenge.map { .string($0.text) }),
            ("nonce", nonce.map { .string($0) }), ("proofKey", proofKey.map { .string($0) }),
            ("base", .string(fhirBase)), ("launch", launch.stored),
            ("expects", expectedSubject.map { .string($0.text) }), ("hints", hintedSubject.map { .string($0.text) }),
            ("notBefore", loginNotBefore.map { .int($0) }), ("asksConsent", asksConsent ? true : nil),
            ("needsSecondFactor", needsSecondFactor ? true : nil),
            ("locales", uiLocales.isEmpty ? nil : .array(uiLocales.map { .string($0) })),
        ])
    }

    init(stored json: JSONValue) throws {
        func text(_ name: String) throws(CorruptRow) -> String { try (json[name]?.string).orCorrupt(name) }
        let challenge = try json["challenge"].map { value in
            try value.string.flatMap { CodeChallenge($0) }.orCorrupt("challenge")
        }
        self.init(
            clientID: ClientID(try text("client")), redirectURI: try text("redirect"), state: try text("state"),
            scopes: try ScopeSet(stored: try text("scopes")), challenge: challenge, nonce: json["nonce"]?.string,
            fhirBase: try text("base"), launch: try LaunchContext(stored: try json["launch"].orCorrupt("launch")),
            expectedSubject: json["expects"]?.string.map { SubjectID($0) },
            hintedSubject: json["hints"]?.string.map { SubjectID($0) }, loginNotBefore: json["notBefore"]?.int,
            asksConsent: json["asksConsent"]?.bool ?? false,
            needsSecondFactor: json["needsSecondFactor"]?.bool ?? false,
            uiLocales: (json["locales"]?.array ?? []).compactMap(\.string),
            // A binding that cannot be read must not read as none.
            proofKey: try json["proofKey"].map { try $0.string.orCorrupt("proof key") })
    }
}

extension AuthorizationTransaction.State {
    var stored: JSONValue {
        switch self {
        case .awaitingLogin: ["at": "login"]
        case .awaitingContext(let member): ["at": "context", "member": member.stored]
        case .awaitingEncounter(let member, let launch):
            ["at": "encounter", "member": member.stored, "launch": launch.stored]
        case .awaitingConsent(let member, let launch):
            ["at": "consent", "member": member.stored, "launch": launch.stored]
        case .closed(let closing): ["at": "closed", "closing": .string(closing.rawValue)]
        }
    }

    init(stored json: JSONValue) throws {
        func member() throws -> SignedInMember { try SignedInMember(stored: try json["member"].orCorrupt("member")) }
        switch json["at"]?.string {
        case "login": self = .awaitingLogin
        case "context": self = .awaitingContext(try member())
        case "encounter":
            self = .awaitingEncounter(
                try member(), try LaunchContext(stored: try json["launch"].orCorrupt("launch")))
        case "consent":
            self = .awaitingConsent(
                try member(), try LaunchContext(stored: try json["launch"].orCorrupt("launch")))
        case "closed":
            let closing = json["closing"]?.string.flatMap { AuthorizationTransaction.Closing(rawValue: $0) }
            self = .closed(try closing.orCorrupt("closing"))
        default: throw CorruptRow("launch state")
        }
    }
}

extension SignedInMember {
    var stored: JSONValue {
        let patients: (name: String, value: JSONValue?) =
            switch selection {
            case .among(let linked): ("patients", .array(linked.map(\.stored)))
            case .anyPatient: ("any", true)
            case .unlisted: ("unlisted", true)
            }
        return .record([
            ("subject", .string(subject.text)), ("at", .int(authenticatedAt)),
            ("authentication", authentication.stored),
            ("fhirUser", fhirUser.map { .string($0.description) }), patients,
        ])
    }

    init(stored json: JSONValue) throws {
        let selection: PatientSelection
        if json["any"]?.bool == true {
            selection = .anyPatient
        } else if json["unlisted"]?.bool == true {
            selection = .unlisted
        } else {
            selection = .among(
                try (json["patients"]?.array).orCorrupt("patients").map { try LinkedPatient(stored: $0) })
        }
        self.init(
            subject: SubjectID(try (json["subject"]?.string).orCorrupt("subject")),
            authenticatedAt: try (json["at"]?.int).orCorrupt("login time"),
            authentication: try json["authentication"].map { try AuthenticationContext(stored: $0) } ?? .password,
            fhirUser: try json["fhirUser"]?.string.map { try InstanceKey(stored: $0) }, selection: selection)
    }
}
