public import FHIRCore

/// A call that was permitted.
struct OperationCall: Sendable {
    let descriptor: OperationDescriptor
    /// The body that was judged; nil for a call by GET.
    let body: Released?
    /// Reads that must pass first.
    var proofs: [Permit] = []
    /// What must each admit a resource beside its being readable.
    var holds: [OperationHold] = []
    /// The names that entries of what is handed in have got.
    var names: [String: String] = [:]
    /// The patients whom the call names or hands in.
    var subjects: Set<ResourceID> = []
    /// What is handed in, by its name or its type.
    var targets: [String] = []
}

/// What an operation needs on one stored resource: a letter, and the grants that give it.
struct OperationHold: Sendable {
    let key: InstanceKey
    let letter: Permissions
    let grants: [EffectiveGrant]
}

extension Permit {
    /// Whether the request is a call of an operation.
    public var isOperation: Bool { rule.operation != nil }

    /// Whether carrying out the request can change what is stored; of an operation its descriptor says so.
    public var changesUpstream: Bool { rule.operation?.descriptor.changesState ?? request.interaction.isWrite }

    /// The body of a call by POST.
    public var operationBody: Released? { rule.operation?.body }

    /// The patients whom a call names, or whose resources it hands in; for the record.
    public var operationSubjects: [ResourceID] { (rule.operation?.subjects ?? []).sorted() }

    /// What a call is made on and what it hands in, in the form of the record's targets.
    public var operationTargets: [String] { rule.operation?.targets ?? [] }

    /// The refusal where a read that the call hangs on does not pass: of the instance, or of what its body refers to.
    public var unprovenDenial: Denial {
        Denial(rule.operation?.descriptor.binding == .instance ? .notFound : .referenceNotVisible)
    }

    /// Whether an answer is one to a read that the request hangs on, and passes: as a read of this token would, and where
    /// an operation is called on it, or stores something in its place, under every letter that this needs on it.
    public func isProven(by answer: UpstreamAnswer, to proof: Permit) -> Bool {
        guard case .release = admitAnswer(answer, under: proof, pageLink: { _ in nil }) else { return false }
        let holds = (rule.operation?.holds ?? []).filter { $0.key == proof.request.interaction.instance }
        guard !holds.isEmpty else { return true }
        guard let view = resource(of: answer) else { return false }
        return holds.allSatisfy { hold in
            let judge = Judge(grants: hold.grants, policy: rule.policy)
            if case .passes = judge.judge(view, letters: hold.letter) { return true }
            return false
        }
    }
}
