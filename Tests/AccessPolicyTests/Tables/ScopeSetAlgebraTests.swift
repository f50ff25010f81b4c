import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// Union, intersection with a ceiling, subsumption and canonical text.
@Suite(.underMutation) struct ScopeSetAlgebraTests {
    @Test(arguments: [
        ("patient/Observation.rs?category=x", "patient/Observation.rs"),
        ("patient/Observation.rs?category=x", "patient/Observation.rs?status=final"),
        ("patient/Observation.rs?category=x&status=final", "patient/Observation.rs?category=x"),
        ("patient/Observation.rs?category=x", "patient/Observation.rs?category=x,y"),
        ("patient/Observation.rs?category=s|x", "patient/Observation.rs?category=x"),
        ("patient/Observation.rs?category=s|x", "patient/Observation.rs?category=t|x"),
        ("patient/Observation.rs?category=|x", "patient/Observation.rs?category=s|x"),
        ("patient/Observation.rs?code:in=x", "patient/Observation.rs?code=x"),
        // One text to the eye, two to a FHIR server: é composed, and e with a combining accent.
        ("patient/Observation.rs?category=%C3%A9", "patient/Observation.rs?category=e%CC%81"),
        ("patient/Observation.rs?category=s%C3%A9|x", "patient/Observation.rs?category=se%CC%81|x"),
        ("user/*.rs", "patient/*.rs"), ("patient/*.rs", "user/Patient.r"), ("system/*.cruds", "patient/Patient.r"),
        ("patient/Observation.r", "patient/Observation.rs"), ("patient/Observation.rs", "patient/*.rs"),
        ("patient/Observation.rs", "openid"), ("openid", "fhirUser"), ("launch", "launch/patient"),
        ("launch/patient", "launch/patient?role=urn:x"), ("somethingElse", "somethingElse"),
        ("patient/Patient.sr", "patient/Patient.sr"),
    ])
    func `a set does not cover what it does not permit`(wide: String, narrow: String) throws {
        #expect(try !ScopeSet(parsing: wide).covers(ScopeSet(parsing: narrow)))
    }

    @Test(arguments: [
        ("patient/*.cruds", "patient/Observation.rs?category=x"),
        ("patient/Observation.rs", "patient/Observation.r"),
        ("patient/Observation.rs?category=x", "patient/Observation.rs?category=x&status=final"),
        ("patient/Observation.rs?category=x,y", "patient/Observation.rs?category=x"),
        ("patient/Observation.rs?category=x", "patient/Observation.rs?category=s|x"),
        ("patient/Observation.rs?category=s|", "patient/Observation.rs?category=s|x"),
        ("patient/Observation.rs?category=x patient/Observation.rs?category=y", "patient/Observation.rs?category=x,y"),
        ("patient/Observation.r patient/Observation.s", "patient/Observation.rs"),
        ("patient/Observation.rs", "patient/Observation.r patient/Observation.s"),
        ("patient/Observation.rs", "patient/Observation.rs?category=x patient/Observation.rs"),
        ("patient/Observation.rs?category=x patient/Observation.rs", "patient/Observation.rs"),
        ("patient/Observation.read", "patient/Observation.rs"), ("patient/Observation.rs", "patient/Observation.read"),
        ("openid fhirUser", "fhirUser"), ("__x", "__x"),
    ])
    func `a set covers what its scopes permit together`(wide: String, narrow: String) throws {
        #expect(try ScopeSet(parsing: wide).covers(ScopeSet(parsing: narrow)))
    }

    struct Ceiling: Sendable, CustomTestStringConvertible {
        let asked: String
        let approved: String
        let granted: String
        var testDescription: String { "\(asked) ∩ \(approved)" }
        init(_ asked: String, _ approved: String, _ granted: String) {
            self.asked = asked
            self.approved = approved
            self.granted = granted
        }
    }

