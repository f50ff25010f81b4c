internal import Audit
internal import Enforcement
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import OAuthCore

/// Decisions for gateways that are not ours, on a listener of their own (decision 6).
///
/// A gateway proves itself by the shared key; what it passes on is the client's own word and is judged as such.
struct DecisionRoutes: Sendable {
    let enforcer: Enforcer
    let recorder: AuditRecorder
    let basePath: String
    let key: SecretHash
    let clock: Clock

    /// The fields that the gateway itself sets; all others are the client's.
    private static let own: Set<String> = [
        "x-chaperone-key", "x-original-method", "x-original-uri", "x-original-address",
    ]

    func add(to router: Router<SideContext>) {
        for method in [HTTPRequest.Method.get, .head, .post, .put, .patch, .delete, .options] {
            router.on("/authz/nginx", method: method) { request, context in
                try await answer(request, context)
            }
        }
    }

    private func answer(_ request: Request, _ context: SideContext) async throws -> Response {
        guard let presented = one("x-chaperone-key", request), key.matches(Secret(presented)) else {
            context.logger.error("a gateway without the shared key asked for a decision")
            return refusal(.forbidden)
        }
        guard let asked = clientRequest(request) else {
            context.logger.error("a gateway asked for a decision without saying about which request")
            return refusal(.forbidden)
        }
        await enforcer.prepare(asked)
        // Nil stands for a flood of requests without a token: a refusal that costs no record.
        guard let verdict = enforcer.decide(forGateway: asked) else { return refusal(.forbidden) }
        do throws(AuditFailure) {
            return response(verdict.given(try await recorder.record(verdict.record)))
        } catch {
            // What cannot be recorded is not decided.
            return refusal(.internalServerError)
        }
    }

    private func response(_ decision: consuming GivenDecision?) -> Response {
        switch consume decision {
        case .none: return refusal(.internalServerError)
        case .some(let decision):
            var headers = HTTPFields()
            headers[.cacheControl] = "no-store"
            for field in decision.fields {
                if let name = HTTPField.Name(field.name) { headers[name] = field.value }
            }
            return Response(status: HTTPResponse.Status(code: decision.status), headers: headers)
        }
    }

    /// The request of the client, as the gateway tells it; nil when it does not.
    private func clientRequest(_ request: Request) -> ClientRequest? {
        guard let method = one("x-original-method", request), let target = one("x-original-uri", request),
            target.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") })
        else { return nil }
        let sides = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = sides.first ?? ""
        let below = path.dropFirst(basePath.utf8.count)
        guard path.hasPrefix(basePath), below.isEmpty || below.hasPrefix("/") else { return nil }
        let headers = request.headers.filter { !Self.own.contains($0.name.canonicalName) }
        return ClientRequest(
            method: method, path: String(below), query: sides.count > 1 ? String(sides[1]) : nil,
            headers: headers.map { ($0.name.canonicalName, $0.value) },
            sourceAddress: one("x-original-address", request), receivedAt: clock.milliseconds())
    }

    /// The value of a field that stands once.
    private func one(_ name: String, _ request: Request) -> String? {
        guard let name = HTTPField.Name(name) else { return nil }
        let values = request.headers[values: name]
        guard values.count == 1, let value = values.first, !value.isEmpty else { return nil }
        return value
    }

    private func refusal(_ status: HTTPResponse.Status) -> Response {
        var headers = HTTPFields()
        headers[.cacheControl] = "no-store"
        return Response(status: status, headers: headers)
    }
}
