internal import Mustache

/// The page templates, parsed once. Mustache escapes what it inserts.
struct PageLibrary: Sendable {
    /// A template that is missing or does not parse: a mistake of the build, found by the first test.
    struct TemplateFailure: Error, CustomStringConvertible {
        let name: String
        let description: String
    }

    private let library: MustacheLibrary

    /// Parses every template among the embedded files.
    init() throws {
        var templates: [String: MustacheTemplate] = [:]
        for file in Assets.all where file.path.hasPrefix("pages/") && file.path.hasSuffix(".mustache") {
            let name = String(file.path.dropFirst(6).dropLast(9))
            templates[name] = try MustacheTemplate(string: String(decoding: file.bytes, as: UTF8.self))
        }
        library = MustacheLibrary(templates: templates)
    }

    /// The HTML of one page.
    func render(_ page: some Page) throws -> String {
        let name = type(of: page).template
        guard let html = library.render(page, withTemplate: name) else {
            throw TemplateFailure(name: name, description: "there is no page template `\(name)`")
        }
        return html
    }
}

/// The facts that one page shows; its template is named after it.
protocol Page: Sendable {
    static var template: String { get }
}
