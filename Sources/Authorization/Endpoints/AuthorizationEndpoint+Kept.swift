internal import AccessPolicy
internal import FHIRCore
public import OAuthCore

/// Requests that wait for the browser under a name: those that clients push (RFC 9126), and posted ones that are too long
/// for an address.
extension AuthorizationEndpoint {
    /// The parameters that prove who the client is and are no part of the request.
    private static let credentials: Set<String> = ["client_secret", "client_assertion", "client_assertion_type"]

    /// The longest request that is kept, in bytes.
    private static let longestRequest = 16_384

    /// Takes a request that a page of another site posted, without our cookie, and that is too long to be sent again as
    /// an address: it is checked and kept, and the browser comes again by GET with its name.
    ///
    /// - Parameter form: the posted form, parsed with `repetition: .noted`.
    public func keep(posted form: FormParameters, from source: RequestSource) async -> InteractionAnswer {
        await interaction.guarded(source) { maker in
            guard form["request_uri"] == nil else { throw OAuthError(.invalidRequest, "the request is too long") }
            let (client, redirect) = try await place(of: form)
            do throws(AuthorizationFailure) {
                let now = parts.clock.now()
                let request = try AuthorizationRequest(
                    parsing: form, client: client.id, redirect: redirect, rules: rules(for: client))
                guard parts.budget.mayBegin(from: maker.source.address, at: now) else {
                    throw request.failure(InteractionEndpoint.tooMany)
                }
                let handle: Secret
                do { handle = try await keep(form, from: client, at: now) } catch let error as OAuthError {
                    throw request.failure(error)
                } catch {
                    throw request.failure(OAuthError(.serverError, detail: "\(error)"))
                }
                let query = [
                    ("client_id", client.id.text), ("request_uri", PushedRequestEndpoint.prefix + handle.reveal()),
                ]
                .map { "\($0.0)=\(FormParameters.encode($0.1))" }.joined(separator: "&")
                return InteractionAnswer(.again(query: query))
            } catch {
                return try await interaction.answer(
                    error, for: client, in: AuthorizationRequest.uiLocales(of: form), maker)
            }
        }
    }

    /// Checks a request as if the browser had brought it, and keeps it for a while; throws what its client is told.
    /// Returns the last part of its name.
    ///
    /// - Parameter proofKey: the thumbprint of a key that was proved with the request; the code is bound to it.
    func keep(
        _ form: FormParameters, from client: ClientRegistration, boundTo proofKey: String? = nil, at now: Int64
    ) async throws -> Secret {
        // RFC 9126 §2.1: a pushed request cannot point to another.
        guard form["request_uri"] == nil else { throw OAuthError(.invalidRequest, "request_uri cannot be pushed") }
        var pairs = form.names.filter { !Self.credentials.contains($0) }.sorted().compactMap { name in
            form[name].map { (name, $0) }
        }
        if let proofKey {
            // RFC 9449 §10.1: both may come, and then they name one key.
            guard form["dpop_jkt"].map({ $0.utf8.elementsEqual(proofKey.utf8) }) ?? true else {
                throw OAuthError(.invalidDPoPProof, detail: "dpop_jkt names another key than the proof")
            }
            if form["dpop_jkt"] == nil { pairs.append(("dpop_jkt", proofKey)) }
        }
        if form["client_id"] == nil { pairs.append(("client_id", client.id.text)) }
        let text = pairs.map { "\(FormParameters.encode($0.0))=\(FormParameters.encode($0.1))" }.joined(separator: "&")
        guard text.utf8.count <= Self.longestRequest else {
            throw OAuthError(.invalidRequest, "the request is too long to be pushed")
        }
        try check(try FormParameters(parsing: text.utf8, repetition: .noted), from: client)
        let handle = parts.random.secret()
        try await parts.stores.pushedRequests.insert(
            PushedRequest(
                hash: handle.hash, clientID: client.id, form: text,
                expiresAt: now + parts.configuration.pushedRequestLifetime))
        return handle
    }

    /// Checks a pushed request as if the browser had brought it; throws what its client is told.
    private func check(_ form: FormParameters, from client: ClientRegistration) throws {
        do throws(AuthorizationFailure) {
            let address = try AuthorizationAddress(parsing: form)
            guard address.clientID == client.id else { throw AuthorizationAddress.unknown("client_id differs") }
            let redirect = try address.validated(against: client.metadata)
            let request = try AuthorizationRequest(
                parsing: form, client: client.id, redirect: redirect, rules: rules(for: client))
            _ = try accept(request, from: client, launch: nil)
        } catch { throw error.error }
    }
}
