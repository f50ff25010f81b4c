internal import AccessPolicy
internal import Audit
public import FHIRCore
public import OAuthCore

/// What an EHR gets for the launch that it wanted to make.
public enum LaunchAnswer: Sendable {
    /// 201: the handle, and where the app is to be opened with it.
    case created(CreatedLaunch)
    /// No token, or one that is not good: 401 with a challenge.
    case unauthorized(OAuthError?)
    /// The token does not reach so far, or the user may not see the patient: 403.
    case forbidden(OAuthError)
    case refused(OAuthError)
    case tooManyRequests(retryAfter: Int64)
}

/// A launch that was made.
public struct CreatedLaunch: Sendable {
    /// The value of `launch`.
    public let handle: Secret
    /// The value of `iss`: the FHIR base.
    public let fhirBase: String
    /// Seconds for which it may be used.
    public let expiresIn: Int64
    /// The app's registered launch address with `iss` and `launch`; nil when it has registered none.
    public let launchURL: String?

    /// The JSON body; it holds the handle in clear, for the EHR.
    public var json: JSONValue {
        .members([
            ("launch", .string(handle.reveal())), ("iss", .string(fhirBase)), ("expires_in", .int(expiresIn)),
            ("launch_url", launchURL.map { .string($0) }),
        ])
    }
}

/// Where an EHR makes launches (SMART 2.2 app-launch, EHR launch), with a token of its own that has the scope
/// `__launch.create`.
public struct LaunchEndpoint: Sendable {
    /// The scope that lets an EHR make launches (decision 14).
    static let scope = Scope.extension("__launch.create")

    let parts: ServerParts
    let callers: BearerCallers

    /// The nonce for the next proof, to be sent with every answer (RFC 9449 §8.2); nil where none is demanded.
    public var nextProofNonce: String? { parts.nextProofNonce }

    /// Makes a launch from a JSON document.
    public func create(
        _ document: JSONValue, token: PresentedAccessToken, proofs: ProofHeaders = ProofHeaders(),
        from source: RequestSource
    ) async -> LaunchAnswer {
        let maker = parts.records(for: source)
        let now = parts.clock.now()
        do {
            if case .none = token { return .unauthorized(nil) }
            let caller: IssuedAccess
            switch try await callers.access(
                token, proofs, at: parts.configuration.launchEndpoint, from: source, at: now)
            {
            case .refused(let error): return try await refuse(error, maker)
            case .good(let access): caller = access
            }
            guard caller.grant.subject == nil, caller.scopes.contains(Self.scope) else {
                return try await refuse(
                    OAuthError(.insufficientScope, "the token may not make launches"), by: caller, maker)
            }
            return try await create(document, by: caller, maker, at: now)
        } catch let guesses as TooManyGuesses {
            callers.count(maker)
            return .tooManyRequests(retryAfter: guesses.retryAfter)
        } catch let error as OAuthError {
            return .refused(error)
        } catch {
            return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
        }
    }

    private func refuse(
        _ error: OAuthError, by caller: IssuedAccess? = nil, _ maker: RecordMaker
    ) async throws -> LaunchAnswer {
        switch try await callers.refuse(.launch, error, by: caller, maker) {
        case .tooMany: .tooManyRequests(retryAfter: 1)
        case .told: error.code == .insufficientScope ? .forbidden(error) : .unauthorized(error)
        }
    }

    private func create(
        _ document: JSONValue, by caller: IssuedAccess, _ maker: RecordMaker, at now: Int64
    ) async throws -> LaunchAnswer {
        let request = try EHRLaunchRequest(
            parsing: document, rules: .init(isDemonstration: parts.configuration.isDemonstration))
        let base = caller.grant.fhirBase
        guard request.audience == nil || request.audience == base else {
            throw OAuthError(.invalidTarget, "aud is not the FHIR server that the token is for")
        }
        guard let client = try await parts.stores.clients.client(request.clientID), client.status == .active,
            client.metadata.grantTypes.contains(.authorizationCode), client.approvedScopes.contains(.launch)
        else { throw OAuthError(.invalidRequest, "the client is not known or cannot be launched") }
        guard let (subject, member) = try await person(request.user) else {
            return try await forbid("the user is not known", request, caller, maker)
        }
        if let patient = request.context.patient {
            // L-15: the EHR can launch nobody into a record that its user may not open.
            guard member.selection.allows(patient) else {
                return try await forbid("the user may not open the patient's record", request, caller, maker)
            }
            // The EHR looks, on behalf of its user; the app that it will open has done nothing yet.
            let reader = ContextLookup.Reader(
                subject: subject, fhirUser: member.fhirUser, launch: caller.access.tokenID.text,
                clientID: caller.access.clientID, program: caller.access.program, fhirBase: base,
                sourceAddress: maker.source.address)
            guard try await isThere(patient, reader) else {
                return try await forbid("the patient is not there for the user", request, caller, maker)
            }
            try await checkEncounter(request.context, patient, reader)
        }
        return try await store(request, subject, client, base, by: caller, maker, at: now)
    }

