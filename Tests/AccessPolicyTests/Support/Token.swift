import AccessPolicy
import Testing
import FHIRCore

/// The tokens of the attack catalogue, and others made from scope text.
struct Token: Sendable, CustomTestStringConvertible {
    var scopes: String
    var patient: String? = "pA"
    var fhirUser: String?
    var userPanel: PatientPanel = .none
    var systemPanel: PatientPanel = .none

    var testDescription: String { scopes.isEmpty ? "no scopes" : scopes }

    static let lab = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    static let vitals = "category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"

    static let p = Token(scopes: "patient/*.rs")
    static let pw = Token(scopes: "patient/*.cruds")
    static let po = Token(scopes: "patient/Patient.rs patient/Observation.rs")
    static let pr = Token(scopes: "patient/Observation.r")
    static let ps = Token(scopes: "patient/Observation.s")
    static let g = Token(scopes: "patient/Patient.r patient/Observation.rs?\(lab)")
    static let g2 = Token(scopes: "patient/Patient.r patient/Observation.rs?\(lab) patient/Observation.rs?\(vitals)")
    static let gx = Token(scopes: "patient/Observation.rs?\(lab) patient/Observation.c?\(vitals)")
    static let gw = Token(scopes: "patient/Observation.cruds?\(lab)")
    static let u = user("user/*.rs", panel: ["pA"])
    static let uw = user("user/*.cruds", panel: ["pA"])
    static let m = Token(
        scopes: "patient/Observation.rs user/Patient.rs", patient: "pA", fhirUser: "Practitioner/dr1",
        userPanel: panel(["pA", "pB"]))
    static let s = system("system/*.rs")
    static let sw = system("system/*.cruds")
    static let sg = system("system/Observation.rs?\(lab)")
    static let none = Token(scopes: "patient/*.rs", patient: nil)

    static func patient(_ scopes: String) -> Token { Token(scopes: scopes) }
    static func user(_ scopes: String, panel ids: [String]) -> Token {
        Token(scopes: scopes, patient: nil, fhirUser: "Practitioner/dr1", userPanel: panel(ids))
    }
    static func system(_ scopes: String) -> Token { Token(scopes: scopes, patient: nil, systemPanel: .everyone) }
    static func panel(_ ids: [String]) -> PatientPanel { .patients(Set(ids.compactMap { ResourceID($0) })) }

    var access: GrantedAccess {
        GrantedAccess(
            clientID: ClientID("app"), subject: SubjectID("someone"), scopeText: scopes,
            launch: LaunchContext(
                patient: patient.flatMap { ResourceID($0) }, fhirUser: fhirUser.flatMap { InstanceKey($0) }),
            program: .general, grantID: GrantID("grant"), tokenID: TokenID("token"), issuedAt: 0, expiresAt: 3_600)
    }
}
