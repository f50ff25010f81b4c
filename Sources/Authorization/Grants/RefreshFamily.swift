public import AccessPolicy
public import OAuthCore

/// The public name of a refresh family, the first part of each of its tokens.
public struct RefreshFamilyID: Hashable, Sendable {
    public let text: String
    public init(text: String) { self.text = text }
}

/// A line of refresh tokens from one authorization. Each token is derived from a root key, the family and the
/// generation, so that hashes alone are kept and yet the grace window can give the same successor again (decision 17).
public struct RefreshFamily: Hashable, Sendable {
    public let id: RefreshFamilyID
    public let grantID: GrantID
    public let clientID: ClientID
    /// Whether each use makes a new token. Confidential clients keep theirs.
    public let rotates: Bool
    public let createdAt: Int64
    /// Seconds without use after which the family ends.
    public let idleLimit: Int64
    /// When it ends whatever its use; nil for never.
    public let expiresAt: Int64?
    /// The browser session that must be live at each use (`online_access`); nil for lasting access.
    public let session: SessionID?
    /// The thumbprint of the key of which each use must show a proof; nil for a family that is bound to none.
    public let proofKey: String?
    public var generation: Int
    public var currentHash: SecretHash
    public var previousHash: SecretHash?
    public var rotatedAt: Int64?
    /// Whether the current token may have reached the client. A successor that could not be recorded was given to nobody,
    /// so the token before it is still the client's (decision 17).
    public var isDelivered: Bool
    public var lastUsedAt: Int64

    public init(
        id: RefreshFamilyID, grantID: GrantID, clientID: ClientID, rotates: Bool, createdAt: Int64, idleLimit: Int64,
        expiresAt: Int64?, generation: Int, currentHash: SecretHash, previousHash: SecretHash? = nil,
        rotatedAt: Int64? = nil, isDelivered: Bool = true, lastUsedAt: Int64, session: SessionID? = nil,
        proofKey: String? = nil
    ) {
        self.id = id
        self.grantID = grantID
        self.clientID = clientID
        self.rotates = rotates
        self.createdAt = createdAt
        self.idleLimit = idleLimit
        self.expiresAt = expiresAt
        self.session = session
        self.proofKey = proofKey
        self.generation = generation
        self.currentHash = currentHash
        self.previousHash = previousHash
        self.rotatedAt = rotatedAt
        self.isDelivered = isDelivered
        self.lastUsedAt = lastUsedAt
    }

    /// The family when its person's session has another value.
    public func moved(to session: SessionID) -> RefreshFamily {
        RefreshFamily(
            id: id, grantID: grantID, clientID: clientID, rotates: rotates, createdAt: createdAt, idleLimit: idleLimit,
            expiresAt: expiresAt, generation: generation, currentHash: currentHash, previousHash: previousHash,
            rotatedAt: rotatedAt, isDelivered: isDelivered, lastUsedAt: lastUsedAt, session: session, proofKey: proofKey
        )
    }

    /// The family as a code opens it: one that lives by a session lives by that of the code.
    public func opened(in session: SessionID?) -> RefreshFamily {
        guard self.session != nil, let session else { return self }
        return moved(to: session)
    }

    /// Whether the family may still be used at `now`, as far as time goes.
    public func isLive(at now: Int64) -> Bool {
        now - lastUsedAt < idleLimit && (expiresAt.map { now < $0 } ?? true)
    }

    /// What a presented token of this family is.
    public func standing(of token: PresentedRefreshToken, at now: Int64, grace: Int64, mint: RefreshTokenMint)
        -> RefreshTokenStanding
    {
        if currentHash.matches(token.secret) { return .current }
        if let previousHash, previousHash.matches(token.secret) {
            guard isDelivered else { return .repeated }
            guard let rotatedAt, now - rotatedAt <= grace else { return .reused }
            return .repeated
        }
        // An older generation is recognised by deriving it again; what does not derive was never issued.
        guard token.generation < generation, mint.token(of: id, generation: token.generation) == token.secret else {
            return .unknown
        }
        return .reused
    }
}

/// What a presented refresh token is to its family.
public enum RefreshTokenStanding: Hashable, Sendable {
    case current
    /// The token before the current one, again within the grace window or before its successor was given to anybody: the
    /// same successor is the answer.
    case repeated
    /// A token that was replaced and is presented again: a thief or a victim of one.
    case reused
    /// Not a token of this family.
    case unknown
}

/// A refresh token as it came, split into its parts.
public struct PresentedRefreshToken: Sendable {
    public let family: RefreshFamilyID
    public let generation: Int
    public let secret: Secret

    /// Reads a token; nil when it cannot be one of ours.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 128, parts.count == 3, parts[0].utf8.count == 22, Base64URL.decode(parts[0]) != nil,
            parts[1].utf8.count <= 9, let generation = Int(parts[1]), generation >= 0, String(generation) == parts[1],
            parts[2].utf8.count == 43, Base64URL.decode(parts[2]) != nil
        else { return nil }
        family = RefreshFamilyID(text: String(parts[0]))
        self.generation = generation
        secret = Secret(text)
    }
}

/// Derives refresh tokens from the root key.
public struct RefreshTokenMint: Sendable {
    private let key: DerivationKey

    public init(key: DerivationKey) { self.key = key }

    /// The token of a family's generation: `family.generation.secret`. The same question has the same answer.
    public func token(of family: RefreshFamilyID, generation: Int) -> Secret {
        let derived = key.secret(purpose: "refresh-token", family.text, String(generation))
        return Secret("\(family.text).\(generation).\(derived.reveal())")
    }
}
