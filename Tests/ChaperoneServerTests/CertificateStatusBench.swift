import Authorization
import CertificateTrust
import ChaperoneTesting
import OAuthCore
import Synchronization
import Testing

@testable import ChaperoneServer

/// The places that certificates name, as a test has them answer. A class because the test and the code under test
/// share it; the lock is `state`.
final class CertificatePlaces: OutboundFetching {
    private struct State {
        var answers: [String: Result<[UInt8], OutboundFailure>] = [:]
        var seen: [OutboundRequest] = []
        var waiting: [CheckedContinuation<Void, Never>] = []
        var isHeld = false
    }

    private let state = Mutex(State())

    var seen: [OutboundRequest] { state.withLock { $0.seen } }
    func urls() -> [String] { seen.map(\.url) }
    func answer(_ url: String, _ result: Result<[UInt8], OutboundFailure>) {
        state.withLock { $0.answers[url] = result }
    }
    func hold() { state.withLock { $0.isHeld = true } }
    func release() {
        let waiting = state.withLock { state in
            state.isHeld = false
            defer { state.waiting = [] }
            return state.waiting
        }
        for each in waiting { each.resume() }
    }

    func send(_ request: OutboundRequest) async throws(OutboundFailure) -> OutboundAnswer {
        await withCheckedContinuation { continuation in
            let isHeld = state.withLock { state in
                state.seen.append(request)
                if state.isHeld { state.waiting.append(continuation) }
                return state.isHeld
            }
            if !isHeld { continuation.resume() }
        }
        let result = state.withLock { $0.answers[request.url] } ?? .failure(.unreachable("nobody is there"))
        return OutboundAnswer(status: 200, body: try result.get())
    }
}

/// What suites about withdrawn certificates stand on: certificates and lists that are made, places that answer as they are
/// told, a clock that stands.
struct CertificateStatusBench {
    let fixtures: StatusFixtures
    let places = CertificatePlaces()
    let clock = ManualClock(at: StatusFixtures.now)

    init() throws { fixtures = try StatusFixtures() }

    /// What is said where nothing current is known.
    static let unknown = CertificateValidator.Verdict.statusUnknown(
        CertificateStatusPolicy.Gap.nothingCurrent.rawValue)
}

/// A suite that stands on a bench of its own.
protocol CertificateStatusSuite {
    var bench: CertificateStatusBench { get }
}

extension CertificateStatusSuite {
    static var unknown: CertificateValidator.Verdict { CertificateStatusBench.unknown }
    var fixtures: StatusFixtures { bench.fixtures }
    var places: CertificatePlaces { bench.places }
    var clock: ManualClock { bench.clock }

    func judge(
        demanding demand: CertificateStatusPolicy.Demand = .required, files: [String] = [],
        bounds: CertificateStatusSources.Bounds = .init(), fetchesLists: Bool = true, asksResponders: Bool = true,
        kept: KeptLists? = nil, under authority: String = "root", intermediates: [String] = [],
        forgetsLists: Bool = true
    ) throws -> ClientCertificateJudge {
        let files = CertificateListFiles(files)
        #expect(files.reload().isEmpty)
        return ClientCertificateJudge(
            authorities: try #require(CertificateAuthorities(pem: try fixtures.pem(authority))), demand: demand,
            keeper: CertificateStatusKeeper(
                files: files,
                sources: CertificateStatusSources(
                    fetch: places, fetchesLists: fetchesLists, asksResponders: asksResponders, bounds: bounds,
                    kept: kept, clock: clock.clock)),
            intermediates: try intermediates.map { try fixtures.certificate($0) }, forgetsLists: forgetsLists)
    }

    func publish(root: String = "root", issuing: String? = "issuing", answer: String? = nil) throws {
        places.answer(StatusFixtures.rootList, .success(try fixtures.listDER(root)))
        if let issuing { places.answer(StatusFixtures.issuingList, .success(try fixtures.listDER(issuing))) }
        if let answer { places.answer(StatusFixtures.responder, .success(try fixtures.answer(answer))) }
    }

    func verdict(
        _ judge: ClientCertificateJudge, _ name: String, over others: [String] = ["issuing"]
    ) async throws -> CertificateValidator.Verdict {
        await judge.verdict(on: try fixtures.client(name, over: others), at: clock.now)
    }
}
