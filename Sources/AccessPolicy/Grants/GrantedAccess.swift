/// The facts of a verified access token: who acts, for whom, with which scopes, in which context, until when.
public struct GrantedAccess: Hashable, Sendable {
    /// The facts. A class so that handing them on costs one reference count; nothing in it changes.
    private final class Facts: Hashable, Sendable {
        let clientID: ClientID
        let subject: SubjectID?
        let scopes: [HeldScope]
        let launch: LaunchContext
        let program: APIProgram
        let grantID: GrantID
        let tokenID: TokenID
        let issuedAt: Int64
        let expiresAt: Int64
        /// The levels of the scopes, a bit for each, found out once: several steps of every request ask for them.
        let levels: UInt8

        init(
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
            levels = scopes.reduce(0) { $0 | Facts.bit($1.scope.level) }
        }

        static func bit(_ level: ScopeLevel) -> UInt8 {
            switch level {
            case .patient: 1
            case .user: 2
            case .system: 4
            }
        }

        static func == (left: Facts, right: Facts) -> Bool {
            left === right
                || (left.clientID == right.clientID
                    && left.subject == right.subject
                    && left.scopes == right.scopes
                    && left.launch == right.launch
                    && left.program == right.program
                    && left.grantID == right.grantID
                    && left.tokenID == right.tokenID
                    && left.issuedAt == right.issuedAt
                    && left.expiresAt == right.expiresAt)
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(tokenID)
            hasher.combine(grantID)
        }
    }

    private let facts: Facts

    /// The client that holds the token.
    public var clientID: ClientID { facts.clientID }
    /// The login or client on whose authority it acts.
    public var subject: SubjectID? { facts.subject }
    /// The resource scopes of the token. Each keeps its own letters and constraint; they are never merged.
    public var scopes: [HeldScope] { facts.scopes }
    /// The launch context.
    public var launch: LaunchContext { facts.launch }
    /// The programme under which the access counts.
    public var program: APIProgram { facts.program }
    /// The grant behind the token.
    public var grantID: GrantID { facts.grantID }
    /// The token itself.
    public var tokenID: TokenID { facts.tokenID }
    /// When it was issued, in Unix seconds.
    public var issuedAt: Int64 { facts.issuedAt }
    /// When it ends, in Unix seconds.
    public var expiresAt: Int64 { facts.expiresAt }

    /// Whether any scope of the token is of a level.
    package func hasScope(of level: ScopeLevel) -> Bool { facts.levels & Facts.bit(level) != 0 }

    /// Makes the facts from scopes already parsed.
    public init(
        clientID: ClientID, subject: SubjectID?, scopes: [HeldScope], launch: LaunchContext, program: APIProgram,
        grantID: GrantID, tokenID: TokenID, issuedAt: Int64, expiresAt: Int64
    ) {
        facts = Facts(
            clientID: clientID, subject: subject, scopes: scopes, launch: launch, program: program, grantID: grantID,
            tokenID: tokenID, issuedAt: issuedAt, expiresAt: expiresAt)
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
