internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// What an exchange has come to, written in the format that was asked for.
///
/// It is made of a conclusion and nothing else: its bytes are those that `AccessPolicy` released, or an
/// OperationOutcome of ours, or the same in XML. It is made before the record is closed, so that an answer which cannot
/// be written is recorded as one.
struct WrittenAnswer: Sendable {
    /// What is recorded and answered; a refusal where the answer could not be written.
    let conclusion: Conclusion
    let body: [UInt8]
    let format: AnswerFormat

    /// - Parameter changesUpstream: whether something may have been changed, which a refusal must not hide.
    init(_ conclusion: Conclusion, in format: AnswerFormat, changesUpstream: Bool = false) {
        self.format = format
        switch conclusion {
        case .released(let answer):
            // The content of a Binary, or lines of resources: there is no other format of it.
            guard answer.rawContentType == nil, answer.plainContentType == nil else {
                self.conclusion = conclusion
                body = answer.body.bytes
                return
            }
            (self.conclusion, body) = Self.written(conclusion, answer.body.bytes, format, changesUpstream)
        case .bundle(let response):
            (self.conclusion, body) = Self.written(conclusion, response.bytes, format, changesUpstream)
        case .refusal(let refusal):
            self.conclusion = conclusion
            body = Self.outcome(refusal, format)
        }
    }

    private static func written(
        _ conclusion: Conclusion, _ bytes: [UInt8], _ format: AnswerFormat, _ changesUpstream: Bool
    ) -> (Conclusion, [UInt8]) {
        if let body = FormatDoor.leaving(bytes, as: format) { return (conclusion, body) }
        let refusal = GatewayRefusal.unwritable(as: format)
        let told = changesUpstream ? refusal.afterWrite(status: conclusion.status) : refusal
        return (.refusal(told), outcome(refusal, format))
    }

    /// INVARIANT: `OperationOutcome` writes what both formats can say.
    private static func outcome(_ refusal: GatewayRefusal, _ format: AnswerFormat) -> [UInt8] {
        FormatDoor.leaving(refusal.body, as: format) ?? []
    }

    /// The header fields that go with the conclusion, without those that name the exchange.
    var fields: [AnswerFields.Field] {
        switch conclusion {
        case .refusal(let refusal): return refusal.fields(in: format)
        case .bundle: return AnswerFields.document(in: format)
        case .released(let answer):
            var fields = body.isEmpty ? AnswerFields.guarded : AnswerFields.document(in: format)
            if let type = answer.rawContentType {
                // Row 28: content that somebody has uploaded is kept, never shown as a page of ours.
                fields = [("content-type", type), ("content-disposition", "attachment")] + AnswerFields.guarded
            }
            if let type = answer.plainContentType { fields = [("content-type", type)] + AnswerFields.guarded }
            if let place = answer.contentLocation { fields.append(("content-location", place)) }
            if let seconds = answer.retryAfter { fields.append(("retry-after", String(seconds))) }
            if let etag = answer.etag { fields.append(("etag", etag)) }
            if let lastModified = answer.lastModified { fields.append(("last-modified", lastModified)) }
            if let location = answer.location { fields.append(("location", location)) }
            return fields
        }
    }
}

extension GatewayRefusal {
    /// What was released has something in it that this format cannot say, for instance an element that R4 does not
    /// know. Whoever asks for JSON gets it.
    fileprivate static func unwritable(as format: AnswerFormat) -> GatewayRefusal {
        GatewayRefusal(
            status: 406, issueCode: "not-supported",
            diagnostics:
                "the answer cannot be written as \(format.mediaType); it can be as \(AnswerFormat.json.mediaType)",
            outcome: .failed(reason: "answer-unwritable"))
    }
}