    /// Whether the patient is there for staff. Everybody else's patients are those that the directory names one by one.
    private func isThere(_ patient: ResourceID, _ reader: ContextLookup.Reader) async throws -> Bool {
        guard let lookup = parts.lookup else { return true }
        switch reader.fhirUser.type {
        case .practitioner, .practitionerRole: return try await lookup.patient(patient, reader) != nil
        default: return true
        }
    }

    /// The encounter must be the patient's.
    private func checkEncounter(
        _ context: LaunchContext, _ patient: ResourceID, _ reader: ContextLookup.Reader
    ) async throws {
        guard let lookup = parts.lookup else { return }
        if let encounter = context.encounter {
            guard try await lookup.encounter(encounter, patient, reader) != nil else {
                throw OAuthError(.invalidRequest, "the encounter is not one of the patient")
            }
        }
    }

    /// The account behind the EHR's user, and who it is in FHIR.
    private func person(_ user: EHRLaunchRequest.User) async throws -> (SubjectID, Member)? {
        let account: UserAccount?
        switch user {
        case .account(let name):
            account = UserAccount.isUsableName(name) ? try await parts.stores.users.user(named: name) : nil
        case .person(let key):
            let subjects = try await parts.directory.subjects(of: key)
            // Two logins of one person: whose session is meant is not sure.
            guard subjects.count == 1 else { return nil }
            account = try await parts.stores.users.user(subjects[0])
        }
        guard let account, !account.isDisabled, let member = try await parts.directory.member(for: account.subject)
        else { return nil }
        return (account.subject, member)
    }

    private func forbid(
        _ reason: String, _ request: EHRLaunchRequest, _ caller: IssuedAccess, _ maker: RecordMaker
    ) async throws -> LaunchAnswer {
        try await parts.audit.note(
            maker.record(
                .launch, client: caller.access.clientID,
                outcome: .refused(reason: OAuthError.Code.accessDenied.rawValue),
                detail: "for `\(request.clientID)`: \(reason)"))
        // One text for both, so that an EHR cannot find out who has an account here.
        return .forbidden(OAuthError(.accessDenied, "the user is not known or may not open the patient's record"))
    }

    private func store(
        _ request: EHRLaunchRequest, _ subject: SubjectID, _ client: ClientRegistration, _ base: String,
        by caller: IssuedAccess, _ maker: RecordMaker, at now: Int64
    ) async throws -> LaunchAnswer {
        var context = request.context
        // Who shows the patient's name: the app, unless the EHR says that it does.
        if context.patient != nil, context.needPatientBanner == nil { context.needPatientBanner = true }
        if context.smartStyleURL == nil { context.smartStyleURL = parts.configuration.defaultStyleURL }
        let handle = parts.random.secret()
        let launch = EHRLaunch(
            hash: handle.hash, madeBy: caller.access.clientID, clientID: client.id, subject: subject, fhirBase: base,
            context: context, createdAt: now, expiresAt: now + parts.configuration.launchHandleLifetime)
        var record = maker.record(
            .launch, client: caller.access.clientID, subject: subject, token: caller.access.tokenID,
            detail: "for `\(client.id)`")
        record.patient = context.patient?.text
        try await parts.stores.launches.insert(launch, record: record)
        try await parts.audit.flush()
        return .created(
            CreatedLaunch(
                handle: handle, fhirBase: base, expiresIn: parts.configuration.launchHandleLifetime,
                launchURL: client.metadata.links.launch.map { Self.address($0, base, handle) }))
    }

    private static func address(_ registered: String, _ base: String, _ handle: Secret) -> String {
        registered + (registered.contains("?") ? "&" : "?") + "iss=\(FormParameters.encode(base))"
            + "&launch=\(FormParameters.encode(handle.reveal()))"
    }
}
