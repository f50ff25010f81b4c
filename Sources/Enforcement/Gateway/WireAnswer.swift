internal import FHIRCore
internal import NIOHTTP1

/// An answer ready for the wire.
///
/// There are three kinds and no other way to make one: the answer of an exchange, which cost a closing receipt; a
/// refusal of the message's form; and constant public documents that hold nobody's data.
struct WireAnswer {
    let status: Int
    let fields: [(name: String, value: String)]
    let body: [UInt8]
    private let crossOrigin: CrossOriginPolicy?
    /// To be called when the connection ends before all of it was written; nil where nobody wants to know.
    let notWritten: (() -> Void)?

    /// The answer of an exchange.
    init(_ answer: consuming GatewayAnswer, notWritten: (() -> Void)? = nil) {
        self.notWritten = notWritten
        status = answer.status
        fields = answer.fields
        crossOrigin = answer.crossOrigin
        body = answer.takeBody()
    }

    private init(
        status: Int, fields: [(name: String, value: String)], body: [UInt8], crossOrigin: CrossOriginPolicy?,
        notWritten: (() -> Void)? = nil
    ) {
        self.notWritten = notWritten
        self.status = status
        self.fields = fields
        self.body = body
        self.crossOrigin = crossOrigin
    }

    /// The refusal of a message that belongs to no FHIR base.
    static func formRefusal(_ refusal: FramingRefusal) -> WireAnswer {
        let body = OperationOutcome.json(
            severity: "error", code: refusal.issueCode, diagnostics: refusal.diagnostics)
        return WireAnswer(
            status: refusal.status, fields: AnswerFields.document(in: .json), body: body, crossOrigin: nil)
    }

    /// The constant answer to a CORS preflight: the same for every path, so that it tells nothing (ATK-195).
    static func preflight(_ policy: CrossOriginPolicy) -> WireAnswer {
        WireAnswer(status: 204, fields: CrossOriginPolicy.preflightFields, body: [], crossOrigin: policy)
    }

    /// A public document: the CapabilityStatement. SMART 2.2 §CORS lets every origin read it.
    static func publicDocument(_ document: PublicDocument, in format: AnswerFormat) -> WireAnswer {
        WireAnswer(
            status: 200, fields: AnswerFields.publicDocument(in: format), body: document.bytes(in: format),
            crossOrigin: .everyOrigin)
    }

    /// The public document cannot be had now.
    static func documentUnavailable(_ refusal: GatewayRefusal, in format: AnswerFormat) -> WireAnswer {
        let written = WrittenAnswer(.refusal(refusal), in: format)
        return WireAnswer(
            status: refusal.status, fields: written.fields, body: written.body, crossOrigin: .everyOrigin)
    }

    /// The answer with one more header field.
    func adding(_ name: String, _ value: String) -> WireAnswer {
        WireAnswer(
            status: status, fields: fields + [(name, value)], body: body, crossOrigin: crossOrigin,
            notWritten: notWritten)
    }

    /// The header block: our own fields, then what the connection and the asking origin need.
    func headers(for form: AnswerForm) -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers.reserveCapacity(fields.count + 5)
        for field in fields { headers.add(name: field.name, value: field.value) }
        if let crossOrigin, let origin = form.origin {
            for field in crossOrigin.fields(for: origin) { headers.add(name: field.name, value: field.value) }
        }
        // RFC 9110 §8.6: no length on 204 and 304; on HEAD the length that GET would have had.
        if status != 204 && status != 304 { headers.add(name: "content-length", value: String(body.count)) }
        if form.closesConnection { headers.add(name: "connection", value: "close") }
        return headers
    }
}
