internal import AccessPolicy
internal import OAuthCore

/// One grant type's part of the token endpoint: it says what the tokens are for. Authentication, issuing and recording
/// are the endpoint's, so a new grant type cannot forget them.
protocol GrantHandler: Sendable {
    /// The checks of the grant type, ending with the one conditional write that makes the caller the winner.
    func authorize(_ call: AuthenticatedCall) async throws -> Issue
}

/// A token request whose client has proved who it is.
struct AuthenticatedCall: Sendable {
    let client: ClientRegistration
    let request: TokenRequest
    /// The FHIR base that the request names (`resource`, RFC 8707); throws where it is none of ours.
    let resource: @Sendable () throws(OAuthError) -> String?
    /// The thumbprint of the key of which the request carries a proof (RFC 9449 §5); throws where a proof is bad. Asked once.
    let provenKey: @Sendable () async throws -> String?
    /// Who vouches for certificates; nil where nobody does.
    let certificates: CertificateValidator?
    let maker: RecordMaker
    let now: Int64
}

extension AuthenticatedCall {
    /// What the tokens of the call are bound to: the key of its proof, or the certificate of its connection when the
    /// client is registered so (RFC 8705 §3).
    func binding() async throws -> TokenBinding {
        let proofKey = try await provenKey()
        guard client.metadata.bindsTokensToCertificate else {
            return TokenBinding(proofKey: proofKey, confirmation: proofKey.map { .proofKey(thumbprint: $0) })
        }
        guard let certificate = maker.source.certificate else {
            throw OAuthError(.invalidRequest, "the client's tokens are bound to its certificate, and none was shown")
        }
        // A token is bound to one thing; which of the two a resource server would look at is not left open.
        guard proofKey == nil else {
            throw OAuthError(.invalidRequest, "a token is bound to a certificate or to a proof key, not to both")
        }
        try await demandStanding(of: certificate)
        return TokenBinding(proofKey: nil, confirmation: .certificate(thumbprint: certificate.thumbprint))
    }

    /// Refuses to bind a token to a certificate that an authority of ours has withdrawn, or of which that cannot be told:
    /// the gateway takes a status that is not known for the one under which the token was made. A certificate that no
    /// authority of ours made is nobody's to withdraw. What is found out is remembered, so that introspection and the
    /// gateway know the certificate before it is shown there.
    private func demandStanding(of certificate: ClientCertificate) async throws {
        switch await certificates?.judge(certificate, now) ?? .untrusted {
        case .trusted, .untrusted: return
        case .withdrawn:
            throw OAuthError(.invalidClient, detail: "certificate withdrawn: its authority says so, or it is on hold")
        case .statusUnknown(let why): throw OAuthError(.invalidClient, detail: "certificate status unknown: \(why)")
        }
    }

    /// A token is for the FHIR server of its grant and for no other, whatever the request names.
    func demandTarget(of grant: Grant) throws(OAuthError) {
        guard let named = try resource() else { return }
        guard named == grant.fhirBase else {
            throw OAuthError(.invalidTarget, detail: "resource differs from the grant's FHIR server")
        }
    }
}

/// What tokens are bound to.
struct TokenBinding: Hashable, Sendable {
    /// The thumbprint of the key that was proved.
    let proofKey: String?
    let confirmation: TokenConfirmation?
}

/// What the issuer makes tokens from.
struct Issue: Sendable {
    let grant: Grant
    /// The scopes of this access token: the grant's, or a part of them.
    let scopes: ScopeSet
    let tokenID: TokenID
    let lifetime: Int64
    let refreshToken: Secret?
    /// The family whose successor this is, to be marked as given when the record stands; nil where none was made.
    var rotated: RefreshFamilyID?
    /// Whether an id_token is due; only the code exchange gives one.
    let givesIDToken: Bool
    /// How the client's version of SMART is told the further context.
    let contextForm: LaunchContextForm
    /// Whether the access token is a reference whatever its length.
    let usesReferenceToken: Bool
    /// What the access token is bound to.
    let confirmation: TokenConfirmation?
}
