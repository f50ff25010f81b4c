import ChaperoneTesting
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

/// What the protected server says about itself, and what that changes.
@Suite(.timeLimit(.minutes(2))) struct CapabilityTests {
    private static func statement(_ types: String...) -> String {
        let resources = types.map { type in
            #"{"type":"\#(type)","interaction":[{"code":"read"},{"code":"search-type"}],"searchParam":[{"name":"patient","type":"reference"},{"name":"code","type":"token"}]}"#
        }
        return
            #"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"mode":"server","resource":[\#(resources.joined(separator: ","))]}]}"#
    }

    private static func searchset(total: Int, of patients: String...) -> String {
        let entries = patients.enumerated().map { number, patient in
            #"{"resource":{"resourceType":"Observation","id":"o\#(number)","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/\#(patient)"}},"search":{"mode":"match"}}"#
        }
        return
            #"{"resourceType":"Bundle","type":"searchset","total":\#(total),"entry":[\#(entries.joined(separator: ","))]}"#
    }

    private static let counted = #"{"resourceType":"Bundle","type":"searchset","total":3}"#

    @Test(.verifies("house@CAP-03"))
    func `counts come when the server has said that it knows what narrows them`() async throws {
        try await withGateway(upstream: { seen in
            seen.target.hasSuffix("/metadata")
                ? .answer(200, Self.statement("Observation")) : .answer(200, Self.counted)
        }) { gateway, upstream in
            let count = gateway.request("GET", "/Observation?_summary=count")
            let before = try await gateway.send(count)
            let problem = await gateway.readCapabilities()
            let after = try await gateway.send(count)

            #expect(before[0].status == 400)
            #expect(problem == nil)
            #expect(after[0].status == 200)
            #expect(after[0].body.contains("\"total\":3"))
            #expect(
                upstream.seen.map(\.target).last?.contains("patient=Patient%2FpA") == true
                    || upstream.seen.map(\.target).last?.contains("patient=Patient/pA") == true)
        }
    }

    @Test(.verifies("house@CAP-03"))
    func `a server that was seen to pass over a limit gives no counts any more`() async throws {
        try await withGateway(upstream: { seen in
            if seen.target.hasSuffix("/metadata") { return .answer(200, Self.statement("Observation", "Condition")) }
            if seen.target.contains("count") { return .answer(200, Self.counted) }
            return .answer(200, Self.searchset(total: 2, of: "pA", "pB"))
        }) { gateway, _ in
            _ = await gateway.readCapabilities()
            let trusted = try await gateway.send(gateway.request("GET", "/Observation?_summary=count"))
            let rows = try await gateway.send(gateway.request("GET", "/Observation"))
            let distrusted = try await gateway.send(gateway.request("GET", "/Observation?_summary=count"))
            _ = await gateway.readCapabilities()
            let again = try await gateway.send(gateway.request("GET", "/Observation?_summary=count"))
            let other = try await gateway.send(gateway.request("GET", "/Condition?_summary=count"))

            #expect(trusted[0].status == 200)
            #expect(rows[0].status == 200 && !rows[0].body.contains("pB") && !rows[0].body.contains("total"))
            #expect(distrusted[0].status == 400)
            #expect(again[0].status == 400, "what it says of itself does not mend what it did")
            #expect(other[0].status == 200, "another type was not seen to be wrong")
        }
    }

    @Test(.verifies("house@CAP-03"))
    func `a server that takes its word back gives no counts`() async throws {
        let isR4 = Mutex(true)
        try await withGateway(upstream: { seen in
            if seen.target.hasSuffix("/metadata") {
                return .answer(200, isR4.withLock { $0 } ? Self.statement("Observation") : "{}")
            }
            return .answer(200, Self.counted)
        }) { gateway, _ in
            let count = gateway.request("GET", "/Observation?_summary=count")
            _ = await gateway.readCapabilities()
            let before = try await gateway.send(count)
            isR4.withLock { $0 = false }
            let problem = await gateway.readCapabilities()
            let after = try await gateway.send(count)

            #expect(before[0].status == 200)
            #expect(problem?.contains("CapabilityStatement") == true)
            #expect(after[0].status == 400)
        }
    }

    @Test(.verifies("house@CAP-02"))
    func `a type without a rule is a problem that is named`() async throws {
        try await withGateway(upstream: { _ in .answer(200, Self.statement("Patient", "Transport")) }) { gateway, _ in
            let problem = await gateway.readCapabilities()

            #expect(problem == "the protected server has types for which there is no rule: Transport")
        }
    }

    @Test(.verifies("house@CAP-02"), arguments: [500, 401])
    func `a server that does not tell is a problem until it does`(status: Int) async throws {
        let failing = Mutex(true)
        try await withGateway(upstream: { _ in
            failing.withLock { $0 } ? .answer(status, "{}") : .answer(200, Self.statement("Patient"))
        }) { gateway, _ in
            let before = await gateway.readCapabilities()
            failing.withLock { $0 = false }
            let after = await gateway.readCapabilities()
            failing.withLock { $0 = true }
            let kept = await gateway.readCapabilities()

            #expect(before?.contains("not been read") == true)
            #expect(after == nil)
            #expect(kept == nil, "a server that cannot be asked for a moment is still the one it was")
        }
    }
}
