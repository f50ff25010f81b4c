import FHIRCore
import NIOHTTP1
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// An EHR opens an app, over HTTP.
@Suite(.demoServer) struct EHRLaunchTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    private func launch(_ body: String, token: String?, type: String = "application/json") async throws -> Answer {
        var headers = [("content-type", type)]
        if let token { headers.append(("authorization", "Bearer \(token)")) }
        return try await Browser().send(.POST, server.issuer + "/launch", headers: headers, body: body)
    }

    @Test(.verifies("oauth-attack@L-15"))
    func `a launch needs a token, and a member's token is not enough`() async throws {
        let bare = try await launch("{}", token: nil)
        #expect(bare.status == 401)
        #expect(bare["www-authenticate"]?.hasPrefix("Bearer ") == true)
        #expect(bare["www-authenticate"]?.contains("error=") == false)
        let member = try await TestApp(server: server).launch()
        let refused = try await launch("{}", token: try #require(member["access_token"]?.string))
        #expect(refused.status == 403)
        #expect(refused["www-authenticate"]?.contains("insufficient_scope") == true)
    }

    @Test(arguments: [
        ("GET", 405), ("PUT", 405), ("DELETE", 405),
    ])
    func `only a posted document makes a launch`(_ method: String, _ status: Int) async throws {
        let answer = try await Browser().send(HTTPMethod(rawValue: method), server.issuer + "/launch")
        #expect(answer.status == status)
        #expect(try await launch("a=b", token: nil, type: "application/x-www-form-urlencoded").status == 415)
        #expect(try await launch("{", token: nil).status == 400)
    }

    /// Follows the redirects that a browser would, across the listeners of the demo.
    private func follow(_ answer: Answer, from origin: String, with browser: Browser) async throws -> (Answer, String) {
        var (answer, origin) = (answer, origin)
        for _ in 0..<12 {
            guard (300...399).contains(answer.status), let location = answer["location"] else { break }
            let url = location.hasPrefix("/") ? origin + location : location
            origin = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).prefix(3)
                .joined(separator: "/")
            answer = try await browser.get(url)
        }
        return (answer, origin)
    }

    private func open(_ patient: String, with browser: Browser) async throws -> Answer {
        let begun = try await browser.post(server.demo + "/ehr/launch", [("patient", patient)])
        #expect(begun.status == 303, "\(begun.text)")
        var (page, origin) = try await follow(begun, from: server.demo, with: browser)
        if page.text.contains("name=\"password\"") {
            let signedIn = try await browser.post(
                origin + "/login", Form(page.text).fields + [("username", "clinician-a"), ("password", "demo")])
            (page, origin) = try await follow(signedIn, from: origin, with: browser)
        }
        let allowed = try await browser.post(
            server.issuer + "/consent", Form(page.text).fields + [("decision", "allow")])
        return try await follow(allowed, from: server.issuer, with: browser).0
    }

    @Test func `the demo's EHR opens the ward's app inside the patient's context`() async throws {
        let browser = Browser()
        let list = try await browser.get(server.demo + "/ehr")
        #expect(list.status == 200 && list.text.contains("launch-patient-a"), "\(list.text)")

        let page = try await open("patient-a", with: browser)

        #expect(page.status == 200, "\(page.text)")
        #expect(page.text.contains("id=\"banner\""))
        #expect(page.text.contains("patient-a"))
        #expect(page.text.contains("id=\"style\""))
    }

    @Test func `two of the ward's patients stay in their tabs`() async throws {
        let browser = Browser()
        let first = try await open("patient-a", with: browser)
        let second = try await open("patient-c", with: browser)
        for (page, patient) in [(first, "patient-a"), (second, "patient-c"), (first, "patient-a")] {
            let renewed = try await browser.post(server.demo + "/provider/refresh", Form(page.text).fields)
            let (again, _) = try await follow(renewed, from: server.demo, with: browser)
            #expect(again.text.contains("id=\"patient\">\(patient)<"), "\(again.text)")
        }
    }

    @Test func `a tab belongs to its browser`() async throws {
        let page = try await open("patient-a", with: Browser())
        let stolen = try await Browser().post(server.demo + "/provider/refresh", Form(page.text).fields)
        #expect(stolen.status == 400)
    }

    @Test func `the style document is where the token response says`() async throws {
        let answer = try await Browser().get(server.issuer + StyleDocument.path)
        #expect(answer.status == 200)
        #expect(answer["content-type"] == "application/json")
        #expect(try answer.json()["color_highlight"] != nil)
        #expect(answer["access-control-allow-origin"] == "*")
    }
}
