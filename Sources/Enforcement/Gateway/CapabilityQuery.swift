internal import FHIRCore
internal import NIOHTTP1

/// The question for the CapabilityStatement, which anybody may ask.
enum CapabilityQuery {
    /// Whether a request asks for it: this path and no other spelling of it (ATK-197), by GET or HEAD.
    static func isAsked(by request: ReceivedRequest) -> Bool {
        request.target.path == "/metadata" && (request.head.method == .GET || request.head.method == .HEAD)
    }

    /// Why the question cannot be answered as asked, for instance in a format that we do not speak.
    static func refusal(for request: ClientRequest) -> GatewayRefusal? {
        do throws(RequestRefusal) {
            _ = try CanonicalRequest(request.fhirRequest)
            return nil
        } catch {
            return GatewayRefusal(error)
        }
    }
}
