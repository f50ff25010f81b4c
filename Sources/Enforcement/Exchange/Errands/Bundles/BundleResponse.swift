internal import AccessPolicy
internal import FHIRCore

/// The answer to a batch or transaction: a Bundle of ours around what was released or refused for each entry, in the
/// order in which they were asked (FHIR R4 http.html, batch/transaction).
///
/// Made of conclusions only, so that every resource in it was admitted and every outcome is one of ours.
struct BundleResponse: Sendable {
    /// The HTTP status of the whole.
    let status = 200
    let bytes: [UInt8]
    /// The types on which the protected server was seen, for any entry, to pass over what a narrowed search said.
    let disobeyed: Set<ResourceType>

    /// - Parameter parts: what each entry came to, and whether it was asked for without its body.
    init(to kind: BundleRequest.Kind, _ parts: [(conclusion: Conclusion, isHead: Bool)]) {
        var bytes = Array(#"{"resourceType":"Bundle","type":"\#(kind.rawValue)-response""#.utf8)
        for (place, part) in parts.enumerated() {
            bytes += Array((place == 0 ? #","entry":["# : ",").utf8)
            bytes += BundleResponse.entry(part.conclusion, isHead: part.isHead)
        }
        self.bytes = bytes + Array((parts.isEmpty ? "}" : "]}").utf8)
        disobeyed = parts.reduce(into: []) { $0.formUnion($1.conclusion.disobeyed) }
    }

    private static func entry(_ conclusion: Conclusion, isHead: Bool) -> [UInt8] {
        switch conclusion {
        case .released(let answer) where answer.rawContentType != nil || answer.plainContentType != nil:
            // Content that is no resource cannot stand in a Bundle.
            return entry(.refusal(GatewayRefusal(Denial(.formatNotSupported))), isHead: isHead)
        case .released(let answer):
            var response = [JSONMemberValue("status", .string(String(answer.status)))]
            if let location = answer.location { response.append(JSONMemberValue("location", .string(location))) }
            if let etag = answer.etag { response.append(JSONMemberValue("etag", .string(etag))) }
            // An HTTP date is none of FHIR's instants, so it is not repeated here.
            let resource = answer.body.bytes.isEmpty || isHead ? [] : Array(#""resource":"#.utf8) + answer.body.bytes
            let comma = resource.isEmpty ? [] : [UInt8(ascii: ",")]
            return Array("{".utf8) + resource + comma + Array(#""response":"#.utf8)
                + JSONValue.object(response).serialized + Array("}".utf8)
        case .refusal(let refusal):
            return Array(#"{"response":{"status":"\#(refusal.status)","outcome":"#.utf8) + refusal.body
                + Array("}}".utf8)
        case .bundle(let nested):
            // INVARIANT: no entry is itself a batch or transaction.
            return Array(#"{"response":{"status":"\#(nested.status)"}}"#.utf8)
        }
    }
}
