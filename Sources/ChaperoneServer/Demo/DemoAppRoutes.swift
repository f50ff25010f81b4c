internal import FHIRCore
internal import Hummingbird

/// The demo app's own listener: static files, and where it finds its health plan.
struct DemoAppRoutes: Sendable {
    let fhirBase: String
    let issuer: String

    /// What the app asks for; the same as the sentences on its start page.
    static let scope =
        "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Condition.rs patient/Observation.rs "
        + "patient/MedicationRequest.rs patient/ExplanationOfBenefit.rs patient/Coverage.rs"

    private static let wishes = [
        "your name and who you are", "your conditions", "your observations, such as laboratory results",
        "your medications", "your claims and your insurance coverage", "to stay connected until you end it",
    ]

    /// The app may run its own scripts and speak to its health plan, and to nobody else.
    var headers: SecurityHeaders { SecurityHeaders(connectTargets: [issuer]) }

    func add(to router: Router<SideContext>) {
        router.get("/app/config.json") { _, _ in
            Answers.json(
                .object([
                    .init("fhirBase", .string(fhirBase)), .init("clientId", "demo-patient-app"),
                    .init("scope", .string(Self.scope)), .init("wishes", .array(Self.wishes.map { .string($0) })),
                ]))
        }
        var files = [
            (address: "/", path: "demo/index.html"), (address: "/app/callback", path: "demo/callback.html"),
            (address: "/app/records", path: "demo/records.html"),
            (address: "/app/refusals", path: "demo/refusals.html"),
            (address: "/app/demo.css", path: "demo/demo.css"),
        ]
        for file in Assets.all where file.path.hasPrefix("demo/") && file.path.hasSuffix(".js") {
            files.append((address: "/app/" + file.path.dropFirst(5), path: file.path))
        }
        StaticRoutes(files: files + StaticRoutes.pages.files).add(to: router)
    }
}
