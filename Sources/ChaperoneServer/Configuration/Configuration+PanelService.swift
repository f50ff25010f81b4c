internal import AccessPolicy
internal import Enforcement
internal import FHIRCore
internal import OAuthCore

// A service of the site's that says who a user's patients are.

extension Configuration {
    /// Where panels are asked for, and about whom.
    public struct PanelServiceSource: Hashable, Sendable {
        /// The address; the user is added as the parameter `user`.
        public var url: String
        /// The types of users about whom it is asked.
        public var users: [String]
        /// The file whose first line is a bearer token for it; nil where it wants none.
        public var tokenFile: String?
        /// A file of CA certificates in PEM to trust for it instead of the system's.
        public var certificateAuthorityFile: String?
        /// How long an answer may take.
        public var timeoutSeconds: Int
    }

    /// Reads `fhir-server.panel-service`.
    static func panelService(
        _ server: inout SettingReader, besides practitionerPatients: String?, relatedPersons: Bool
    ) -> PanelServiceSource? {
        guard server.has("panel-service") else { return nil }
        var map = server.map("panel-service")
        let url = map.requiredText("url")
        let target = FetchTarget(url)
        if target == nil {
            map.fail("url", "must be an http or https address without user information or fragment")
        } else if let target, !target.isSecure, !ListenAddress.isLoopback(target.host) {
            map.fail("url", "must be https, save on this machine")
        }
        let users = map.has("users") ? map.texts("users") : ["Practitioner", "PractitionerRole"]
        let known = ["Practitioner", "PractitionerRole", "RelatedPerson"]
        for type in users where !known.contains(type) {
            map.fail("users", "`\(type)` is none of `Practitioner`, `PractitionerRole`, `RelatedPerson`")
        }
        if users.isEmpty { map.fail("users", "must name somebody") }
        // Two rules for one user would be two answers.
        if practitionerPatients != nil, users.contains(where: { $0.hasPrefix("Practitioner") }) {
            map.fail("users", "practitioners' patients are asked of the FHIR server already (`practitioner-patients`)")
        }
        if relatedPersons, users.contains("RelatedPerson") {
            map.fail("users", "related persons' patients are asked of the FHIR server already (`related-persons`)")
        }
        let source = PanelServiceSource(
            url: url, users: users, tokenFile: map.text("token-file"), certificateAuthorityFile: map.text("ca-file"),
            timeoutSeconds: map.integer("timeout", default: 5, in: 1...30))
        map.finish()
        return source
    }

    /// Whose patients anybody may see: the lists, and what is asked about users who stand in none of them.
    func panelSource() throws -> PanelSource {
        var source = PanelSource.table(users: userPanels, clients: clientPanels)
        if let service = fhirServer.panelService {
            let fetch = PanelFetch(
                url: service.url,
                token: try service.tokenFile.map { Secret(try Configuration.firstLine(of: $0)) },
                certificateAuthorityFile: service.certificateAuthorityFile, timeoutSeconds: service.timeoutSeconds)
            source = source.asking(
                PanelService(
                    types: Set(service.users.compactMap(ResourceType.init(rawValue:))),
                    secondsKept: Int64(fhirServer.panelSeconds)
                ) { user in try await fetch.panel(of: user) })
        }
        return panelQuery.map(source.asking) ?? source
    }
}
