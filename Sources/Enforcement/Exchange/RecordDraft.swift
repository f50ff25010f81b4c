internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// The audit record of an exchange while it is being filled in.
struct RecordDraft: Sendable {
    private var record: AccessRecord
    private let policy: ServerPolicy
    /// Whom the request names, or was narrowed to.
    private var asked = AskedPatients()
    /// The patient in context of a token with scopes of the patient level.
    private let contextPatient: ResourceID?
    /// Whether the patient in context is what the request stands or falls by.
    private var isOfContext: Bool
    /// Whether the permit is one for a change.
    private var changesUpstream = false
    private var isOperation = false
    /// The entries that are permitted to change something.
    private var changing: Set<DecisionID> = []
    /// Whether what was asked for is described, and what follows are the requests that it comes to.
    private var isSettled = false
    /// Whether data of patients left whom other records of the same answer name.
    private var reachesOthers = false
    /// Types on which the protected server was seen to pass over what a search said; no part of the record itself.
    private(set) var disobeyed: Set<ResourceType> = []

    var decisionID: DecisionID { record.decisionID }

    init(_ incoming: IncomingRequest, _ policy: ServerPolicy) {
        let access = incoming.access
        self.policy = policy
        // A context that no scope of the token is bounded by is nobody's access (a user's token launched on a patient).
        let isBounded = access?.hasScope(of: .patient) ?? false
        contextPatient = isBounded ? access?.launch.patient : nil
        isOfContext = isBounded
        record = AccessRecord(
            decisionID: incoming.decisionID, clientID: access?.clientID, subject: access?.subject,
            fhirUser: access?.launch.fhirUser?.description, sourceAddress: incoming.sourceAddress,
            grantID: access?.grantID, tokenID: access?.tokenID, program: access?.program.rawValue,
            interaction: .unclassified,
            method: incoming.request.method.description, path: incoming.request.path,
            queryAsked: incoming.request.query,
            outcome: .pending, startedAt: incoming.startedAt, traceID: incoming.traceID,
            organization: incoming.organization,
            purposeOfUse: access.map { incoming.purposeOfUse ?? RecordFacts.purposeOfUse($0.program) } ?? [],
            legalBasis: access.map { RecordFacts.legalBasis($0.program) },
            reportingEntity: incoming.reportingEntity)
        if incoming.unrecordedRefusals > 0 {
            record.securityEvents.append("unrecorded-refusals:\(incoming.unrecordedRefusals)")
        }
    }

    /// Adds what the request was understood to ask for.
    mutating func describe(_ request: CanonicalRequest) {
        let target = RecordedTarget(request.interaction)
        asked.add(from: request, policy)
        if isSettled {
            record.resourceID = target.id?.text ?? record.resourceID
            return
        }
        record.interaction = target.interaction
        record.resourceType = target.type?.rawValue
        record.resourceID = target.id?.text
        record.compartment = target.compartment
        record.versionID = target.version?.text
        record.operation = target.operation
        // The form of a POST search is a query like any other (enforcer.md b.4 row 7).
        if request.isPostSearch { record.queryAsked = request.query.encoded }
    }

    /// Adds by what right, and what goes to the protected server.
    mutating func describe(_ permit: Permit) {
        let scopes = permit.determining.map(\.text)
        record.scopes = isSettled ? record.scopes + scopes.filter { !record.scopes.contains($0) } : scopes
        record.queryNarrowed = permit.recordedQuery ?? (isSettled ? record.queryNarrowed : nil)
        for part in permit.requests {
            guard let type = part.upstreamInteraction.type, let query = part.upstreamQuery else { continue }
            asked.add(from: query, of: type, policy)
        }
        let isOfContext = permit.determining.contains { $0.scope.level == .patient } || permit.determining.isEmpty
        self.isOfContext = isSettled ? self.isOfContext || isOfContext : isOfContext
        changesUpstream = permit.changesUpstream
        isOperation = permit.isOperation
    }

    /// Says that what was asked for is described: a patch stays one in the record though an update is sent.
    mutating func settle() { isSettled = true }

