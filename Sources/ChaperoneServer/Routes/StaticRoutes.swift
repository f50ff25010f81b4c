internal import Hummingbird

/// Style sheet and picture of the pages; and of the demo app, its own files.
struct StaticRoutes: Sendable {
    /// Address → embedded file.
    let files: [(address: String, path: String)]

    static let pages = StaticRoutes(files: [
        ("/assets/chaperone.css", "pages/chaperone.css"), ("/assets/chaperone.svg", "pages/chaperone.svg"),
        ("/favicon.ico", "pages/chaperone.svg"),
    ])

    static let console = StaticRoutes(
        files: pages.files + [("/assets/console.css", "pages/console.css")])

    func add(to router: Router<SideContext>) {
        for file in files {
            guard let bytes = Assets.bytes(file.path) else { continue }
            let type = Self.type(of: file.path)
            router.get(RouterPath(file.address)) { _, _ in
                Answers.bytes(bytes, type, cacheControl: "public, max-age=300")
            }
            router.refuseOthers(on: file.address, than: .get)
        }
    }

    private static func type(of path: String) -> String {
        switch path.split(separator: ".").last {
        case "css": "text/css; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "svg": "image/svg+xml"
        case "html": "text/html; charset=utf-8"
        default: "application/octet-stream"
        }
    }
}
