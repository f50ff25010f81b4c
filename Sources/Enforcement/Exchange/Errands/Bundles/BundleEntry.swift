internal import AccessPolicy
internal import FHIRCore

/// One entry of a batch or transaction, from its request to what it came to.
struct BundleEntry: Sendable {
    /// What is asked, once it could be read.
    var request: CanonicalRequest?
    /// Who asks; `received` is the entry in the words of HTTP.
    let asker: Asker
    let fullURL: String?
    /// The record as far as it is known before the entry's errand fills it in.
    var draft: RecordDraft
    var errand: (any Errand)?
    var isStarted = false
    /// The change that the errand wants next and that waits for its turn.
    var waiting: UpstreamRequest?
    var conclusion: Conclusion?

    /// Reads an entry; one that is none has come to its refusal.
    init(_ entry: BundleRequest.Entry, at place: Int, of asker: Asker, record: RecordDraft, base: String) {
        fullURL = entry.fullURL
        let prefer = asker.received.headers.prefer
        var received: FHIRRequest?
        do throws(RequestRefusal) {
            received = try entry.fhirRequest(base: base, prefer: prefer)
            request = try entry.request(base: base, prefer: prefer)
        } catch {
            conclusion = .refusal(GatewayRefusal(error))
        }
        self.asker = received.map { asker.asking($0, at: place) } ?? asker
        draft = record.entry(place, received)
        if let request { draft.describe(request) }
    }

    /// Whether it may change what is stored.
    var isWrite: Bool { request?.interaction.isWrite ?? false }

    /// FHIR R4 http.html, transaction processing rules: deletes, then creates, then updates and patches, then reads.
    var rank: Int {
        switch request?.method {
        case .delete: 0
        case .post: 1
        case .put, .patch: 2
        case .get, .head, .options, .other, nil: 3
        }
    }

    var record: RecordDraft { errand?.record ?? draft }

    /// The part of the whole record.
    var part: (record: RecordDraft, conclusion: Conclusion?, isWrite: Bool) { (record, conclusion, isWrite) }

    /// Judges the request under the token; what is refused has come to its end.
    mutating func judge(_ rules: ExchangeRules, setting: WriteSetting = .alone) {
        guard conclusion == nil, let request else { return }
        switch rules.judge(request, of: asker, page: nil, record: draft, setting: setting) {
        case .refuse(let refusal, let record):
            draft = record
            conclusion = .refusal(refusal)
        case .begin(let errand): self.errand = errand
        }
    }

    mutating func start() -> ErrandStep? {
        isStarted = true
        return errand?.start()
    }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep? { errand?.heard(reply) }

    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) {
        guard conclusion == nil else { return }
        conclusion = errand?.stopped(refusal, after: reply) ?? .refusal(refusal)
    }
}

extension Asker {
    /// The same asker with another request, at its place in a Bundle: the random bits of two entries begin so far apart
    /// that nothing is made twice of them.
    func asking(_ request: FHIRRequest, at place: Int) -> Asker {
        Asker(
            access: access, userPanel: userPanel, systemPanel: systemPanel, received: request, now: now,
            seed: seed &+ UInt128(place + 1) << 40)
    }
}
