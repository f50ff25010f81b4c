import AccessPolicy
import FHIRCore
import Foundation
import RequirementTraits
import Testing

/// The code under test against the slow reading of the rules, on random worlds.
@Suite struct DifferentialTests {
    /// 10⁵ judged requests in the gate, 10⁷ in the nightly run.
    private static let requestsPerShard =
        ProcessInfo.processInfo.environment["CHAPERONE_NIGHTLY"] == nil ? 12_500 : 1_250_000

    @Test(.verifies("house@differential"), arguments: UInt64(1)...8)
    func `reads and searches agree with the reference model`(shard: UInt64) throws {
        let judge = try Judge()
        var judged = 0
        var seen = 0
        var seed = shard << 32
        while judged < Self.requestsPerShard {
            seed += 1
            var world = ReferenceWorld(seed: seed)
            let token = world.token()
            for _ in 0..<4 {
                let target = world.readTarget()
                let read = judge.read(target.type, target.id, token, world.store)
                let visible = ReferenceModel.visible("r", world.store, token)
                let expected: Set<String> =
                    visible.contains("\(target.type)/\(target.id)") ? ["\(target.type)/\(target.id)"] : []
                try #require(read.released == expected, "seed \(seed), read \(target), \(token)")
                let search = world.search()
                seen += expected.count + (try compare(judge, search, token, world.store, seed))
                seen += try compareWide(judge, world.typeList(), token, world.store, seed)
                seen += try compareEverything(judge, world.patient(), token, world.store, seed)
                judged += 4
            }
        }
        // A model that never sees anything would agree with everything.
        #expect(seen > judged / 16)
    }

    private func compare(
        _ judge: Judge, _ search: (type: String, query: [(name: String, value: String)]), _ token: ReferenceToken,
        _ store: [ReferenceResource], _ seed: UInt64
    ) throws -> Int {
        let visible = ReferenceModel.visible("s", store, token)
        let own = ReferenceModel.matching(search.query, type: search.type, store).map(\.key)
        let expected = visible.intersection(own)
        let honest = judge.search(search.type, search.query, token, store, obeys: true)
        // A refusal is right only where nothing could have been seen, or where another patient was named.
        if honest.status != 200 {
            try #require(
                expected.isEmpty || search.query.contains { $0.name == "patient" || $0.name == "beneficiary" },
                "seed \(seed), \(search), \(token): refused with \(honest.status) though \(expected) may be seen")
        } else {
            try #require(honest.released == expected, "seed \(seed), \(search), \(token)")
        }
        let hostile = judge.search(search.type, search.query, token, store, obeys: false)
        try #require(
            hostile.released.isSubset(of: visible), "seed \(seed), \(search), \(token): hostile upstream leaks")
        return expected.count
    }
}

extension DifferentialTests {
    /// A search over several types finds what may be seen of each, once, or is refused for a type that is not granted.
    private func compareWide(
        _ judge: Judge, _ types: [String], _ token: ReferenceToken, _ store: [ReferenceResource], _ seed: UInt64
    ) throws -> Int {
        let expected = ReferenceModel.visible("s", store, token).filter { key in
            types.contains { key.hasPrefix($0 + "/") }
        }
        let honest = judge.wideSearch(types, token, store, obeys: true)
        if honest.status == 200 {
            try #require(honest.released == expected, "seed \(seed), \(types), \(token)")
            try #require(honest.count == expected.count, "seed \(seed), \(types), \(token): a row stands there twice")
        } else {
            try #require(
                types.contains { !ReferenceModel.isGranted("s", type: $0, token) },
                "seed \(seed), \(types), \(token): refused with \(honest.status)")
        }
        let hostile = judge.wideSearch(types, token, store, obeys: false)
        try #require(
            hostile.released.isSubset(of: expected), "seed \(seed), \(types), \(token): hostile upstream leaks")
        return expected.count
    }

    /// `$everything` gives what may be seen of one patient, or is refused where the patient may not be read.
    private func compareEverything(
        _ judge: Judge, _ patient: String, _ token: ReferenceToken, _ store: [ReferenceResource], _ seed: UInt64
    ) throws -> Int {
        let visible = ReferenceModel.visible("r", store, token).union(ReferenceModel.visible("s", store, token))
        let honest = judge.everything(patient, token, store, obeys: true)
        let hostile = judge.everything(patient, token, store, obeys: false)
        try #require(
            hostile.released.isSubset(of: visible), "seed \(seed), \(patient), \(token): hostile upstream leaks")
        guard ReferenceModel.visible("r", store, token).contains("Patient/\(patient)") else {
            try #require(honest.status != 200, "seed \(seed), \(patient), \(token)")
            return 0
        }
        let expected = visible.intersection(ReferenceModel.everything(of: patient, store).map(\.key))
        try #require(honest.released == expected, "seed \(seed), \(patient), \(token): \(honest.status)")
        return expected.count
    }
}

/// Drives the code under test with a tiny upstream made of the reference model's own filter.
private struct Judge {
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
