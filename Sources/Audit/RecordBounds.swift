internal import AccessPolicy

/// How long the parts of a record may be, so that hostile input cannot fill the log.
enum RecordBounds {
    static let identifier = 256
    static let path = 1024
    static let query = 8192
    static let reason = 256
    static let detail = 1024
    static let scope = 512
    static let scopes = 256
    static let reasons = 32
    /// How many patients one record names; the others are named by records of their own beside it.
    static let patients = 10_000
    /// As many as a Bundle may have entries.
    static let targets = 500
}

extension String {
    /// The text without secrets, cut to a number of UTF-8 bytes with a mark that says how many are missing.
    func bounded(_ limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var end = utf8.index(startIndex, offsetBy: limit)
        while Unicode.UTF8.isContinuation(utf8[end]) { end = utf8.index(before: end) }
        return "\(self[..<end])…(+\(utf8[end...].count) bytes)"
    }
}

extension [String] {
    /// The first texts, each cut, with a last one that says how many are missing.
    func bounded(_ limit: Int, each: Int) -> [String] {
        guard count > limit || contains(where: { $0.utf8.count > each }) else { return self }
        let kept = prefix(limit).map { $0.bounded(each) }
        return count > limit ? kept + ["…(+\(count - limit))"] : kept
    }
}

extension AccessRecord {
    /// The record as it is written: every part capped, secrets taken out of path and queries.
    public func bounded() -> AccessRecord {
        var record = self
        record.decisionID = DecisionID(decisionID.text.bounded(RecordBounds.identifier))
        record.clientID = clientID.map { ClientID(SecretScrubber.scrub($0.text).bounded(RecordBounds.identifier)) }
        record.subject = subject.map { SubjectID(SecretScrubber.scrub($0.text).bounded(RecordBounds.identifier)) }
        record.fhirUser = fhirUser?.bounded(RecordBounds.identifier)
        record.sourceAddress = sourceAddress?.bounded(RecordBounds.identifier)
        record.grantID = grantID.map { GrantID($0.text.bounded(RecordBounds.identifier)) }
        record.tokenID = tokenID.map { TokenID(SecretScrubber.scrub($0.text).bounded(RecordBounds.identifier)) }
        record.scopes = scopes.bounded(RecordBounds.scopes, each: RecordBounds.scope)
        record.program = program?.bounded(RecordBounds.identifier)
        record.patients = patients.prefix(RecordBounds.patients).map { $0.bounded(RecordBounds.identifier) }
        // A client names these; each is an id, which no token is short enough for.
        record.askedOnly = askedOnly.prefix(RecordBounds.patients).map { $0.bounded(RecordBounds.identifier) }
        record.compartment = compartment.map { SecretScrubber.scrub($0).bounded(RecordBounds.identifier) }
        record.resourceType = resourceType?.bounded(RecordBounds.identifier)
        record.resourceID = resourceID.map { SecretScrubber.scrub($0).bounded(RecordBounds.identifier) }
        record.versionID = versionID?.bounded(RecordBounds.identifier)
        record.operation = operation?.bounded(RecordBounds.identifier)
        record.method = method.bounded(RecordBounds.identifier)
        record.path = SecretScrubber.scrub(path).bounded(RecordBounds.path)
        record.queryAsked = queryAsked.map { SecretScrubber.scrub(query: $0).bounded(RecordBounds.query) }
        record.queryNarrowed = queryNarrowed.map { SecretScrubber.scrub(query: $0).bounded(RecordBounds.query) }
        record.outcome = outcome.bounded()
        if !withheld.isEmpty { record.withheld = withheld.summed().prefix(RecordBounds.reasons).map { $0 } }
        record.securityEvents = securityEvents.bounded(RecordBounds.reasons, each: RecordBounds.reason)
        record.traceID = traceID?.bounded(RecordBounds.identifier)
        record.organization = organization?.bounded(RecordBounds.identifier)
        record.purposeOfUse = purposeOfUse.bounded(RecordBounds.reasons, each: RecordBounds.identifier)
        record.legalBasis = legalBasis?.bounded(RecordBounds.identifier)
        record.reportingEntity = reportingEntity?.bounded(RecordBounds.identifier)
        record.parent = parent.map { DecisionID($0.text.bounded(RecordBounds.identifier)) }
        record.targets = targets.bounded(RecordBounds.targets, each: RecordBounds.identifier)
        record.entries = []
        return record
    }
}

