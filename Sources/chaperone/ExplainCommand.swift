internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore
internal import OAuthCore

/// `chaperone explain`: what the enforcer would do with a request, and why.
struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Says what the enforcer would do with a request, and why.",
        discussion: """
            Example: chaperone explain --token @token.txt 'GET /fhir/Observation?patient=a'
                     chaperone explain --token - 'GET /fhir/Patient/a' < token.txt

            Nothing is asked of the protected server. Exit code 0 when the request would be let through, 3 when it
            would be refused.
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions

    @Option(
        help: """
            The access token: `@FILE`, `-` for the standard input, or the token itself, which others on this machine \
            can then see in the list of processes.
            """)
    var token: String?

    @Option(name: .customLong("header"), help: ArgumentHelp("A header field of the request.", valueName: "Name: value"))
    var headers: [String] = []

    @Option(help: ArgumentHelp("A file with the body of the request, in JSON.", valueName: "file"))
    var body: String?

    @Option(
        help: ArgumentHelp(
            "A resource, or a Bundle of the protected server, to be judged as its answer.", valueName: "file"))
    var resource: String?

    @Argument(help: "Method and address, in one argument: 'GET /fhir/Observation?patient=a'.")
    var request: String

    func run() async throws {
        var members = [JSONMemberValue("request", .string(request))]
        if let token { members.append(JSONMemberValue("token", .string(try Self.token(token)))) }
        if !headers.isEmpty { members.append(JSONMemberValue("headers", .object(try headers.map(Self.header)))) }
        if let body { members.append(JSONMemberValue("body", try Self.json(body))) }
        if let resource { members.append(JSONMemberValue("resource", try Self.json(resource))) }
        let asked = JSONValue.object(members)
        let answer = try await options.withAdmin { try await $0.call(.post, ["explain"], body: asked) }
        switch output.output {
        case .json: print(answer.text)
        case .table: print(ExplanationText(answer).lines.joined(separator: "\n"))
        }
        guard answer["verdict"]?.string == "permitted" else {
            throw CommandFailure("the request would be refused", code: .refused)
        }
    }

    private static func token(_ text: String) throws -> String {
        if text == "-" { return try TextFile.readSecret("-").reveal() }
        if text.hasPrefix("@") { return try TextFile.readSecret(String(text.dropFirst())).reveal() }
        StandardError.write("chaperone: a token on the command line is seen by others; --token @FILE keeps it\n")
        return text
    }

    private static func header(_ text: String) throws -> JSONMemberValue {
        guard let colon = text.firstIndex(of: ":"), colon > text.startIndex else {
            throw ValidationError("--header wants `Name: value`, not `\(text)`")
        }
        let value = text[text.index(after: colon)...].drop { $0 == " " }
        return JSONMemberValue(String(text[..<colon]), .string(String(value)))
    }

    private static func json(_ path: String) throws -> JSONValue {
        let text = try TextFile.read(path)
        guard let value = try? JSONValue(parsing: Array(text.utf8)) else {
            throw CommandFailure("`\(path)` is not JSON", code: .usage)
        }
        return value
    }
}

/// An explanation as lines for a person.
struct ExplanationText {
    let lines: [String]

    init(_ answer: JSONValue) {
        var lines: [String] = []
        func add(_ name: String, _ value: JSONValue?) {
            guard let value, value != .null else { return }
            lines.append(name + String(repeating: " ", count: max(1, 18 - name.count)) + Table.text(value))
        }
        add("verdict", answer["verdict"])
        add("reason", answer["reason"])
        add("status", answer["status"])
        add("parameter", answer["parameter"])
        add("would suffice", answer["sufficientScopes"])
        for name in ["client", "subject", "patient", "fhirUser", "program", "scopes"] { add(name, answer[name]) }
        for name in ["interaction", "type", "instance", "asked"] { add(name, answer[name]) }
        for scope in answer["determining"]?.array ?? [] {
            add("allowed by", .string("\(Table.text(scope["scope"])), for \(Table.text(scope["patients"]))"))
        }
        add("forwarded", answer["forwarded"])
        add("narrowed", answer["narrowed"])
        add("exactly", answer["narrowingIsExact"])
        add("read first", answer["readFirst"])
        for resource in answer["resources"]?.array ?? [] {
            let reason = resource["reason"].map { ": \(Table.text($0))" } ?? ""
            let edits = resource["edits"].map { ", \(Table.text($0)) places cut" } ?? ""
            add(Table.text(resource["admission"]), .string(Table.text(resource["resource"]) + reason + edits))
        }
        for (number, entry) in (answer["entries"]?.array ?? []).enumerated() {
            lines.append("entry \(number)")
            lines += ExplanationText(entry).lines.map { "  " + $0 }
        }
        self.lines = lines
    }
}
