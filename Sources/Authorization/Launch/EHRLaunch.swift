public import AccessPolicy
public import OAuthCore

/// A launch that an EHR has made, as it is kept: under the hash of its handle, bound to app, user and FHIR server, good
/// for one authorization request and a few minutes (SMART 2.2 app-launch, EHR launch).
public struct EHRLaunch: Hashable, Sendable {
    /// The hash of the `launch` value.
    public let hash: SecretHash
    /// The EHR that made it.
    public let madeBy: ClientID
    /// The one app that may use it.
    public let clientID: ClientID
    /// The one person who may sign in for it.
    public let subject: SubjectID
    /// The FHIR base for which it was made.
    public let fhirBase: String
    /// What the app will be told.
    public let context: LaunchContext
    public let createdAt: Int64
    public let expiresAt: Int64
    /// When it was used; nil while it may be.
    public var usedAt: Int64?

    public init(
        hash: SecretHash, madeBy: ClientID, clientID: ClientID, subject: SubjectID, fhirBase: String,
        context: LaunchContext, createdAt: Int64, expiresAt: Int64, usedAt: Int64? = nil
    ) {
        self.hash = hash
        self.madeBy = madeBy
        self.clientID = clientID
        self.subject = subject
        self.fhirBase = fhirBase
        self.context = context
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.usedAt = usedAt
    }

    /// Why the launch does not fit an authorization request, for the log; nil when it does. The client is told the same
    /// for all of them.
    func obstacle(client: ClientID, fhirBase: String, at now: Int64) -> String? {
        // The owner comes first: with somebody else's handle nothing is learnt and nothing spoilt (L-11).
        if client != clientID { return "the launch was made for another client" }
        if fhirBase != self.fhirBase { return "the launch was made for another FHIR server" }
        if usedAt != nil { return "the launch was used before" }
        return now < expiresAt ? nil : "the launch has expired"
    }
}
