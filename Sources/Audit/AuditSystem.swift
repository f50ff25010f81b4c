/// The system that audit events name as their server, source and observer.
public struct AuditSystem: Hashable, Sendable {
    /// What people call it, such as `Chaperone`.
    public let name: String
    /// The protected FHIR base, as clients see it.
    public let fhirBase: String
    /// The issuer of the users' identities; the namespace of `subject`.
    public let issuer: String

    /// The namespace of operators' account names.
    var accounts: String { issuer + "/accounts" }

    /// The namespace of issuers, by which the observer of an event is known: URIs (FHIR R4 identifier-registry).
    static let issuers = "urn:ietf:rfc:3986"

    /// The names that go into events.
    public init(name: String, fhirBase: String, issuer: String) {
        self.name = name
        self.fhirBase = fhirBase
        self.issuer = issuer
    }
}
