/// An export that was started at the protected server: who started it, what was asked, and where its state stands there.
///
/// It is kept in a store. Its address is a bookmark and never a right: whenever it is used the kick-off is decided again,
/// for the token that came with it.
public struct ExportJob: Hashable, Sendable {
    /// Why a job is over for us; the protected server is then told to delete it.
    public enum Ending: String, Hashable, Sendable, CaseIterable {
        /// Its client has deleted it.
        case deleted
        /// It has stood for its time.
        case expired
        /// Its client or the grant that it was started under was revoked.
        case revoked
    }

    /// Random; what stands in its address.
    public let id: String
    /// Our FHIR base that it was started at.
    public let base: String
    /// Who started it; nobody else reaches it.
    public let client: ClientID
    /// Under which grant; with its revocation the job ends. A later token of the client may have another one.
    public let grant: GrantID
    /// The kick-off: raw path below our base.
    public let path: String
    /// The kick-off's query, with the types that come out.
    public let query: String
    /// The request target of its state at the protected server; empty from before it is asked for until the server has
    /// said where.
    public var target: String
    /// Unix seconds.
    public let startedAt: Int64
    /// Unix seconds; from then on it is over.
    public let expiresAt: Int64
    /// Why it is over; nil while it is not.
    public var ending: Ending?
    /// How often the protected server was asked in vain to delete it.
    public var attempts: Int
    /// Unix seconds at which it is to be asked again.
    public var dueAt: Int64

    /// Whether the protected server has said where it keeps the job.
    public var isLocated: Bool { !target.isEmpty }

    /// A job that is about to be started, or has just been.
    public init(
        id: String, base: String, client: ClientID, grant: GrantID, path: String, query: String, target: String,
        startedAt: Int64, expiresAt: Int64, ending: Ending? = nil, attempts: Int = 0, dueAt: Int64 = 0
    ) {
        self.id = id
        self.base = base
        self.client = client
        self.grant = grant
        self.path = path
        self.query = query
        self.target = target
        self.startedAt = startedAt
        self.expiresAt = expiresAt
        self.ending = ending
        self.attempts = attempts
        self.dueAt = dueAt
    }

    /// Seconds for which a job can be looked at.
    public static let lifetime: Int64 = 86_400

    /// After so many seconds beyond its time a server that never answers is asked no more.
    public static let longestAsking: Int64 = 30 * 86_400

    /// When a server that did not delete it is asked again: after 2 s, then twice as long each time up to an hour.
    public func nextAttempt(after now: Int64) -> Int64 { now + min(3_600, Int64(2) << min(Int64(attempts), 11)) }
}
