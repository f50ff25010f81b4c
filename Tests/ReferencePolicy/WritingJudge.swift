internal import AccessPolicy
internal import FHIRCore
internal import Foundation

/// Drives the code under test for writes.
struct WritingJudge {
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
