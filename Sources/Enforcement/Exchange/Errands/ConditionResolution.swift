internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// What a conditional request is, once it is known what its condition selects (FHIR R4 http.html, conditional
/// interactions).
enum ConditionResolution: Sendable {
    /// Another request, to be decided and judged on its own.
    case request(CanonicalRequest)
    /// A create of what is there already.
    case existing(ConditionMatch)
    case refuse(GatewayRefusal)

    /// - Parameter matches: the resources that the token sees and the condition selects; nobody else's count.
    init(_ request: CanonicalRequest, _ matches: [ConditionMatch]) {
        guard matches.count <= 1 || mutated(.firstOfSeveralTaken) else {
            self = .refuse(GatewayRefusal(Denial(.multipleMatches)))
            return
        }
        guard let match = matches.first else {
            self = ConditionResolution.nothing(request)
            return
        }
        if case .conditionalCreate = request.interaction {
            self = .existing(match)
            return
        }
        // Without a version the write could meet a state that the condition does not select.
        guard let version = match.version else {
            self = .refuse(.uncheckable("match-without-version"))
            return
        }
        guard request.ifMatch == nil || request.ifMatch == version else {
            self = .refuse(.versionConflict)
            return
        }
        do throws(RequestRefusal) {
            self = .request(try request.resolved(to: match.key, version: version))
        } catch {
            self = .refuse(GatewayRefusal(error))
        }
    }

    /// Nothing that the token sees matches.
    private static func nothing(_ request: CanonicalRequest) -> ConditionResolution {
        switch request.interaction {
        case .conditionalUpdate where request.ifMatch != nil:
            // RFC 9110 §13.1.1: a condition on a version of something that is not there does not hold.
            return .refuse(.versionConflict)
        case .conditionalUpdate:
            // With an id this would be an update of what may or may not be there, for somebody else (decision 10).
            guard case .resource(let body) = request.body, body.id == nil else {
                return .refuse(.notFound("update-as-create"))
            }
        default: break
        }
        return request.unconditionalCreate.map { .request($0) } ?? .refuse(.notFound("condition-without-match"))
    }
}
