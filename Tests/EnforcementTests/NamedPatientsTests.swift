import AccessPolicy
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import Enforcement

/// Whom a request names, whether or not it may.
@Suite(.verifies("audit@tried")) struct NamedPatientsTests {
    @Test(arguments: [
        ("/Patient/p1", "", ["p1"]), ("/Patient/p1/_history/2", "", ["p1"]), ("/Patient/p1/Observation", "", ["p1"]),
        ("/Patient/p1/$everything", "", ["p1"]), ("/Observation/o1", "", []), ("/Practitioner/p1", "", []),
        ("/Encounter/e1/Observation", "", []),
        ("/Observation", "patient=p1", ["p1"]), ("/Observation", "patient=Patient/p1,p2", ["p1", "p2"]),
        ("/Observation", "subject=Patient/p1", ["p1"]), ("/Observation", "subject:Patient=p1", ["p1"]),
        ("/Observation", "subject=https://gw.example/fhir/Patient/p1", ["p1"]),
        ("/Observation", "subject=https://other.example/fhir/Patient/p1", []),
        ("/Observation", "subject=Group/p1", []), ("/Observation", "code=p1", []),
        ("/Observation", "patient.name=p1", []), ("/Patient", "_id=p1", ["p1"]), ("/Observation", "_id=p1", []),
        ("/Patient", "", []), ("/Observation", "performer=Patient/p1", ["p1"]),
    ]) func `a request names patients in its path and in its query`(path: String, query: String, named: [String]) throws
    {
        let policy = ServerPolicy(
            publicBase: "https://gw.example/fhir", upstreamBase: "http://upstream.example", types: try TypeTable.r4())
        let request = try CanonicalRequest(
            FHIRRequest(method: .get, path: path, query: query.isEmpty ? nil : query))
        var asked = AskedPatients()
        asked.add(from: request, policy)
        #expect(asked.ids == named)
    }

    @Test func `no more than two hundred of a query are named, and how many more is known`() throws {
        let policy = ServerPolicy(
            publicBase: "https://gw.example/fhir", upstreamBase: "http://upstream.example", types: try TypeTable.r4())
        let ids = (1...240).map { "p\($0)" }.joined(separator: ",")
        let request = try CanonicalRequest(FHIRRequest(method: .get, path: "/Observation", query: "patient=\(ids)"))
        var asked = AskedPatients()
        asked.add(from: request, policy)
        #expect(asked.ids.count == 200)
        #expect(asked.left == 40)
    }
}