    /// Adds what left and what did not.
    mutating func describe(_ answer: ReleasedAnswer) {
        // For a search the permit names every scope that was asked with; the answer knows which admitted something. Of a
        // call its own scopes have opened it, and others what it found.
        if !answer.determining.isEmpty, !changesUpstream {
            let admitting = answer.determining.map(\.text)
            record.scopes =
                isOperation ? record.scopes + admitting.filter { !record.scopes.contains($0) } : admitting
            if !isOperation { isOfContext = answer.determining.contains { $0.scope.level == .patient } }
        }
        record.released = answer.counts.released
        record.withheld = answer.counts.withheld
            .map { AccessRecord.Withheld(reason: $0.key.rawValue, count: $0.value) }
            .sorted { $0.reason < $1.reason }
        record.securityEvents += answer.securityEvents
        add(answer.patients)
        distrust(answer.disobeyed)
    }

    /// Notes types on which the protected server was seen to pass over what a search said.
    mutating func distrust(_ types: Set<ResourceType>) { disobeyed.formUnion(types) }

    /// Adds patients whose resources the request has found, brings or has let out.
    mutating func add(_ patients: [ResourceID]) {
        var known = Set(record.patients)
        for patient in patients where known.insert(patient.text).inserted { record.patients.append(patient.text) }
    }

    /// Adds patients whom the request names.
    mutating func add(asked patients: [ResourceID]) { for patient in patients { asked.add(patient) } }

    /// Adds what a call that may change something is about, beside what it names: in its opening record all of it.
    mutating func add(targets: [String]) {
        for target in targets where !record.targets.contains(target) { record.targets.append(target) }
    }

    /// Everybody whom the request names, was narrowed to or is bounded by.
    private var everyoneAsked: AskedPatients {
        var all = AskedPatients()
        if isOfContext, let contextPatient { all.add(contextPatient) }
        all.add(asked)
        return all
    }

    /// The record with all whom it is about, those first who were asked for.
    private var told: AccessRecord {
        let asked = everyoneAsked
        let reached = Set(record.patients)
        var told = record
        told.patients = asked.ids + record.patients.filter { !asked.contains($0) }
        // What left and is nobody's in particular may be any of theirs.
        let isUnclear = reached.isEmpty && !reachesOthers && record.released > 0
        told.askedOnly = isUnclear ? [] : asked.ids.filter { !reached.contains($0) }
        if asked.left > 0 { told.securityEvents.append("asked-patients-not-named:\(asked.left)") }
        return told
    }

    /// The record before anything is done. If it is all that is ever known, of nobody can be said that nothing came of it.
    func opening() -> AccessRecord {
        var opening = told
        opening.askedOnly = []
        return opening
    }

    /// The record of a decision that somebody else carries out. What left then is not known here, so nobody is said to
    /// have been only asked for where it was permitted.
    func decided(_ outcome: AccessOutcome, status: Int) -> AccessRecord {
        var closed = told
        if case .decisionGiven = outcome { closed.askedOnly = [] }
        closed.outcome = outcome
        closed.status = status
        return closed
    }

    /// The patients whom the record names by now.
    var named: Set<ResourceID> { Set(told.patients.compactMap { ResourceID($0) }) }

    /// The patients of whom the closing record of an answer that goes out piece by piece has to know whether it was of
    /// theirs: whom the request names, the patient in context, whom a record names already.
    var expected: Set<ResourceID> {
        var all = named
        all.formUnion(asked.everybody.compactMap { ResourceID($0) })
        if let contextPatient { all.insert(contextPatient) }
        return all
    }

    /// Adds whom an answer that went out piece by piece has reached. Those beside are in parts of the patient index; these
    /// are in none, or would be taken for patients who were asked for alone.
    ///
    /// - Parameter opened: patients whom the opening record names.
    mutating func add(_ reach: StreamedReach, openedWith opened: Set<ResourceID>) {
        let asked = everyoneAsked
        add(reach.expected.filter { opened.contains($0) || asked.contains($0.text) }.sorted())
        reachesOthers = reach.isAnybodys
    }

    /// The record of the end of an answer that went out piece by piece; what left is described already.
    ///
    /// - Parameter released: how many resources the client was sent; of what was judged the last ones may not have been.
    func streamed(_ outcome: AccessOutcome, status: Int, released: Int) -> AccessRecord {
        var closed = told
        closed.released = released
        closed.outcome = outcome
        closed.status = status
        return closed
    }

