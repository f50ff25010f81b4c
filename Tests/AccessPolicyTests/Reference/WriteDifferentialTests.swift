import AccessPolicy
import FHIRCore
import Foundation
import RequirementTraits
import Testing

/// Writes, patches and conditions against the slow reading of the rules, on random worlds.
@Suite struct WriteDifferentialTests {
    private static let writesPerShard =
        ProcessInfo.processInfo.environment["CHAPERONE_NIGHTLY"] == nil ? 6_000 : 600_000

    @Test(.verifies("house@differential"), arguments: UInt64(1)...8)
    func `writes agree with the reference model`(shard: UInt64) throws {
        let judge = try WriteJudge()
        var (judged, accepted) = (0, 0)
        var seed = shard << 40
        while judged < Self.writesPerShard {
            seed += 1
            var world = ReferenceWorld(seed: seed)
            let token = world.writingToken()
            for _ in 0..<3 {
                let new = world.newBody()
                let stored = world.target()
                let body = world.replacement(of: stored)
                let patch = world.patch(of: stored)
                let note = "seed \(seed), \(stored.key), \(token)"

                let isCreated = try judge.create(new, token)
                try #require(isCreated == ReferenceModel.mayCreate(new, token), "create \(new.body), \(note)")
                let isUpdated = try judge.update(stored, body, token)
                try #require(
                    isUpdated == ReferenceModel.mayUpdate(stored, body, token), "update \(body.body), \(note)")
                let isDeleted = try judge.delete(stored, token)
                try #require(isDeleted == ReferenceModel.mayDelete(stored, token), "delete, \(note)")
                let isPatched = try judge.patch(stored, patch, token)
                let expected = Self.mayPatch(stored, patch, token, world.store)
                try #require(isPatched == expected, "patch \(patch), \(note)")
                accepted += [isCreated, isUpdated, isDeleted, isPatched].count { $0 }
                judged += 4
            }
        }
        // A model that never accepts anything would agree with code that never does.
        #expect(accepted > judged / 40)
    }

    private static func mayPatch(
        _ stored: ReferenceResource, _ patch: ReferencePatch, _ token: ReferenceToken, _ store: [ReferenceResource]
    ) -> Bool {
        guard let body = patch.applied(to: shown(stored.body) as? [String: Any] ?? [:]) else { return false }
        let isReadable = !patch.reads || ReferenceModel.visible("r", [stored], token).contains(stored.key)
        return isReadable && ReferenceModel.mayUpdate(stored, ReferenceResource(body), token)
    }

    /// What a client sees of a body: the server's addresses are ours.
    private static func shown(_ value: Any) -> Any {
        switch value {
        case let text as String:
            text.hasPrefix(ReferenceModel.upstreamBase)
                ? ReferenceModel.publicBase + text.dropFirst(ReferenceModel.upstreamBase.count) : text
        case let list as [Any]: list.map(shown)
        case let object as [String: Any]: object.mapValues(shown)
        default: value
        }
    }

    @Test(.verifies("house@differential"), arguments: UInt64(1)...8)
    func `conditions select what the reference model sees`(shard: UInt64) throws {
        let judge = try WriteJudge()
        var (judged, found) = (0, 0)
        var seed = shard << 44
        while judged < Self.writesPerShard / 2 {
            seed += 1
            var world = ReferenceWorld(seed: seed)
            let token = world.writingToken()
            for _ in 0..<2 {
                let type = world.target().type
                let query = world.condition(on: type)
                let visible = ReferenceModel.visible("s", world.store, token)
                let expected = visible.intersection(
                    ReferenceModel.matching(query, type: type, world.store).map(\.key))
                let note = "seed \(seed), \(type)?\(query), \(token)"
                for obeys in [true, false] {
                    switch try judge.matches(type, query, token, world.store, obeys: obeys) {
                    case .success(let keys): try #require(keys == expected, "obeys \(obeys), \(note)")
                    case .failure(let refused):
                        try #require(
                            expected.isEmpty || type == "Patient" || !ReferenceModel.mayDeleteSome(type, token),
                            "refused with \(refused.status), \(note)")
                    }
                    judged += 1
                }
                found += expected.count
            }
        }
        #expect(found > judged / 60)
    }
}

extension ReferenceModel {
    /// Whether some scope has the letter for deletes of a type, in a context that lets it stand.
    static func mayDeleteSome(_ type: String, _ token: ReferenceToken) -> Bool {
        token.scopes.compactMap(ReferenceScope.init).contains { scope in
            guard scope.letters.contains("d"), names(scope, type), hasContext(scope, token),
                let limit = boundary(scope, token)
            else { return false }
            return (subjectElement[type] != nil || limit == nil || type == "Patient")
                && !(type == "Patient" && scope.level == "patient")
        }
    }
}

/// Drives the code under test for writes.
private struct WriteJudge {
    let policy: ServerPolicy

    struct Refused: Error { let status: Int }

    init() throws {
        policy = ServerPolicy(
            publicBase: ReferenceModel.publicBase, upstreamBase: ReferenceModel.upstreamBase, types: try TypeTable.r4())
    }

