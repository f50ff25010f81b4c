internal import AccessPolicy
internal import OAuthCore

extension ServerParts {
    /// The thumbprint of the key whose possession a POST to one of our addresses proves; nil when it proves none (RFC 9449
    /// §5, §10.1).
    ///
    /// `proofs` are the values of every `DPoP` header.
    func proofKey(_ proofs: [String], postedTo address: String) async throws -> String? {
        try await proofKey(proofs, for: DPoPProof.Request(method: "POST", address: address))
    }

    /// The thumbprint of the key whose possession a request proves; nil when it proves none. A proof counts once.
    func proofKey(_ proofs: [String], for request: DPoPProof.Request) async throws -> String? {
        guard let text = proofs.first else { return nil }
        guard proofs.count == 1 else { throw OAuthError(.invalidDPoPProof, detail: "more than one DPoP header") }
        let proof: DPoPProof
        do {
            proof = try DPoPProof(text, for: request, now: clock.now())
        } catch {
            throw OAuthError(.invalidDPoPProof, detail: "DPoP: \(error.detail)")
        }
        if let nonces = proofNonces, !nonces.accepts(proof.nonce, at: clock.now()) { throw OAuthError(.useDPoPNonce) }
        let isFirst = try await stores.replayCache.remember(
            proof.tokenID, of: ClientID("dpop:\(proof.thumbprint)"), until: proof.rememberUntil)
        guard isFirst else { throw OAuthError(.invalidDPoPProof, detail: "the proof was used before") }
        return proof.thumbprint
    }

    /// The nonce for the next proof, to be sent with every answer (RFC 9449 §8.2); nil where none is demanded.
    var nextProofNonce: String? { proofNonces?.current(at: clock.now()) }
}