    /// The id of a part of the patient index, from 1.
    func part(_ number: Int) -> DecisionID { DecisionID("\(record.decisionID.text).\(number)") }

    /// A part of the patient index of an answer that goes out piece by piece: a record of its own beside that of the whole,
    /// because one record cannot name all of them (decision 15). It is durable before anything behind it goes out.
    func index(_ number: Int, of patients: [ResourceID], released: Int) -> AccessRecord {
        var part = record
        part.decisionID = self.part(number)
        part.parent = record.decisionID
        part.patients = patients.map(\.text)
        part.released = released
        part.outcome = .permitted
        part.securityEvents = []
        return part
    }

    /// The record of the end.
    func closing(_ conclusion: Conclusion) -> AccessRecord {
        var closed = told
        // What was judged fit to leave and does not leave after all was not released.
        switch conclusion {
        case .refusal:
            closed.released = 0
            closed.entries = closed.entries.map { notGiven($0, with: conclusion.outcome) }
        case .released(let answer):
            // The answer to HEAD is one without its body.
            let isHead = record.method == FHIRRequest.Method.head.description
            if isHead || answer.body.bytes.isEmpty && answer.rawContentType == nil { closed.released = 0 }
        case .bundle: break
        }
        closed.outcome = conclusion.outcome
        closed.status = conclusion.status
        return closed
    }

    /// The record of an entry whose whole is not given: no part claims more than its whole (ADR 63, 78). What was changed
    /// for it stays changed, and its status stays the one that says so.
    private func notGiven(_ entry: AccessRecord, with whole: AccessOutcome) -> AccessRecord {
        var entry = entry
        entry.released = 0
        guard case .permitted = entry.outcome else { return entry }
        entry.outcome =
            changing.contains(entry.decisionID)
            ? .interrupted(reason: "done-not-answered: status-\(entry.status ?? 0)") : whole
        return entry
    }
}

// MARK: - batches and transactions

extension RecordDraft {
    /// The record of one entry, at its place from 0.
    func entry(_ place: Int, _ request: FHIRRequest?) -> RecordDraft {
        var entry = self
        entry.record.decisionID = DecisionID("\(record.decisionID.text).\(place + 1)")
        entry.record.parent = record.decisionID
        entry.record.interaction = .unclassified
        entry.record.patients = []
        entry.asked = AskedPatients()
        entry.isOfContext = contextPatient != nil
        entry.changesUpstream = false
        entry.isOperation = false
        entry.changing = []
        entry.record.securityEvents = []
        guard let request else { return entry }
        entry.record.method = request.method.description
        entry.record.path = request.path
        entry.record.queryAsked = request.query
        return entry
    }

    /// The record of the whole, with what its entries have come to so far.
    ///
    /// - Parameter entries: each with its end, if it has one, and whether it may change something.
    func gathering(_ entries: [(record: RecordDraft, conclusion: Conclusion?, isWrite: Bool)]) -> RecordDraft {
        var whole = self
        var patients = Set(record.patients)
        // Whoever its entries are about, and nobody beside.
        if !entries.isEmpty { whole.isOfContext = false }
        for (entry, conclusion, isWrite) in entries {
            let part = entry.record
            for patient in part.patients where patients.insert(patient).inserted {
                whole.record.patients.append(patient)
            }
            whole.asked.add(entry.everyoneAsked)
            whole.distrust(entry.disobeyed)
            whole.record.withheld += part.withheld
            if isWrite {
                let target = part.resourceType.map { type in part.resourceID.map { "\(type)/\($0)" } ?? type }
                whole.record.targets.append("\(part.method) \(target ?? part.path)")
            }
            if let conclusion {
                let closed = entry.closing(conclusion)
                // Only what an entry's own record says that it released.
                whole.record.released += closed.released
                whole.record.entries.append(closed)
                if entry.changesUpstream { whole.changing.insert(closed.decisionID) }
            }
        }
        for scope in entries.flatMap(\.record.record.scopes) where !whole.record.scopes.contains(scope) {
            whole.record.scopes.append(scope)
        }
        return whole
    }
}
