internal import AccessPolicy
internal import FHIRCore
internal import Foundation

/// Drives the code under test with a tiny upstream made of the reference model's own filter.
struct ReadingJudge {
    let policy: ServerPolicy

    struct Verdict {
        let status: Int
        let released: Set<String>
        /// How many entries there were.
        var count = 0
    }

    init() throws {
        policy = ServerPolicy(
            publicBase: ReferenceModel.publicBase, upstreamBase: ReferenceModel.upstreamBase, types: try TypeTable.r4())
    }

    private func decision(_ path: String, _ query: String?, _ token: ReferenceToken) -> AccessDecision? {
        let request = FHIRRequest(method: .get, path: path, query: query, headers: FHIRHeaders(), body: [])
        guard let canonical = try? CanonicalRequest(request) else { return nil }
        let access = GrantedAccess(
            clientID: ClientID("client"), subject: SubjectID("subject"), scopeText: token.scopes.joined(separator: " "),
            launch: LaunchContext(
                patient: token.patient.flatMap { ResourceID($0) },
                fhirUser: token.fhirUser == nil
                    ? nil : ResourceID("dr1").map { InstanceKey(type: .practitioner, id: $0) }),
            program: .patientAccess, grantID: GrantID("grant"), tokenID: TokenID("token"), issuedAt: 0, expiresAt: 1)
        return decide(
            AccessRequest(
                request: canonical, access: access, userPanel: panel(token.userPanel),
                systemPanel: token.systemIsEveryone ? .everyone : panel(token.systemPanel), policy: policy))
    }

    private func panel(_ patients: Set<String>?) -> PatientPanel {
        patients.map { .patients(Set($0.compactMap { ResourceID($0) })) } ?? .none
    }

    func read(_ type: String, _ id: String, _ token: ReferenceToken, _ store: [ReferenceResource]) -> Verdict {
        guard case .permit(let permit)? = decision("/\(type)/\(id)", nil, token) else {
            return Verdict(status: 403, released: [])
        }
        let found = store.first { $0.key == "\(type)/\(id)" }
        return verdict(found.map { answer($0.body) } ?? missing, permit)
    }

    func search(
        _ type: String, _ query: [(name: String, value: String)], _ token: ReferenceToken,
        _ store: [ReferenceResource], obeys: Bool
    ) -> Verdict {
        let text = query.map { "\($0.name)=\(encoded($0.value))" }.joined(separator: "&")
        let permit: Permit
        switch decision("/\(type)", text.isEmpty ? nil : text, token) {
        case .permit(let found)?: permit = found
        case .deny(let denial)?: return Verdict(status: denial.status, released: [])
        case nil: return Verdict(status: 403, released: [])
        }
        return gathered(permit) { page($0, store, obeys: obeys) }
    }

    func wideSearch(
        _ types: [String], _ token: ReferenceToken, _ store: [ReferenceResource], obeys: Bool
    ) -> Verdict {
        switch decision("", "_type=" + types.joined(separator: ","), token) {
        case .permit(let permit)?: return gathered(permit) { page($0, store, obeys: obeys) }
        case .deny(let denial)?: return Verdict(status: denial.status, released: [])
        case nil: return Verdict(status: 403, released: [])
        }
    }

    func everything(
        _ patient: String, _ token: ReferenceToken, _ store: [ReferenceResource], obeys: Bool
    ) -> Verdict {
        switch decision("/Patient/\(patient)/$everything", nil, token) {
        case .permit(let permit)?:
            return gathered(permit) { _ in
                searchset(obeys ? ReferenceModel.everything(of: patient, store) : store)
            }
        case .deny(let denial)?: return Verdict(status: denial.status, released: [])
        case nil: return Verdict(status: 403, released: [])
        }
    }

    private func gathered(_ permit: Permit, _ upstream: (Permit) -> UpstreamAnswer) -> Verdict {
        guard var gathering = permit.gathering(from: nil) else { return verdict(upstream(permit), permit) }
        while let next = gathering.next {
            if let denial = gathering.take(upstream(next)) { return Verdict(status: denial.status, released: []) }
        }
        return verdict(gathering.finished { _ in nil })
    }

    /// What the tiny upstream answers to a permitted search.
    private func page(_ permit: Permit, _ store: [ReferenceResource], obeys: Bool) -> UpstreamAnswer {
        let type = permit.upstreamInteraction.type?.rawValue ?? ""
        let narrowed = (permit.upstreamQuery?.terms ?? []).map { (name: $0.fullName, value: $0.rawValue) }
        let rows = obeys ? ReferenceModel.matching(narrowed, type: type, store) : store
        return searchset(rows)
    }

    private func searchset(_ rows: [ReferenceResource]) -> UpstreamAnswer {
        let entries = rows.map { row -> [String: Any] in
            ["fullUrl": "\(ReferenceModel.upstreamBase)/\(row.key)", "resource": row.body, "search": ["mode": "match"]]
        }
        let bundle: [String: Any] = [
            "resourceType": "Bundle", "type": "searchset", "total": rows.count, "entry": entries,
        ]
        return answer(entries.isEmpty ? ["resourceType": "Bundle", "type": "searchset", "total": 0] : bundle)
    }

    private func encoded(_ value: String) -> String {
        value.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    }

    private func answer(_ body: [String: Any]) -> UpstreamAnswer {
        let bytes = (try? JSONSerialization.data(withJSONObject: body)).map(Array.init) ?? []
        return UpstreamAnswer(
            status: 200, contentType: "application/fhir+json", etag: nil, lastModified: nil, location: nil, body: bytes)
    }

    private var missing: UpstreamAnswer {
        UpstreamAnswer(
            status: 404, contentType: "application/fhir+json", etag: nil, lastModified: nil, location: nil,
            body: Array(#"{"resourceType":"OperationOutcome","issue":[]}"#.utf8))
    }

    private func verdict(_ answer: UpstreamAnswer, _ permit: Permit) -> Verdict {
        verdict(admitAnswer(answer, under: permit, pageLink: { _ in nil }))
    }

    private func verdict(_ admission: AnswerAdmission) -> Verdict {
        switch admission {
        case .refuse(let denial): return Verdict(status: denial.status, released: [])
        case .release(let released):
            let value = try? JSONSerialization.jsonObject(with: Data(released.body.bytes)) as? [String: Any]
            let resources =
                value?["resourceType"] as? String == "Bundle"
                ? (value?["entry"] as? [[String: Any]] ?? []).compactMap { $0["resource"] as? [String: Any] }
                : [value].compactMap(\.self)
            let keys = resources.map { ReferenceResource($0) }.filter { $0.type != "OperationOutcome" }.map(\.key)
            return Verdict(status: released.status, released: Set(keys), count: keys.count)
        }
    }
}
