import AccessPolicy
import Audit
import ChaperoneTesting
import Foundation
import Synchronization

/// A record of a member's app reading one Observation.
func sampleRecord(_ id: String = "d-1", _ change: (inout AccessRecord) -> Void = { _ in }) -> AccessRecord {
    var record = AccessRecord(
        decisionID: DecisionID(id), clientID: ClientID("demo-app"), subject: SubjectID("patient-a"),
        fhirUser: "Patient/patient-a", sourceAddress: "192.0.2.7", grantID: GrantID("grant-1"),
        tokenID: TokenID("jti-1"), scopes: ["patient/Observation.rs"], program: "patient-access",
        patients: ["patient-a"], interaction: .read, resourceType: "Observation", resourceID: "obs-1",
        method: "GET", path: "/Observation/obs-1", outcome: .permitted, status: 200, released: 1,
        startedAt: 1_760_000_000_000, endedAt: 1_760_000_000_012, traceID: "trace-1")
    change(&record)
    return record
}

/// A clock that stands still.
let stillClock = AuditClock { 1_760_000_000_500 }

/// Collects what completions say, in order; waits for a number of them.
final class Answers: Sendable {
    enum Answer: Hashable, Sendable {
        case receipt(String)
        case failure(AuditFailure)
    }
    private let list = Mutex<[Answer]>([])
    private let arrived = DispatchSemaphore(value: 0)

    func add(_ answer: Answer) {
        list.withLock { $0.append(answer) }
        arrived.signal()
    }

    /// The completion for a record or a close.
    @Sendable func closing(_ result: consuming Result<ClosingReceipt, AuditFailure>) {
        switch consume result {
        case .success(let receipt): add(.receipt(receipt.decisionID.text))
        case .failure(let failure): add(.failure(failure))
        }
    }

    var all: [Answer] { list.withLock { $0 } }

    func wait(for count: Int) -> [Answer] {
        for _ in 0..<count { arrived.wait() }
        return all
    }
}

/// A gate that holds appends until it is opened, and says when one stands before it.
final class AppendGate: Sendable {
    private let permits = DispatchSemaphore(value: 0)
    private let reached = DispatchSemaphore(value: 0)
    var hold: @Sendable () -> Void {
        { [permits, reached] in
            reached.signal()
            permits.wait()
            permits.signal()
        }
    }
    func awaitAppend() { reached.wait() }
    func open() { permits.signal() }
}

/// Small deterministic random numbers (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
