internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import NIOPosix
internal import OAuthCore

/// What the account pages know and do, without HTTP: for one signed-in person, about nobody else.
struct AccountDesk: Sendable {
    let stores: AuthorizationStores
    let directory: any MemberDirectory
    let access: AccessRevoker
    let trail: AuditTrail
    let audit: any AuditReader
    let clock: Clock
    let random: RandomSource

    /// How many entries a page of the report shows.
    static let pageSize = 25

    // MARK: - whose records

    /// The patients whose report the person may read: themselves and those whom they represent. Staff read the records of
    /// their panel under rules of their own; for them it is what they did themselves.
    func people(of subject: SubjectID) async throws -> [LinkedPatient] {
        try await directory.member(for: subject).map(Self.people) ?? []
    }

    private static func people(_ member: Member) -> [LinkedPatient] {
        guard case .among(let patients) = member.selection,
            ![.practitioner, .practitionerRole].contains(member.fhirUser.type)
        else { return [] }
        return patients
    }

    /// Who the person is and whose records are theirs to see.
    struct Circle: Sendable {
        /// The FHIR identity of the person, to tell themselves from those whom they represent.
        let identity: InstanceKey?
        let people: [LinkedPatient]
    }

    /// The person's circle; nil while the site's directory cannot say. What names people goes without the names then: an
    /// app can be cut off and a session ended whether or not the directory answers.
    func circle(of subject: SubjectID) async -> Circle? {
        do {
            let member = try await directory.member(for: subject)
            return Circle(identity: member?.fhirUser, people: member.map(Self.people) ?? [])
        } catch {
            return nil
        }
    }

    // MARK: - apps

    /// How many apps a page shows.
    static let appsPage = 50

    /// A page of what the person has allowed and what is neither ended nor over, newest first, and what asks for the next.
    func grants(of subject: SubjectID, after place: GrantPlace?) async throws -> (grants: [Grant], next: GrantPlace?) {
        let filter = GrantFilter(subject: subject, livingAt: clock.now(), after: place)
        let found = try await stores.grants.grants(matching: filter, limit: Self.appsPage + 1)
        let grants = Array(found.prefix(Self.appsPage))
        return (grants, found.count > grants.count ? grants.last.map { GrantPlace(of: $0) } : nil)
    }

    /// When something was last read under a grant, in milliseconds; nil for never.
    func lastUse(of grant: GrantID) async throws -> Int64? {
        var query = AuditQuery(grantID: grant, kinds: ["access"], limit: 1)
        repeat {
            let page = try await search(query)
            if let entry = page.entries.first { return Self.record(try entry.statement())?.startedAt }
            query.after = page.next
        } while query.after != nil
        return nil
    }

    /// Ends a grant of the person's own, and forgets what was remembered for its app; false when it was not the person's
    /// or had ended.
    func end(_ id: GrantID, of subject: SubjectID, from source: RequestSource) async throws -> Bool {
        guard let grant = try await stores.grants.grant(id), grant.subject == subject else { return false }
        let record = withdrawal(
            "the choice that was remembered for the app is withdrawn", by: subject, for: grant.clientID, source)
        try await stores.consents.forget(subject, client: grant.clientID, record: record)
        try await trail.flush()
        return try await access.revoke(.grant(id), because: .person, by: subject.text, from: source) != nil
    }

    /// The record of remembered choices that a person takes back: for one app, or for all.
    private func withdrawal(
        _ detail: String, by subject: SubjectID, for client: ClientID? = nil, _ source: RequestSource
    ) -> AuthorizationRecord {
        AuthorizationRecord(
            id: DecisionID(random.identifier()), kind: .revoke, clientID: client, subject: subject,
            outcome: .succeeded, detail: detail, sourceAddress: source.address, at: clock.milliseconds(),
            traceID: source.traceID)
    }

    /// Whether there is anything that `endAll` would end: access, or a choice by which an app would get it unasked.
    func hasAnythingToEnd(of subject: SubjectID) async throws -> Bool {
        if try await stores.consents.remembersAnything(of: subject, at: clock.now()) { return true }
        return try await !grants(of: subject, after: nil).grants.isEmpty
    }

    /// Forgets every remembered choice of the person, also for apps whose access has run out, and ends every access that
    /// they have given; false when there was none of both. Newest first, each with its record: what was ended stays so if
    /// the next cannot be.
    func endAll(of subject: SubjectID, from source: RequestSource) async throws -> Bool {
        let record = withdrawal("every choice that was remembered is withdrawn", by: subject, source)
        var hasEnded = try await stores.consents.forgetAll(of: subject, record: record)
        if hasEnded { try await trail.flush() }
        while true {
            let page = try await grants(of: subject, after: nil).grants
            var isMoving = false
            for grant in page where try await end(grant.id, of: subject, from: source) {
                (hasEnded, isMoving) = (true, true)
            }
            // What cannot be ended, because it ended at this moment, is no reason to look for ever.
            guard isMoving else { return hasEnded }
        }
    }

