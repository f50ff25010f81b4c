import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// The parser vectors of the SMART digest §25 and what the enforcer digest (d)1 adds.
@Suite(.underMutation) struct ScopeParsingTests {
    static let refused = [
        "patient/Observation.sr", "patient/Observation.dus", "patient/Observation.rr", "patient/Observation.",
        "patient/Observation", "patient/Observation.reads", "patient/Observation.RS", "patient/observation.rs",
        "patient/NotAType.rs", "patient/Observation.rs?", "patient/Observation.rs?category",
        "patient/Observation.rs?=x", "patient/Observation.read?category=x", "patient/Observation.rs?category=",
        "patient/Observation.rs?category=a&", "patient/Observation.rs?&category=a", "patient/Observation.rs?category=,",
        "patient/Observation.rs?category=a,,b", "patient/Observation.rs?category=%",
        "patient/Observation.rs?category=%4",
        "patient/Observation.rs?category=%GG", "patient/Observation.rs?category=%FF",
        "patient/Observation.rs?category=%00", "patient/Observation.rs?category:=a", "patient/Observation.rs?.a=b",
        "patient/Observation.rs?a.=b", "patient/Observation.rs?category[]=a", "patient/Observation.read-only",
        "patient/Observation.rsXYZ", "patient/Observation.rs?active", "patient/Observaton.rs", "patient/",
        "patient//Observation.rs", "patient/.rs", "patient/*.", "patient/**.rs", "patient/Observation.rs.rs",
        "patient/Observation.rs/x", "patient/Observation.*s", "patient/Observation.cruds*", "user/Observation.",
        "system/observation.rs", "system/Observation.bulk", "patient/Observation.rs#x", "patient/Patient .rs",
        "patient/Observation.rs?category=\u{e9}",
    ]

    @Test(
        .verifies("attack@ATK-264", "attack@ATK-265", "attack@ATK-266"),
        arguments: ScopeParsingTests.refused)
    func `what begins like a resource scope and is none is malformed and grants nothing`(text: String) {
        #expect(Scope(parsing: text) == .malformed(text))
        #expect(HeldScope(text) == nil)
        #expect(Scope(parsing: text).text == text)
    }

    @Test(arguments: [
        "Patient/Observation.rs", "practitioner/Observation.rs", "*/Observation.rs", "fhiruser", "launch/ImagingStudy",
        "launch/nothing", "launch/", "launch/list?role=a&role=b", "launch/list?role=", "launch/list?x=y",
        "launch/list?",
        "OPENID", "offline", "_x", "__", "", "1a:b", ":b", "a:", "patient", "patient.Observation.rs",
    ])
    func `what nobody defines is kept, is not malformed and grants nothing`(text: String) {
        #expect(Scope(parsing: text) == .unrecognised(text))
        #expect(HeldScope(text) == nil)
    }

    struct Understood: Sendable, CustomTestStringConvertible {
        let text: String
        let level: ScopeLevel
        let type: String
        let letters: String
        let terms: Int
        let dialect: ResourceScope.Dialect
        var testDescription: String { text }
        init(
            _ text: String, _ level: ScopeLevel, _ type: String, _ letters: String, terms: Int = 0,
            _ dialect: ResourceScope.Dialect = .v2
        ) {
            self.text = text
            self.level = level
            self.type = type
            self.letters = letters
            self.terms = terms
            self.dialect = dialect
        }
    }

    @Test(arguments: [
        Understood("patient/Observation.rs", .patient, "Observation", "rs"),
        Understood("patient/*.cruds", .patient, "*", "cruds"),
        Understood("user/Appointment.c", .user, "Appointment", "c"),
        Understood("system/*.rs", .system, "*", "rs"),
        Understood("system/Encounter.cud", .system, "Encounter", "cud"),
        Understood("patient/Patient.r", .patient, "Patient", "r"),
        Understood("patient/Observation.read", .patient, "Observation", "rs", .v1),
        Understood("patient/Observation.write", .patient, "Observation", "cud", .v1),
        Understood("patient/*.*", .patient, "*", "cruds", .v1),
        Understood("user/Patient.*", .user, "Patient", "cruds", .v1),
        Understood("system/*.read", .system, "*", "rs", .v1),
        Understood(
            "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
            .patient, "Observation", "rs", terms: 1),
        Understood("patient/Observation.rs?category=laboratory&status=final", .patient, "Observation", "rs", terms: 2),
        Understood("patient/Observation.rs?category=a,b", .patient, "Observation", "rs", terms: 1),
        Understood("patient/Observation.rs?code:in=http://vs", .patient, "Observation", "rs", terms: 1),
        Understood("patient/Observation.rs?patient.birthdate=1990", .patient, "Observation", "rs", terms: 1),
    ])
    func `a resource scope says level, type, letters and constraint, and prints as it was written`(
        expected: Understood
    ) throws {
        let scope = try #require(Scope(parsing: expected.text).resourceScope)

        #expect(scope.level == expected.level)
        #expect(scope.target.text == expected.type)
        #expect(scope.permissions.text == expected.letters)
        #expect((scope.constraint?.terms.count ?? 0) == expected.terms)
        #expect(scope.dialect == expected.dialect)
        #expect(scope.text == expected.text)
    }