    @Test(arguments: [
        // refused
        Ceiling("patient/Observation.rs", "patient/Condition.rs", ""),
        Ceiling("patient/Observation.rs", "user/Observation.rs", ""),
        Ceiling("patient/Observation.cud", "patient/Observation.rs", ""),
        Ceiling("patient/Observation.rs?category=a", "patient/Observation.rs?category=b", ""),
        Ceiling("patient/Observation.sr somethingElse", "patient/*.cruds somethingElse", ""),
        Ceiling("openid __x", "fhirUser", ""),
        Ceiling("patient/*.rs", "", ""),
        // narrowed
        Ceiling("patient/Observation.cruds", "patient/Observation.rs", "patient/Observation.rs"),
        Ceiling(
            "patient/Observation.rs?category=x", "patient/Observation.rs", "patient/Observation.rs?category=x"),
        Ceiling(
            "patient/Observation.rs", "patient/Observation.rs?category=x", "patient/Observation.rs?category=x"),
        Ceiling(
            "patient/Observation.rs?category=a,b", "patient/Observation.rs?category=b,c",
            "patient/Observation.rs?category=b"),
        Ceiling(
            "patient/Observation.rs?category=a", "patient/Observation.rs?status=final",
            "patient/Observation.rs?category=a&status=final"),
        Ceiling(
            "patient/Observation.rs?category=lab", "patient/Observation.rs?category=s|lab",
            "patient/Observation.rs?category=s|lab"),
        Ceiling(
            "patient/*.rs", "patient/Patient.rs patient/Observation.r openid",
            "patient/Patient.rs patient/Observation.r"),
        Ceiling(
            "patient/*.cruds", "patient/Patient.rs patient/Condition.rs?category=x",
            "patient/Patient.rs patient/Condition.rs?category=x"),
        Ceiling("patient/*.rs", "patient/*.cruds", "patient/*.rs"),
        Ceiling("patient/Patient.rs", "patient/*.r", "patient/Patient.r"),
        Ceiling("patient/Observation.rs", "patient/Observation.r patient/Observation.s", "patient/Observation.rs"),
        Ceiling(
            "patient/Observation.rs", "patient/Observation.rs?category=x patient/Observation.rs",
            "patient/Observation.rs"),
        // letters and constraints stay paired
        Ceiling(
            "patient/Observation.crs", "patient/Observation.rs?category=lab patient/Observation.c?category=vital",
            "patient/Observation.rs?category=lab patient/Observation.c?category=vital"),
        // dialect
        Ceiling("patient/Observation.read", "patient/Observation.cruds", "patient/Observation.read"),
        Ceiling("patient/Observation.*", "patient/Observation.rs", "patient/Observation.read"),
        Ceiling("patient/Observation.*", "patient/Observation.cruds", "patient/Observation.*"),
        Ceiling("patient/Observation.*", "patient/Observation.crud", "patient/Observation.write"),
        Ceiling("patient/Observation.read", "patient/Observation.r", ""),
        Ceiling("patient/Observation.read", "patient/Observation.rs?category=x", ""),
        Ceiling("patient/*.read", "patient/Patient.rs patient/Condition.rs?category=x", "patient/Patient.read"),
        Ceiling("patient/Observation.rs", "patient/Observation.read", "patient/Observation.rs"),
        // order and the rest of the request
        Ceiling(
            "launch/patient openid fhirUser offline_access patient/Patient.rs unknown",
            "patient/*.rs openid fhirUser launch/patient offline_access",
            "launch/patient openid fhirUser offline_access patient/Patient.rs"),
    ])
    func `a request is cut to its ceiling, in its own order and dialect`(row: Ceiling) throws {
        let asked = try ScopeSet(parsing: row.asked)
        let approved = try ScopeSet(parsing: row.approved)

        let granted = asked.intersection(approved)

        #expect(granted.text == row.granted)
        #expect(approved.covers(granted))
        #expect(asked.covers(granted))
    }

    @Test(arguments: [
        ("patient/Observation.r patient/Observation.s", "patient/Observation.rs"),
        ("patient/Observation.rs?category=x patient/Observation.rs", "patient/Observation.rs"),
        ("patient/Observation.read", "patient/Observation.rs"),
        ("patient/*.rs patient/Patient.r", "patient/*.rs"),
        ("user/Patient.rs patient/Patient.rs openid", "patient/Patient.rs user/Patient.rs openid"),
        (
            "patient/Observation.rs?status=final&category=b,a",
            "patient/Observation.rs?category=a,b&status=final"
        ),
        (
            "patient/Observation.cruds?category=x patient/Observation.s",
            "patient/Observation.crud?category=x patient/Observation.s"
        ),
    ])
    func `equal sets have one canonical text`(text: String, canonical: String) throws {
        let set = try ScopeSet(parsing: text).canonical

        #expect(set.text == canonical)
        #expect(set.canonical == set)
    }

    @Test func `a union keeps both sides once`() throws {
        let union = try ScopeSet(parsing: "openid patient/Patient.rs").union(ScopeSet(parsing: "openid fhirUser"))

        #expect(union.text == "openid patient/Patient.rs fhirUser")
    }
}
