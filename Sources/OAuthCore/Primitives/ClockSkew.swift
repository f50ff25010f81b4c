/// How far apart our clock and another party's may be.
public enum ClockSkew {
    /// The one tolerance, in seconds, of every time that somebody else wrote: `iat`, `nbf` and `exp` of client assertions,
    /// `iat` of proofs, `iat` and `nbf` of tokens. The end of an access token is never stretched, nor is that of a
    /// certificate.
    public static let tolerated: Int64 = 30
}
