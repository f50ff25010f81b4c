/// Why a key, a key set or a signed token was refused. None of the texts repeats the token.
public enum JOSEError: Error, Hashable, Sendable {
    /// The compact serialization is too long, has another number of segments, or is not strict base64url.
    case malformed
    /// A header or the claims are not a JSON object, or name a member twice.
    case malformedJSON
    /// `alg` is absent, unknown, `none`, symmetric, or not among those expected here.
    case algorithmRefused
    /// `typ` is not the one expected here, so the token was made for something else.
    case typeRefused
    /// `crit` is present: we understand no extension (RFC 7515 §4.1.11).
    case criticalHeader
    /// The header brings its own key (`jwk`) or names another key set (`jku`) than the registered one.
    case embeddedKey
    /// `kid` is absent or not a usable string.
    case keyIDMissing
    /// No key, or more than one, has the `kid` and fits the algorithm.
    case keyNotFound
    /// The signature is not that key's signature over this token.
    case signatureInvalid
    /// A key is of a kind, curve or size that we do not use, or its numbers are not well formed.
    case keyRefused
    /// A public key set holds private or symmetric key material.
    case privateKeyMaterial
    /// A required claim is absent or of another type: its name.
    case claimMalformed(String)
    /// A claim has a value that is not accepted here: its name.
    case claimRefused(String)
    /// The token is past its `exp`.
    case expired
    /// The engine refused to sign or seal.
    case signingFailed
}
