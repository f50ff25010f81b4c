internal import AccessPolicy
internal import Authorization
internal import Enforcement
internal import FHIRCore
internal import OAuthCore

/// The look-ups of the context pages, read through the enforcer as the person who is signed in.
struct GatewayLookup: Sendable {
    /// Reads below the FHIR base: path, query, as whom, and from where the request came that needs it.
    typealias Reading =
        @Sendable (_ path: String, _ query: String?, GrantedAccess, _ address: String) async throws -> (
            status: Int, body: [UInt8]
        )

    let read: Reading
    let random: RandomSource
    let clock: Clock

    init(reader: SiteReader, random: RandomSource, clock: Clock) {
        self.init(random: random, clock: clock) { try await reader.get($0, query: $1, as: $2, from: $3) }
    }

    init(random: RandomSource, clock: Clock, read: @escaping Reading) {
        (self.random, self.clock, self.read) = (random, clock, read)
    }

    /// The protected server did not give what the page needs.
    struct Failure: Error, CustomStringConvertible {
        let status: Int
        var description: String { "a look-up for a page was answered \(status)" }
    }

    /// The capability for the authorization server.
    var lookup: ContextLookup {
        ContextLookup(
            patients: { try await patients($0, page: $1, among: $2, $3) }, patient: { try await patient($0, $1) },
            encounters: { try await encounters(of: $0, $1) }, encounter: { try await encounter($0, of: $1, $2) })
    }

    // MARK: - patients

    /// The largest panel under which the enforcer answers a search that names no patient.
    private static let wholePanel = 50
    /// The most parts of a larger panel that one page looks through: each is a call upstream and a record.
    static let partsOfPage = 10

    private func patients(
        _ name: String, page: String?, among panel: [ResourceID]?, _ person: ContextLookup.Reader
    ) async throws -> ContextLookup.Patients {
        if let panel, panel.count > Self.wholePanel {
            return try await patients(name, part: page, of: panel, person)
        }
        let access = access(for: person, scopes: "user/Patient.rs", patient: nil)
        let answer: (status: Int, body: [UInt8])
        if let page {
            guard FHIRPageName.isUsable(page) else { return ContextLookup.Patients(patients: [], next: nil) }
            answer = try await read("/_page/\(page)", nil, access, person.sourceAddress)
        } else {
            let search = name.isEmpty ? "" : "&name=\(FormParameters.encode(FHIRSearchText.escaped(name)))"
            answer = try await read(
                "/Patient", "_count=10&_sort=family\(search)", access, person.sourceAddress)
        }
        // An old page link, or a person whose panel names nobody.
        if answer.status == 404 || answer.status == 403 { return ContextLookup.Patients(patients: [], next: nil) }
        let bundle = try document(answer)
        return ContextLookup.Patients(
            patients: Self.resources(in: bundle, "Patient").compactMap(Self.patient), next: Self.nextPage(of: bundle))
    }

    /// A panel that is too large to be searched at once, in parts that name their patients. A page is one part, or the next
    /// ones until somebody is found, but not more than a page may cost: the next page goes on from there.
    private func patients(
        _ name: String, part: String?, of panel: [ResourceID], _ person: ContextLookup.Reader
    ) async throws -> ContextLookup.Patients {
        let size = name.isEmpty ? 10 : Self.wholePanel
        let access = access(for: person, scopes: "user/Patient.rs", patient: nil)
        let search = name.isEmpty ? "" : "&name=\(FormParameters.encode(FHIRSearchText.escaped(name)))"
        var start = min(max(part.flatMap { Int($0) } ?? 0, 0), panel.count)
        for _ in 0..<Self.partsOfPage where start < panel.count {
            let ids = panel[start..<min(start + size, panel.count)].map(\.text).joined(separator: ",")
            start = min(start + size, panel.count)
            let answer = try await read(
                "/Patient", "_id=\(ids)&_count=\(size)\(search)", access, person.sourceAddress)
            guard ![403, 404].contains(answer.status) else { return ContextLookup.Patients(patients: [], next: nil) }
            let found = Self.resources(in: try document(answer), "Patient").compactMap(Self.patient)
            if !found.isEmpty || name.isEmpty {
                return ContextLookup.Patients(patients: found, next: start < panel.count ? String(start) : nil)
            }
        }
        return ContextLookup.Patients(patients: [], next: start < panel.count ? String(start) : nil)
    }

