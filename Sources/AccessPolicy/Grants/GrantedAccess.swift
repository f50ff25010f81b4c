/// The facts of a verified access token: who acts, for whom, with which scopes, in which context, until when.
public struct GrantedAccess: Hashable, Sendable {
    /// The client that holds the token.
    public let clientID: ClientID
    /// The login or client on whose authority it acts.
    public let subject: SubjectID?
    /// The resource scopes of the token. Each keeps its own letters and constraint; they are never merged.
    public let scopes: [HeldScope]
    /// The launch context.
    public let launch: LaunchContext
    /// The programme under which the access counts.
    public let program: APIProgram
    /// The grant behind the token.
    public let grantID: GrantID
    /// The token itself.
    public let tokenID: TokenID
    /// When it was issued, in Unix seconds.
    public let issuedAt: Int64
    /// When it ends, in Unix seconds.
    public let expiresAt: Int64

    /// Makes the facts from scopes already parsed.
    public init(
        clientID: ClientID, subject: SubjectID?, scopes: [HeldScope], launch: LaunchContext, program: APIProgram,
        grantID: GrantID, tokenID: TokenID, issuedAt: Int64, expiresAt: Int64
    ) {
        self.clientID = clientID
        self.subject = subject
        self.scopes = scopes
        self.launch = launch
        self.program = program
        self.grantID = grantID
        self.tokenID = tokenID
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
    }

    /// Makes the facts from the `scope` claim. What does not parse grants nothing.
    public init(
        clientID: ClientID, subject: SubjectID?, scopeText: String, launch: LaunchContext, program: APIProgram,
        grantID: GrantID, tokenID: TokenID, issuedAt: Int64, expiresAt: Int64
    ) {
        // A claim that is no scope list at all is not searched for parts that might be one.
        let parsed = (try? ScopeSet(parsing: scopeText)) ?? ScopeSet([])
        self.init(
            clientID: clientID, subject: subject, scopes: parsed.scopes.compactMap { HeldScope($0) },
            launch: launch, program: program, grantID: grantID, tokenID: tokenID, issuedAt: issuedAt,
            expiresAt: expiresAt)
    }
}
