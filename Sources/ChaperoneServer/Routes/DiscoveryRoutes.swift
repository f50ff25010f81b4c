internal import Authorization
internal import FHIRCore
internal import HTTPTypes
internal import Hummingbird

/// The open documents: discovery and keys, readable from any origin.
struct DiscoveryRoutes: Sendable {
    let fhirPath: String
    let discovery: DiscoveryEndpoint

    func add(to router: Router<SideContext>) {
        document("\(fhirPath)/.well-known/smart-configuration", discovery.smartConfiguration, router)
        document("/.well-known/openid-configuration", discovery.openIDConfiguration, router)
        document("/.well-known/oauth-authorization-server", discovery.authorizationServerMetadata, router)
        document("/.well-known/jwks.json", router) { discovery.jwks.serialized }
    }

    /// A document that changes only with a restart, so that it is made once.
    private func document(_ path: String, _ content: JSONValue, _ router: Router<SideContext>) {
        let bytes = content.serialized
        document(path, router) { bytes }
    }

    private func document(
        _ path: String, _ router: Router<SideContext>, _ bytes: @escaping @Sendable () -> [UInt8]
    ) {
        let route = RouterPath(path)
        router.get(route) { _, _ in
            // Clients ask often; a key is announced, and stays published when retired, for longer than five minutes.
            var response = Answers.bytes(bytes(), "application/json", cacheControl: "public, max-age=300")
            CrossOrigin.documents.apply(to: &response.headers)
            return response
        }
        router.on(route, method: .options) { _, _ in CrossOrigin.documents.preflight }
        router.refuseOthers(on: path, than: .get)
    }
}
