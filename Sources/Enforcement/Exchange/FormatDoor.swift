internal import FHIRCore
internal import FHIRXML

/// The door between XML outside and JSON inside (decision 4). Everything that reads or judges a resource does so in
/// JSON; the two functions here are the only ones that know of XML.
enum FormatDoor {
    /// A request with its resource in JSON. What cannot be converted becomes a request whose body is refused at the
    /// point where it would have been read, so that the order of refusals is that of JSON.
    static func entering(_ request: FHIRRequest) -> FHIRRequest {
        guard request.hasXMLResource else { return request }
        var converted = request
        converted.headers.contentType = AnswerFormat.json.mediaType
        do throws(XMLConversionError) {
            converted.body = try ResourceXML.json(fromXML: request.body)
        } catch {
            converted.body = []
            converted.bodyFault = RequestRefusal(error)
        }
        return converted
    }

    /// The JSON of a resource of ours or one that was released, as it leaves; nil when the format cannot say it.
    static func leaving(_ json: [UInt8], as format: AnswerFormat) -> [UInt8]? {
        switch format.syntax {
        case .json: json
        case .xml: json.isEmpty ? json : try? ResourceXML.xml(fromJSON: json)
        }
    }
}

extension RequestRefusal {
    fileprivate init(_ error: XMLConversionError) {
        self.init(
            status: error.code == .tooLarge ? 413 : 400, issueCode: error.code == .tooLarge ? "too-long" : "invalid",
            diagnostics: "the body is not the FHIR XML that is accepted here: \(error.summary)")
    }
}
