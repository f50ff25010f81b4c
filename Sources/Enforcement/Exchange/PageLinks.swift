internal import AccessPolicy
internal import FHIRCore
public import OAuthCore

/// Seals the protected server's page links into links of ours, and opens them again.
///
/// A link is a bookmark and never a right: when it comes back, the original request is decided again with the token
/// that came with it, and every entry of the page is judged (enforcer.md b.4 row 27, ATK-084, ATK-086, ATK-087).
public struct PageLinks: Sendable {
    private static let purpose = "fhir-page"

    private let sealer: Sealer
    private let publicBase: String
    let server: UpstreamFHIRServer
    private let lifetime: Int64
    private let random: RandomSource

    /// - Parameters:
    ///   - publicBase: our FHIR base, without a slash at the end.
    ///   - server: the protected server; links that lead anywhere else are not sealed.
    ///   - lifetime: seconds for which a link can be used.
    public init(
        sealer: Sealer, publicBase: String, server: UpstreamFHIRServer, lifetime: Int64 = 3600,
        random: RandomSource = .system
    ) {
        self.sealer = sealer
        self.publicBase = publicBase
        self.server = server
        self.lifetime = lifetime
        self.random = random
    }

    /// Our link for a page of the protected server, or nil when that link is none that may be followed.
    func link(to upstreamLink: String, of page: PageOrigin, now: Int64) -> String? {
        guard let target = server.requestTarget(ofLink: upstreamLink), target.utf8.count <= 4096 else { return nil }
        let text = page.sealed(target: target, expiresAt: now + lifetime).serialized
        guard let sealed = try? sealer.seal(text, context: Self.purpose, random: random) else { return nil }
        return "\(publicBase)/_page/\(sealed)"
    }

    /// What a link stands for, if it was given to this client under this grant and patient and still holds.
    func open(_ opaque: String, for access: GrantedAccess, now: Int64) -> OpenedPage? {
        guard let bytes = sealer.open(opaque, context: Self.purpose),
            let json = try? JSONValue(parsing: bytes),
            let page = OpenedPage(json), now < page.expiresAt, page.origin.holder == PageHolder(access),
            // The configuration may have changed since the link was made.
            server.requestTarget(ofLink: server.origin + page.target) == page.target
        else { return nil }
        return page
    }
}

/// To whom a page link was given.
struct PageHolder: Hashable, Sendable {
    let client: String
    let grant: String
    let patient: String?

    init(_ access: GrantedAccess) {
        client = access.clientID.text
        grant = access.grantID.text
        patient = access.launch.patient?.text
    }

    init?(_ json: JSONValue) {
        guard let client = json["client"]?.string, let grant = json["grant"]?.string else { return nil }
        self.client = client
        self.grant = grant
        patient = json["patient"]?.string
    }
}

/// The request whose answer has further pages, in the form in which it can be judged again.
struct PageOrigin: Hashable, Sendable {
    /// Raw path below our base, as for GET.
    let path: String
    let query: String
    /// The query that the protected server was asked with; a page of another query is another answer.
    let narrowed: String
    let holder: PageHolder

    func sealed(target: String, expiresAt: Int64) -> JSONValue {
        var members = [
            JSONMemberValue("path", .string(path)), JSONMemberValue("query", .string(query)),
            JSONMemberValue("narrowed", .string(narrowed)), JSONMemberValue("client", .string(holder.client)),
            JSONMemberValue("grant", .string(holder.grant)), JSONMemberValue("target", .string(target)),
            JSONMemberValue("expires", .int(expiresAt)),
        ]
        if let patient = holder.patient { members.append(JSONMemberValue("patient", .string(patient))) }
        return .object(members)
    }
}

/// A page link that was opened.
struct OpenedPage: Hashable, Sendable {
    let origin: PageOrigin
    /// The request target on the protected server.
    let target: String
    let expiresAt: Int64

    init?(_ json: JSONValue) {
        guard let path = json["path"]?.string, let query = json["query"]?.string,
            let narrowed = json["narrowed"]?.string, let target = json["target"]?.string,
            let expiresAt = json["expires"]?.int, let holder = PageHolder(json)
        else { return nil }
        origin = PageOrigin(path: path, query: query, narrowed: narrowed, holder: holder)
        self.target = target
        self.expiresAt = expiresAt
    }
}
