internal import AccessPolicy

/// The accounts, clients and panels of `serve --demo`. Published, and refused everywhere else.
public enum DemoIdentities {
    /// The password of every demo account.
    public static let password = "demo"

    private static let patientScopes =
        "launch launch/patient launch/encounter openid fhirUser profile offline_access online_access "
        + readable.map { "patient/\($0).rs" }.joined(separator: " ")

    /// The kinds of record that the demo's apps are approved to read.
    static let readable = [
        "Patient", "AllergyIntolerance", "CarePlan", "CareTeam", "Condition", "Coverage", "Device", "DiagnosticReport",
        "Claim", "DocumentReference", "Encounter", "ExplanationOfBenefit", "Goal", "ImagingStudy", "Immunization",
        "MedicationAdministration", "MedicationDispense", "MedicationRequest", "Observation", "Procedure", "Provenance",
        "ServiceRequest", "SupplyDelivery", "Location", "Medication", "Organization", "Practitioner",
        "PractitionerRole",
    ]

    private static let systemScopes = readable.map { "system/\($0).rs" }.joined(separator: " ")
    /// 2030-12-31: even the demo's exception has an end.
    private static let weakProfileEnds: Int64 = 1_924_905_600

    /// Names that no deployment may carry over from the demo.
    static func isPublished(_ client: ConfiguredClient) -> Bool { client.id.hasPrefix("demo-") }

    /// The demo clients (surface.md §4).
    ///
    /// - Parameter demoPort: the port of the demo app, to which its redirect leads.
    public static func clients(demoPort: Int) -> [ConfiguredClient] {
        let redirects = ["http://127.0.0.1:\(demoPort)/app/callback", "http://127.0.0.1:8765/callback"]
        return [
            app("demo-patient-app", "My Health Shelf", redirects, accessToken: nil),
            app("demo-short-token-app", "My Health Shelf (short tokens)", redirects, accessToken: 60),
            confidential(
                "demo-smart1-app", "Older confidential app", .smart10, .patientAccess, redirects,
                secret: "demo-smart1-secret", scopes: patientV1Scopes),
            confidential(
                "demo-provider-app", "Ward viewer", .smart22, .providerAccess,
                ["http://127.0.0.1:\(demoPort)/provider/callback"] + redirects,
                launchURL: "http://127.0.0.1:\(demoPort)/provider/launch", secret: "demo-provider-secret",
                scopes: providerScopes),
            backend("demo-backend", "Nightly analytics", .patientAccess, systemScopes, .everyone),
            backend(
                "demo-provider-access", "Provider group", .providerAccess, systemScopes,
                .patients(["patient-a", "patient-c"])),
            backend("demo-payer-peer", "Other health plan", .payerToPayer, systemScopes, .patients(["patient-b"])),
            backend(
                "demo-prior-auth", "Clinic prior authorization", .priorAuthorization, systemScopes,
                .patients(["patient-a"])),
            backend("demo-ehr", "Demo EHR", .providerAccess, "__launch.create", .none),
            backend("demo-resource-server", "Demo resource server", .patientAccess, "__introspect", .none),
        ]
    }

    private static let patientV1Scopes =
        "launch launch/patient launch/encounter openid fhirUser profile offline_access "
        + readable.map { "patient/\($0).read" }.joined(separator: " ")
    private static let providerScopes =
        "launch launch/patient launch/encounter openid fhirUser offline_access online_access "
        + readable.map { "patient/\($0).rs user/\($0).rs" }.joined(separator: " ")

    private static func app(
        _ id: String, _ name: String, _ redirects: [String], accessToken: Int?
    ) -> ConfiguredClient {
        ConfiguredClient(
            id: id, name: name, kind: .public, profile: .smart22, profileUntil: nil, isTrusted: true,
            program: .patientAccess, redirectURIs: redirects, launchURL: nil,
            isNative: false, grantTypes: [.authorizationCode, .refreshToken], scopes: patientScopes, secretFile: nil,
            keysFile: nil, accessTokenSeconds: accessToken, systemPanel: .none, demoSecret: nil, demoKeys: nil)
    }

