internal import AccessPolicy
internal import FHIRCore

/// An answer that is on its way piece by piece: what has come of it, how far it has been judged, how it ended.
///
/// It performs nothing; `GatewayExchange` asks it what is next whenever something has come or has been recorded.
struct AnswerFlow: Sendable {
    /// What is being waited for.
    enum Phase: Sendable {
        /// The opening record is being written.
        case opening
        /// More of the answer.
        case flowing
        /// A part of the patient index is being written.
        case indexing
        /// The closing record is being written; then the last bytes go.
        case finishing(Released)
        /// The closing record is being written; then the connection is cut.
        case cutting
    }

    /// How the upstream's answer ended, or why it is given up.
    enum End: Sendable {
        case whole
        case failed(UpstreamFailure)
        case stopped(GatewayRefusal)
    }

    /// What is next.
    enum Step: Sendable {
        case wait
        case send(Released)
        /// The patients up to now are to be recorded before what was released goes on.
        case index(IndexPart)
        /// Everything was judged; these are the last bytes.
        case finish(Released)
        case give(up: End)
    }

    /// A part of the patient index.
    struct IndexPart: Sendable {
        /// From 1.
        let number: Int
        let patients: [ResourceID]
        /// How many resources have been released since the part before.
        let released: Int
    }

    /// As many patients as one record of the log holds.
    static let patientsAPart = 10_000
    /// More patients than this are not remembered as named; one that comes again later may be named twice.
    private static let mostRemembered = 50_000
    /// How much is judged at once.
    private static let bytesAtOnce = 64 << 10

    var phase = Phase.opening
    /// Whether the client has been sent anything.
    private(set) var hasBegun = false
    /// How many parts of the patient index have been given out, and how much had been released by then.
    private(set) var parts = 0
    private var indexed = 0
    private(set) var admission: any StreamedAdmission
    private var held: [UInt8]
    private var judged = 0
    private var room: Int
    private var end: End?
    /// Whether the last byte has been judged.
    private var isFinished = false

    /// Patients whom a record of this answer names, or the next one will.
    private var named: Set<ResourceID>
    /// Patients of what has been released whom no record names yet.
    private(set) var unnamed: ArraySlice<ResourceID> = []
    /// What goes out as soon as everybody in it has been named, with how many resources have been released by its end.
    private var ready: (bytes: Released, count: Int, reach: StreamedReach)?
    /// How much with patients who have not been named is gathered for one part of the index.
    private let gathering: Int
    /// Whether what is held back has been held back for long enough.
    private var isDue = false
    /// How many resources the client has been sent.
    private(set) var sent = 0
    /// Patients of whom the closing record has to know whether they were met: a record names them already, or would say
    /// that they were only asked for.
    private let expected: Set<ResourceID>
    /// Whom all that was judged is of.
    private(set) var reach = StreamedReach()
    /// Whom all that the client has been sent is of.
    private(set) var reachSent = StreamedReach()

    /// - Parameters:
    ///   - held: what has come already.
    ///   - limit: the most bytes that may come in all.
    ///   - named: patients whom the opening record names.
    ///   - expected: these and whoever else the request is about.
    ///   - gathering: how much may be held back until its patients have been named, in bytes.
    init(
        _ admission: any StreamedAdmission, held: [UInt8], limit: Int, named: Set<ResourceID>,
        expected: Set<ResourceID>, gathering: Int
    ) {
        self.admission = admission
        self.held = held
        self.named = named
        self.expected = expected.union(named)
        self.gathering = gathering
        room = limit - held.count
    }

    /// Whether nothing but the upstream is waited for.
    var isFlowing: Bool {
        if case .flowing = phase { true } else { false }
    }

    /// Whether something that was released waits for others to be named with its patients.
    var holdsBack: Bool { isFlowing && !unnamed.isEmpty }

    /// Whether it ends before its end.
    var isGivenUp: Bool {
        switch end {
        case .failed, .stopped: true
        case .whole, nil: false
        }
    }

    /// Takes more of the answer.
    mutating func hold(_ bytes: [UInt8]) {
        guard end == nil else { return }
        room -= bytes.count
        guard room >= 0 else { return stop(.failed(.tooLarge)) }
        if held.isEmpty { held = bytes } else { held.append(contentsOf: bytes) }
    }

    /// Takes the end; the first one counts, and one that gives up overrules a good one.
    mutating func stop(_ end: End) {
        switch (self.end, end) {
        case (nil, _), (.whole, .failed), (.whole, .stopped): self.end = end
        default: break
        }
    }

    /// What is held back has been held back for long enough.
    mutating func heldLongEnough() { isDue = true }

    /// Judges what has come.
    ///
    /// INVARIANT: a step `send` brings nothing of a patient whom no durable record names; see ADR 47.
    mutating func advance() -> Step {
        switch end {
        case .failed(let failure): return .give(up: .failed(failure))
        case .stopped(let refusal): return .give(up: .stopped(refusal))
        case .whole, nil: break
        }
        if let step = sendReady() { return step }
        do throws(StreamFault) { try judge() } catch {
            return .give(up: .failed(error == .pieceTooLarge ? .tooLarge : .malformed))
        }
        collect()
        if isFinished {
            // The last ones are named by the closing record, which the last bytes follow.
            return nextPart(leaving: Self.patientsAPart) ?? .finish(admission.drain())
        }
        guard unnamed.isEmpty else {
            guard isDue || unnamed.count >= Self.patientsAPart || admission.releasedBytes >= gathering else {
                return .wait
            }
            ready = (admission.drain(), admission.summary.counts.released, reach)
            return sendReady() ?? .wait
        }
        guard !hasBegun || admission.releasedBytes > 0 else { return .wait }
        sent = admission.summary.counts.released
        reachSent = reach
        return .send(admission.drain())
    }

    private mutating func judge() throws(StreamFault) {
        while judged < held.count {
            let next = min(judged + Self.bytesAtOnce, held.count)
            try admission.take(held[judged..<next])
            judged = next
        }
        held = []
        judged = 0
        guard end != nil, !isFinished else { return }
        try admission.finish()
        isFinished = true
    }

    /// Notes the patients of what has been released who are new in this answer.
    private mutating func collect() {
        for patient in admission.takePatients() {
            reach.meet(patient, isExpected: expected.contains(patient))
            guard !named.contains(patient) else { continue }
            if named.count >= Self.mostRemembered { named = [] }
            named.insert(patient)
            unnamed.append(patient)
        }
    }

    /// What is ready goes, after the parts of the index that name its patients.
    private mutating func sendReady() -> Step? {
        guard let ready else { return nil }
        if let part = nextPart(leaving: 0) { return part }
        self.ready = nil
        isDue = false
        sent = ready.count
        reachSent = ready.reach
        return .send(ready.bytes)
    }

    /// The next part of the patient index, as long as more patients than these have no name in any record.
    private mutating func nextPart(leaving rest: Int) -> Step? {
        guard unnamed.count > rest else { return nil }
        let patients = Array(unnamed.prefix(Self.patientsAPart))
        unnamed = unnamed.dropFirst(patients.count)
        phase = .indexing
        let all = admission.summary.counts.released
        defer { indexed = all }
        parts += 1
        return .index(IndexPart(number: parts, patients: patients, released: all - indexed))
    }

    /// The client is sent something.
    mutating func begin() { hasBegun = true }
}