    @Test func `the other scopes of SMART are told apart`() {
        #expect(Scope(parsing: "launch") == .launch)
        #expect(Scope(parsing: "launch/patient") == .launchContext(.patient, role: nil))
        #expect(Scope(parsing: "launch/imagingstudy") == .launchContext(.imagingStudy, role: nil))
        #expect(
            Scope(parsing: "launch/list?role=https://example.org/r")
                == .launchContext(.list, role: "https://example.org/r"))
        #expect(Scope(parsing: "openid") == .openid)
        #expect(Scope(parsing: "fhirUser") == .fhirUser)
        #expect(Scope(parsing: "profile") == .profile)
        #expect(Scope(parsing: "offline_access") == .offlineAccess)
        #expect(Scope(parsing: "online_access") == .onlineAccess)
    }

    @Test(arguments: [
        "__profilePhoto.manage", "https://ehr.example.org/scopes/profilePhoto.manage",
        "http://smarthealthit.org/fhir/scopes/patient/*.r", "urn:example:scope", "system/bulk-submit",
        "__launch.create",
    ])
    func `extension scopes are kept and never grant`(text: String) {
        #expect(Scope(parsing: text) == .extension(text))
        #expect(HeldScope(text) == nil)
        #expect(Scope(parsing: text).text == text)
    }

    @Test func `all 31 letter strings in order parse and print, and every other order is refused`() {
        let inOrder = (1..<32).map { Permissions(rawValue: UInt8($0)).text }

        #expect(Set(inOrder).count == 31)
        for text in inOrder {
            #expect(Permissions(parsing: text)?.text == text)
            let reversed = String(text.reversed())
            if reversed != text { #expect(Permissions(parsing: reversed) == nil) }
        }
        #expect(Permissions(parsing: "") == nil)
    }

    @Test(.verifies("attack@ATK-270"))
    func `the constraint is decoded exactly once, after it was split`() throws {
        let scope = try #require(Scope(parsing: "patient/Observation.rs?category=a%26status=final").resourceScope)
        let doubled = try #require(Scope(parsing: "patient/Observation.rs?category=a%252Cb").resourceScope)
        let escaped = try #require(Scope(parsing: "patient/Observation.rs?category=a%5C,b").resourceScope)

        #expect(scope.constraint?.terms.map(\.name) == ["category"])
        #expect(scope.constraint?.terms.first?.alternatives == ["a&status=final"])
        #expect(doubled.constraint?.terms.first?.alternatives == ["a%2Cb"])
        #expect(escaped.constraint?.terms.first?.alternatives == ["a\\,b"])
        #expect(escaped.constraint?.terms.first?.tokens?.first?.code == "a,b")
    }

    @Test func `a scope parameter that is too long, too many or not in the alphabet is refused whole`() {
        let long = String(repeating: "patient/Patient.rs ", count: 6_000)
        let one = "patient/Observation.rs?code=" + String(repeating: "a", count: 3_000)
        let many = (0..<1_025).map { "a\($0):b" }.joined(separator: " ")

        #expect(throws: ScopeSetError.tooLong) { try ScopeSet(parsing: long) }
        #expect(throws: ScopeSetError.scopeTooLong) { try ScopeSet(parsing: one) }
        #expect(throws: ScopeSetError.tooMany) { try ScopeSet(parsing: many) }
        #expect(throws: ScopeSetError.invalidCharacter) { try ScopeSet(parsing: "patient/Patient.rs\topenid") }
        #expect(throws: ScopeSetError.invalidCharacter) { try ScopeSet(parsing: "patient/Patient.rs\"") }
        #expect(throws: ScopeSetError.invalidCharacter) { try ScopeSet(parsing: "a\\b") }
        #expect(Scope(parsing: one) == .malformed(one))
    }

    @Test func `spaces between scopes may repeat and repeated scopes count once`() throws {
        let set = try ScopeSet(parsing: "  openid   patient/Patient.rs openid ")

        #expect(set.text == "openid patient/Patient.rs")
    }

    @Test func `malformed and unknown scopes of a set are told apart`() throws {
        let set = try ScopeSet(parsing: "patient/Patient.sr somethingElse openid system/x")

        #expect(set.malformed == ["patient/Patient.sr", "system/x"])
        #expect(set.unrecognised == ["somethingElse"])
    }
}