    private static func confidential(
        _ id: String, _ name: String, _ profile: ConfiguredClient.Profile, _ program: APIProgram,
        _ redirects: [String], launchURL: String? = nil, secret: String, scopes: String
    ) -> ConfiguredClient {
        ConfiguredClient(
            id: id, name: name, kind: .symmetric, profile: profile,
            profileUntil: profile == .smart10 ? weakProfileEnds : nil, isTrusted: true, program: program,
            redirectURIs: redirects, launchURL: launchURL,
            isNative: false, grantTypes: [.authorizationCode, .refreshToken], scopes: scopes, secretFile: nil,
            keysFile: nil, accessTokenSeconds: nil, systemPanel: .none, demoSecret: secret, demoKeys: nil)
    }

    private static func backend(
        _ id: String, _ name: String, _ program: APIProgram, _ scopes: String, _ panel: ConfiguredClient.SystemPanel
    ) -> ConfiguredClient {
        ConfiguredClient(
            id: id, name: name, kind: .asymmetric, profile: .smart22, profileUntil: nil, isTrusted: true,
            program: program, redirectURIs: [], launchURL: nil,
            isNative: false, grantTypes: [.clientCredentials], scopes: scopes, secretFile: nil, keysFile: nil,
            accessTokenSeconds: nil, systemPanel: panel, demoSecret: nil,
            demoKeys: Assets.text("demo/keys/\(id).jwks.json"))
    }

    /// The demo accounts (surface.md §3).
    public static func users() -> [ConfiguredUser] {
        [
            member("patient-a", "Ana Rivera"),
            member("patient-b", "Bernard Baptiste"),
            ConfiguredUser(
                login: "parent-a", name: "Paula Castellan", fhirUser: "RelatedPerson/parent-a",
                patients: [.init(id: "patient-c", name: "Cleo Castellan", relation: "")], roles: [],
                passwordFile: nil, demoPassword: password),
            ConfiguredUser(
                login: "clinician-a", name: "Dr. Adaeze Okafor", fhirUser: "Practitioner/clinician-a",
                patients: [
                    .init(id: "patient-a", name: "Ana Rivera", relation: ""),
                    .init(id: "patient-c", name: "Cleo Castellan", relation: ""),
                ], roles: [], passwordFile: nil, demoPassword: password),
            staff("steward-a", "Scope steward A", .steward), staff("steward-b", "Scope steward B", .steward),
            staff("security-a", "Second approver A", .security), staff("security-b", "Second approver B", .security),
            staff("auditor-a", "Auditor A", .auditor), staff("admin-a", "Administrator A", .admin),
            staff("developer-a", "Developer A", .developer),
        ]
    }

    /// The panel of the demo's practitioner.
    public static let panels = ["Practitioner/clinician-a": ["patient-a", "patient-c"]]

    private static func member(_ id: String, _ name: String) -> ConfiguredUser {
        ConfiguredUser(
            login: id, name: name, fhirUser: "Patient/\(id)",
            patients: [.init(id: id, name: name, relation: "")],
            roles: [], passwordFile: nil, demoPassword: password)
    }

    private static func staff(_ login: String, _ name: String, _ role: ConfiguredUser.Role) -> ConfiguredUser {
        ConfiguredUser(
            login: login, name: name, fhirUser: nil, patients: [], roles: [role], passwordFile: nil,
            demoPassword: password)
    }
}

extension Configuration {
    /// Adds the demo's people and apps; those that the file names keep their own settings.
    mutating func addDemoIdentities() {
        let ownClients = Set(clients.map(\.id))
        clients += DemoIdentities.clients(demoPort: listeners.demo.port).filter { !ownClients.contains($0.id) }
        let ownUsers = Set(users.map(\.login))
        users += DemoIdentities.users().filter { !ownUsers.contains($0.login) }
        panels.merge(DemoIdentities.panels) { own, _ in own }
    }
}
