import FHIRCore
import RequirementTraits
import Testing

/// Names in submitted bodies that another reader could take for others, and bodies made to keep a reader busy.
@Suite struct MemberNamesTests {
    @Test(
        .verifies("attack@ATK-201"),
        arguments: [
            #""subject":{"reference":"Patient/pA"},"Subject":{"reference":"Patient/pB"}"#,
            #""subject":{"reference":"Patient/pA","Reference":"Patient/pB"}"#, #""Subject":{"reference":"Patient/pB"}"#,
            #""note":[{"text":"x","tExt":"y"}]"#, #""":1"#, #""_":{}"#, #""subject ":{}"#, #""sub-ject":1"#,
            #""__status":{}"#, #""1status":1"#, #""stat\u0131s":"x""#, #""resourcetype":"Patient""#,
            #""fhir_comments":["x"]"#,
        ])
    func `a body with a name that no element has, or two that differ in case alone, is refused`(members: String) {
        let body = #"{"resourceType":"Observation","id":"o",\#(members)}"#

        #expect(Ask.refusal { try Ask.send("PUT", "/Observation/o", body) }?.status == 400)
    }

    @Test func `names of elements and of their companions pass`() {
        let body =
            #"{"resourceType":"Observation","id":"o","status":"final","_status":{"id":"x"},"valueSampledData":{"lowerLimit":1},"code":{"text":"x"}}"#

        #expect(Ask.refusal { try Ask.send("PUT", "/Observation/o", body) } == nil)
    }

    @Test(arguments: [false, true])
    func `an object with more members than any element has is refused, and soon`(isCompanion: Bool) {
        let members = (0..<150_000).map { #","\#(isCompanion ? "_" : "")a\#($0)":{}"# }.joined()
        let body = #"{"resourceType":"Observation","id":"o"\#(members)}"#
        let start = ContinuousClock.now

        #expect(Ask.refusal { try Ask.send("PUT", "/Observation/o", body) }?.status == 400)
        // The pairwise reading took minutes; a slow machine under load takes less than this by far.
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test func `a body with more contained resources than anybody needs is refused`() {
        func body(_ count: Int) -> String {
            let list = (0..<count).map { #"{"resourceType":"Medication","id":"m\#($0)"}"# }.joined(separator: ",")
            return #"{"resourceType":"Observation","id":"o","contained":[\#(list)]}"#
        }

        #expect(Ask.refusal { try Ask.send("PUT", "/Observation/o", body(100)) } == nil)
        #expect(Ask.refusal { try Ask.send("PUT", "/Observation/o", body(101)) }?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-231"),
        arguments: [
            #"{"resourceType":"Condition","contained":[]}"#,
            #"{"resourceType":"Condition","contained":[{"resourceType":"Patient"}]}"#,
        ])
    func `a contained resource that contains others is refused`(contained: String) {
        let body = #"{"resourceType":"Observation","id":"o","contained":[\#(contained)]}"#

        #expect(Ask.refusal { try Ask.send("PUT", "/Observation/o", body) }?.status == 400)
    }

    @Test func `references into many contained resources are resolved in one go`() throws {
        let contained = (0..<20_000).map { #"{"resourceType":"Group","id":"g\#($0)"}"# }.joined(separator: ",")
        let performers = (0..<20_000).map { ##"{"reference":"#g\##($0)"}"## }.joined(separator: ",")
        let text = #"{"resourceType":"Task","contained":[\#(contained)],"for":[\#(performers)]}"#
        let view = try ResourceView(JSONDocument(Array(text.utf8)).root)
        let parameter = try #require(R4.searchParameter("patient", for: .task))
        let start = ContinuousClock.now

        #expect(view.references(parameter) == [])
        #expect(ContinuousClock.now - start < .seconds(20))
    }
}