extension AccessRecord {
    /// What is written before this record, in one transaction with it: the records of its entries, and the rest of the
    /// patient index where there are more patients than one record names. None of them is lost, and nothing stands in the
    /// index that is nobody.
    var parts: [AccessRecord] { entries.flatMap { $0.overflow + [$0] } + overflow }

    /// The record of the same access with nothing released, nor by its entries.
    var releasingNothing: AccessRecord {
        var record = self
        record.released = 0
        record.entries = entries.map(\.releasingNothing)
        return record
    }

    private var overflow: [AccessRecord] {
        guard patients.count > RecordBounds.patients else { return [] }
        var records: [AccessRecord] = []
        var rest = patients.dropFirst(RecordBounds.patients)
        while !rest.isEmpty {
            var part = self
            part.decisionID = DecisionID("\(decisionID.text).patients-\(records.count + 1)")
            part.parent = decisionID
            part.patients = Array(rest.prefix(RecordBounds.patients))
            (part.entries, part.askedOnly) = ([], [])
            (part.released, part.withheld, part.securityEvents) = (0, [], [])
            records.append(part)
            rest = rest.dropFirst(RecordBounds.patients)
        }
        return records
    }
}

extension [AccessRecord.Withheld] {
    /// One count per reason, in the order in which reasons first stand.
    fileprivate func summed() -> [AccessRecord.Withheld] {
        var order: [String] = []
        var counts: [String: Int] = [:]
        for part in self {
            let reason = part.reason.bounded(RecordBounds.reason)
            if counts[reason] == nil { order.append(reason) }
            counts[reason, default: 0] += part.count
        }
        return order.map { AccessRecord.Withheld(reason: $0, count: counts[$0, default: 0]) }
    }
}

extension AuthorizationRecord {
    /// The record as it is written: every part capped, secrets taken out of the free text.
    public func bounded() -> AuthorizationRecord {
        var record = self
        record.id = DecisionID(id.text.bounded(RecordBounds.identifier))
        record.clientID = clientID.map { ClientID(SecretScrubber.scrub($0.text).bounded(RecordBounds.identifier)) }
        record.subject = subject.map { SubjectID(SecretScrubber.scrub($0.text).bounded(RecordBounds.identifier)) }
        record.actor = actor?.bounded(RecordBounds.identifier)
        record.fhirUser = fhirUser?.bounded(RecordBounds.identifier)
        record.patient = patient?.bounded(RecordBounds.identifier)
        record.grantID = grantID.map { GrantID($0.text.bounded(RecordBounds.identifier)) }
        record.tokenID = tokenID.map { TokenID(SecretScrubber.scrub($0.text).bounded(RecordBounds.identifier)) }
        record.scopes = scopes.bounded(RecordBounds.scopes, each: RecordBounds.scope)
        record.program = program?.bounded(RecordBounds.identifier)
        record.outcome = outcome.bounded()
        record.detail = detail.map { SecretScrubber.scrub($0).bounded(RecordBounds.detail) }
        record.sourceAddress = sourceAddress?.bounded(RecordBounds.identifier)
        record.traceID = traceID?.bounded(RecordBounds.identifier)
        record.organization = organization?.bounded(RecordBounds.identifier)
        record.purposeOfUse = purposeOfUse.bounded(RecordBounds.reasons, each: RecordBounds.identifier)
        record.legalBasis = legalBasis?.bounded(RecordBounds.identifier)
        record.reportingEntity = reportingEntity?.bounded(RecordBounds.identifier)
        record.hold = hold?.bounded()
        return record
    }
}

extension AccessOutcome {
    fileprivate func bounded() -> AccessOutcome {
        switch self {
        case .pending, .permitted, .decisionGiven: self
        case .refused(let reason): .refused(reason: SecretScrubber.scrub(reason).bounded(RecordBounds.reason))
        case .failed(let reason): .failed(reason: SecretScrubber.scrub(reason).bounded(RecordBounds.reason))
        case .interrupted(let reason): .interrupted(reason: SecretScrubber.scrub(reason).bounded(RecordBounds.reason))
        }
    }
}

extension AuthorizationRecord.Outcome {
    fileprivate func bounded() -> AuthorizationRecord.Outcome {
        switch self {
        case .succeeded: self
        case .refused(let reason): .refused(reason: SecretScrubber.scrub(reason).bounded(RecordBounds.reason))
        case .failed(let reason): .failed(reason: SecretScrubber.scrub(reason).bounded(RecordBounds.reason))
        }
    }
}