    private func patient(_ id: ResourceID, _ person: ContextLookup.Reader) async throws -> LinkedPatient? {
        let access = access(for: person, scopes: "user/Patient.rs", patient: nil)
        let answer = try await read("/Patient/\(id.text)", nil, access, person.sourceAddress)
        guard ![403, 404, 410].contains(answer.status) else { return nil }
        return Self.patient(try document(answer))
    }

    private static func patient(_ resource: JSONValue) -> LinkedPatient? {
        guard resource["resourceType"]?.string == "Patient", let id = resource["id"]?.string.flatMap({ ResourceID($0) })
        else { return nil }
        let names = resource["name"]?.array ?? []
        let name = names.first { $0["use"]?.string == "official" } ?? names.first
        let given = (name?["given"]?.array ?? []).compactMap(\.string)
        let words = (given + [name?["family"]?.string].compactMap { $0 }).joined(separator: " ")
        let text = name?["text"]?.string ?? words
        // No words of ours: the label stands on pages of either language.
        let born = resource["birthDate"]?.string.map { " (\($0))" } ?? ""
        return LinkedPatient(id: id, label: String((text.isEmpty ? "Patient/\(id.text)" : text).prefix(120)) + born)
    }

    // MARK: - encounters

    private func encounters(
        of patient: ResourceID, _ person: ContextLookup.Reader
    ) async throws -> [ContextLookup.Encounter] {
        let access = access(for: person, scopes: "patient/Encounter.rs", patient: patient)
        let answer = try await read(
            "/Encounter", "_count=20&_sort=-date", access, person.sourceAddress)
        guard ![403, 404].contains(answer.status) else { return [] }
        return Self.resources(in: try document(answer), "Encounter").compactMap(Self.encounter)
    }

    private func encounter(
        _ id: ResourceID, of patient: ResourceID, _ person: ContextLookup.Reader
    ) async throws -> ContextLookup.Encounter? {
        let access = access(for: person, scopes: "patient/Encounter.rs", patient: patient)
        let answer = try await read("/Encounter/\(id.text)", nil, access, person.sourceAddress)
        guard ![403, 404, 410].contains(answer.status) else { return nil }
        return Self.encounter(try document(answer))
    }

    private static func encounter(_ resource: JSONValue) -> ContextLookup.Encounter? {
        guard resource["resourceType"]?.string == "Encounter",
            let id = resource["id"]?.string.flatMap({ ResourceID($0) })
        else { return nil }
        let type = resource["type"]?.array?.first
        let kind =
            type?["text"]?.string ?? type?["coding"]?.array?.first?["display"]?.string
            ?? resource["class"]?["display"]?.string ?? resource["class"]?["code"]?.string ?? "Encounter/\(id.text)"
        let day = resource["period"]?["start"]?.string.map { ", \($0.prefix(10))" } ?? ""
        return ContextLookup.Encounter(id: id, label: String(kind.prefix(120)) + day)
    }

    // MARK: - the way

    /// The access under which a page looks: the person's own, for one kind of record, for a minute. It is never written
    /// down as a token.
    private func access(
        for person: ContextLookup.Reader, scopes: String, patient: ResourceID?
    ) -> GrantedAccess {
        let now = clock.now()
        return GrantedAccess(
            clientID: person.clientID, subject: person.subject, scopeText: scopes,
            launch: LaunchContext(patient: patient, fhirUser: person.fhirUser), program: person.program,
            grantID: GrantID("launch-\(person.launch)"), tokenID: TokenID(random.identifier()), issuedAt: now,
            expiresAt: now + 60)
    }

    private func document(_ answer: (status: Int, body: [UInt8])) throws -> JSONValue {
        guard answer.status == 200 else { throw Failure(status: answer.status) }
        return try JSONValue(parsing: answer.body)
    }

    private static func resources(in bundle: JSONValue, _ type: String) -> [JSONValue] {
        (bundle["entry"]?.array ?? []).compactMap { $0["resource"] }.filter { $0["resourceType"]?.string == type }
    }

    private static func nextPage(of bundle: JSONValue) -> String? {
        let link = (bundle["link"]?.array ?? []).first { $0["relation"]?.string == "next" }?["url"]?.string
        guard let link, let mark = link.firstRange(of: "/_page/") else { return nil }
        return String(link[mark.upperBound...])
    }
}

/// The opaque part of a page link of ours.
private enum FHIRPageName {
    static func isUsable(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D
                    || $0 == 0x5F
            }
    }
}

/// A text that somebody typed as one value of a FHIR search (R4 search §3.1.1.4.0.3).
private enum FHIRSearchText {
    static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            if "\\,$|".contains(character) { result += "\\" }
            result.append(character)
        }
    }
}