    func create(_ body: ReferenceResource, _ token: ReferenceToken) throws -> Bool {
        let bytes = Self.bytes(body.body)
        guard let permit = permit(.post, "/\(body.type)", nil, bytes, token) else { return false }
        return admit(try Self.view(bytes), as: .submitted, under: permit).released != nil
    }

    func update(_ stored: ReferenceResource, _ body: ReferenceResource, _ token: ReferenceToken) throws -> Bool {
        try update(stored, Self.bytes(body.body), token)
    }

    private func update(_ stored: ReferenceResource, _ bytes: [UInt8], _ token: ReferenceToken) throws -> Bool {
        guard let permit = permit(.put, "/\(stored.key)", nil, bytes, token),
            case .resource(let body) = permit.request.body
        else { return false }
        let old = try Self.view(Self.bytes(stored.body))
        return admitReplacement(body, of: old, under: permit).released != nil
    }

    func delete(_ stored: ReferenceResource, _ token: ReferenceToken) throws -> Bool {
        guard let permit = permit(.delete, "/\(stored.key)", nil, [], token) else { return false }
        return admit(try Self.view(Self.bytes(stored.body)), as: .stored, under: permit).released != nil
    }

    func patch(_ stored: ReferenceResource, _ patch: ReferencePatch, _ token: ReferenceToken) throws -> Bool {
        let document = try JSONPatch(JSONDocument(Self.bytes(patch.json)).root)
        guard let permit = permit(.patch, "/\(stored.key)", nil, Self.bytes(patch.json), token) else { return false }
        let old = try Self.view(Self.bytes(stored.body))
        guard admit(old, as: .stored, under: permit).released != nil else { return false }
        if document.readsDocument {
            guard let read = self.permit(.get, "/\(stored.key)", nil, [], token),
                admit(old, as: .match, under: read).released != nil
            else { return false }
        }
        guard case .body(let bytes) = patched(old, by: document, under: permit) else { return false }
        return try update(stored, bytes, token)
    }

    func matches(
        _ type: String, _ query: [(name: String, value: String)], _ token: ReferenceToken,
        _ store: [ReferenceResource], obeys: Bool
    ) throws -> Result<Set<String>, Refused> {
        let text = query.map {
            "\($0.name)=\($0.value.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")"
        }
        .joined(separator: "&")
        let permit: Permit
        switch try decision(.delete, "/\(type)", text, [], token) {
        case .permit(let found): permit = found
        case .deny(let denial): return .failure(Refused(status: denial.status))
        }
        var keys: Set<String> = []
        for search in permit.requests {
            let narrowed = (search.upstreamQuery?.terms ?? []).map { (name: $0.fullName, value: $0.rawValue) }
            let rows = obeys ? ReferenceModel.matching(narrowed, type: type, store) : store
            var bundle: [String: Any] = ["resourceType": "Bundle", "type": "searchset"]
            if !rows.isEmpty { bundle["entry"] = rows.map { ["resource": $0.body] } }
            let answer = UpstreamAnswer(
                status: 200, contentType: "application/fhir+json", etag: nil, lastModified: nil, location: nil,
                body: Self.bytes(bundle))
            switch admitMatches(answer, under: search) {
            case .page(let matches, _): keys.formUnion(matches.map(\.key.description))
            case .refuse(let denial): return .failure(Refused(status: denial.status))
            }
        }
        return .success(keys)
    }

    private func permit(
        _ method: FHIRRequest.Method, _ path: String, _ query: String?, _ body: [UInt8], _ token: ReferenceToken
    ) -> Permit? {
        guard case .permit(let permit)? = try? decision(method, path, query, body, token) else { return nil }
        return permit
    }

    private func decision(
        _ method: FHIRRequest.Method, _ path: String, _ query: String?, _ body: [UInt8], _ token: ReferenceToken
    ) throws -> AccessDecision {
        var headers = FHIRHeaders()
        if !body.isEmpty {
            headers.contentType = method == .patch ? "application/json-patch+json" : "application/fhir+json"
        }
        let request = try CanonicalRequest(
            FHIRRequest(method: method, path: path, query: query, headers: headers, body: body))
        let access = GrantedAccess(
            clientID: ClientID("client"), subject: SubjectID("subject"), scopeText: token.scopes.joined(separator: " "),
            launch: LaunchContext(
                patient: token.patient.flatMap { ResourceID($0) },
                fhirUser: token.fhirUser == nil
                    ? nil : ResourceID("dr1").map { InstanceKey(type: .practitioner, id: $0) }),
            program: .patientAccess, grantID: GrantID("grant"), tokenID: TokenID("token"), issuedAt: 0, expiresAt: 1)
        return decide(
            AccessRequest(
                request: request, access: access, userPanel: panel(token.userPanel),
                systemPanel: token.systemIsEveryone ? .everyone : panel(token.systemPanel), policy: policy))
    }

    private func panel(_ patients: Set<String>?) -> PatientPanel {
        patients.map { .patients(Set($0.compactMap { ResourceID($0) })) } ?? .none
    }

    private static func bytes(_ value: Any) -> [UInt8] {
        (try? JSONSerialization.data(withJSONObject: value)).map(Array.init) ?? []
    }

    private static func view(_ bytes: [UInt8]) throws -> ResourceView { try ResourceView(JSONDocument(bytes).root) }
}
