public import Enforcement

/// A protected FHIR server that is a closure: what it is asked goes in, what it would send comes out.
public struct ScriptedUpstream: Sendable {
    /// What the server sends.
    public enum Reply: Sendable {
        case answer(UpstreamHead, [UInt8])
        /// The same piece of body over and over.
        case repeating(UpstreamHead, piece: [UInt8], times: Int)
        /// Nothing but a failure.
        case failure(UpstreamFailure)
        /// A part of an answer, then a failure.
        case cut(UpstreamHead, [UInt8], UpstreamFailure)
    }

    let reply: @Sendable (UpstreamRequest) -> Reply

    /// What it answers.
    public func reply(to request: UpstreamRequest) -> Reply { reply(request) }

    public init(_ reply: @escaping @Sendable (UpstreamRequest) -> Reply) { self.reply = reply }

    /// The same server with its answers changed on the way.
    public func mapping(_ change: @escaping @Sendable (UpstreamRequest, Reply) -> Reply) -> ScriptedUpstream {
        ScriptedUpstream { request in change(request, reply(request)) }
    }

    /// A server that must not be asked; when it is, the harness's list of upstream requests shows it.
    public static let unasked = ScriptedUpstream { _ in .failure(.unreachable) }
}
