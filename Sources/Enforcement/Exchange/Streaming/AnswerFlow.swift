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
    /// How much is judged before it is seen whether the patient index has grown full.
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
    /// Patients that one part of the index had no room for; one resource can name many.
    private var unindexed: ArraySlice<ResourceID> = []

    /// - Parameters:
    ///   - held: what has come already.
    ///   - limit: the most bytes that may come in all.
    init(_ admission: any StreamedAdmission, held: [UInt8], limit: Int) {
        self.admission = admission
        self.held = held
        room = limit - held.count
    }

    /// Whether nothing but the upstream is waited for.
    var isFlowing: Bool {
        if case .flowing = phase { true } else { false }
    }

    /// Whether the record of the end is being written.
    var isClosing: Bool {
        switch phase {
        case .finishing, .cutting: true
        case .opening, .flowing, .indexing: false
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

    /// Judges what has come.
    mutating func advance() -> Step {
        switch end {
        case .failed(let failure): return .give(up: .failed(failure))
        case .stopped(let refusal): return .give(up: .stopped(refusal))
        case .whole, nil: break
        }
        do throws(StreamFault) {
            if let part = nextPart() { return .index(part) }
            while judged < held.count {
                let next = min(judged + Self.bytesAtOnce, held.count)
                try admission.take(held[judged..<next])
                judged = next
                if let part = nextPart() { return .index(part) }
            }
            held = []
            judged = 0
            guard end == nil else {
                if !isFinished { try admission.finish() }
                isFinished = true
                if let part = nextPart() { return .index(part) }
                return .finish(admission.drain())
            }
        } catch {
            return .give(up: .failed(error == .pieceTooLarge ? .tooLarge : .malformed))
        }
        let released = admission.drain()
        guard !hasBegun || !released.bytes.isEmpty else { return .wait }
        return .send(released)
    }

    /// The next part of the patient index, once there are patients enough for one. What is left at the end stands in the
    /// closing record.
    private mutating func nextPart() -> IndexPart? {
        if unindexed.isEmpty, admission.patientCount >= Self.patientsAPart { unindexed = admission.takePatients()[...] }
        let patients = Array(unindexed.prefix(Self.patientsAPart))
        guard !patients.isEmpty else { return nil }
        unindexed = unindexed.dropFirst(patients.count)
        phase = .indexing
        let all = admission.summary.counts.released
        defer { indexed = all }
        parts += 1
        return IndexPart(number: parts, patients: patients, released: all - indexed)
    }

    /// The client is sent something.
    mutating func begin() { hasBegun = true }
}