    // MARK: - what happened to the account

    /// Something that happened to the person's account, when (in milliseconds) and from where.
    struct Notice: Sendable {
        let kind: AccountNotice
        let at: Int64
        let sourceAddress: String?
    }

    /// The latest of what happened to the account itself, newest first.
    func notices(of subject: SubjectID) async throws -> [Notice] {
        var query = AuditQuery(
            subject: subject, kinds: [AuthorizationRecord.Kind.userChanged.rawValue], limit: Self.pageSize)
        var notices: [Notice] = []
        // What is no notice may fill a page, and so may looking in vain; neither may hide one that is older.
        for _ in 0..<Self.mostPages where notices.count < Self.pageSize {
            let page = try await search(query)
            notices += try page.entries.compactMap(Self.notice)
            query.after = page.next
            if page.next == nil { break }
        }
        return Array(notices.prefix(Self.pageSize))
    }

    private static func notice(_ entry: AuditEntry) throws -> Notice? {
        guard case .authorization(let record) = try entry.statement().event,
            let kind = record.detail.flatMap(AccountNotice.init(rawValue:))
        else { return nil }
        return Notice(kind: kind, at: record.at, sourceAddress: record.sourceAddress)
    }

    // MARK: - who read what

    /// A page of the report about one patient, or about what the person did when there is none. The look is recorded first.
    func report(
        about patient: ResourceID?, for subject: SubjectID, after cursor: AuditCursor?, from source: RequestSource
    ) async throws -> (records: [AccessRecord], next: AuditCursor?) {
        try await trail.note(
            AuthorizationRecord(
                id: DecisionID(random.identifier()), kind: .auditRead, subject: subject, patient: patient?.text,
                outcome: .succeeded, detail: "by the person, on the account pages", sourceAddress: source.address,
                at: clock.milliseconds(), traceID: source.traceID))
        var query = AuditQuery(kinds: ["access"], limit: Self.pageSize)
        query.after = cursor
        if let patient { query.patient = patient.text } else { query.subject = subject }
        var records: [AccessRecord] = []
        // What is for auditors alone may fill a page, and whoever saw an empty one would take it for the end.
        for _ in 0..<Self.mostPages where records.isEmpty {
            let page = try await search(query)
            records = try page.entries.map { try $0.statement() }.compactMap(Self.record)
                .filter { Self.concerns($0, patient) }
            query.after = page.next
            if page.next == nil { break }
        }
        return (records, query.after)
    }

    /// How many pages are read for one that has something.
    private static let mostPages = 20

    /// What an app of somebody else tried about a patient and did not get, acting for another one, is for auditors: it
    /// would tell one member what another one tried or mistyped.
    static func concerns(_ record: AccessRecord, _ patient: ResourceID?) -> Bool {
        guard let patient, record.patients.first != patient.text, record.released == 0 else { return true }
        return switch record.outcome {
        case .refused: false
        case .permitted: record.interaction.changesUpstream
        case .pending, .decisionGiven, .failed, .interrupted: true
        }
    }

    private static func record(_ statement: AuditStatement) -> AccessRecord? {
        if case .access(let record) = statement.event { record } else { nil }
    }

    private func search(_ query: AuditQuery) async throws -> AuditPage {
        let reader = audit
        return try await NIOThreadPool.singleton.runIfActive { try reader.search(query) }
    }

    // MARK: - sessions

    func sessions(of subject: SubjectID) async throws -> [BrowserSession] {
        let now = clock.now()
        return try await stores.sessions.sessions(of: subject).filter { now < $0.expiresAt }
    }

    /// Ends one of the person's sessions; false when it is not one, or gone.
    func endSession(_ id: SessionID, of subject: SubjectID, from source: RequestSource) async throws -> Bool {
        guard let session = try await stores.sessions.session(id), session.signIn?.subject == subject else {
            return false
        }
        let record = AuthorizationRecord(
            id: DecisionID(random.identifier()), kind: .logout, subject: subject, outcome: .succeeded,
            detail: "from another browser", sourceAddress: source.address, at: clock.milliseconds(),
            traceID: source.traceID)
        let ended = try await stores.sessions.end(id, record: record)
        try await trail.flush()
        return ended
    }
}
