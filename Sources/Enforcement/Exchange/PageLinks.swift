internal import AccessPolicy
internal import FHIRCore
public import OAuthCore

/// Seals the protected server's page links into links of ours, and opens them again.
///
/// A link is a bookmark and never a right: when it comes back, the original request is decided again with the token
/// that came with it, and every entry of the page is judged (enforcer.md b.4 row 27, ATK-084, ATK-086, ATK-087).
public struct PageLinks: Sendable {
    private static let purpose = "fhir-page"

    private let currentSealer: @Sendable () -> Sealer
    let publicBase: String
    let server: UpstreamFHIRServer
    /// Where files of exports may stand beside the protected server.
    let storage: [UpstreamFHIRServer]
    private let lifetime: Int64
    let random: RandomSource

    /// Seals and opens with the keys of this moment.
    var sealer: Sealer { currentSealer() }

    /// - Parameters:
    ///   - sealer: asked at each use, so that links under a key that was taken away stop opening at once.
    ///   - publicBase: our FHIR base, without a slash at the end.
    ///   - server: the protected server; links that lead anywhere else are not sealed.
    ///   - storage: hosts on which files of exports may stand beside it.
    ///   - lifetime: seconds for which a link can be used.
    public init(
        sealer: @escaping @Sendable () -> Sealer, publicBase: String, server: UpstreamFHIRServer,
        storage: [UpstreamFHIRServer] = [],
        lifetime: Int64 = 3600,
        random: RandomSource = .system
    ) {
        currentSealer = sealer
        self.publicBase = publicBase
        self.server = server
        self.storage = storage
        self.lifetime = lifetime
        self.random = random
    }

    /// Our link for a page of the protected server, or nil when that link is none that may be followed, or too long
    /// to come back.
    func link(to upstreamLink: String, of page: PageOrigin, now: Int64) -> String? {
        guard let target = server.requestTarget(ofLink: upstreamLink) else { return nil }
        return sealed(page.sealed(target: target, place: nil, expiresAt: now + lifetime), of: page)
    }

    /// Our link for a page of a gathered answer, or nil under the same conditions.
    func link(to position: GatheringPosition, of page: PageOrigin, now: Int64) -> String? {
        var target = ""
        if let address = position.page {
            guard let found = server.requestTarget(ofLink: address) else { return nil }
            target = found
        }
        let place = GatheringPlace(part: position.part, skip: position.skip)
        return sealed(page.sealed(target: target, place: place, expiresAt: now + lifetime), of: page)
    }

    private func sealed(_ page: JSONValue, of origin: PageOrigin) -> String? {
        let text = page.serialized
        guard let sealed = try? sealer.seal(text, context: Self.purpose, random: random),
            sealed.utf8.count <= FHIRInteraction.longestPage
        else { return nil }
        return "\(publicBase)/_page/\(sealed)" + (origin.format.map { "?_format=\($0)" } ?? "")
    }

    /// What a link stands for, if it was given to this client under this grant and patient and still holds.
    func open(_ opaque: String, for access: GrantedAccess, now: Int64) -> OpenedPage? {
        guard let bytes = sealer.open(opaque, context: Self.purpose),
            let json = try? JSONValue(parsing: bytes),
            let page = OpenedPage(json), now < page.expiresAt || mutated(.pageLinksForEver),
            page.origin.holder == PageHolder(access) || mutated(.pageLinksUnbound),
            // The configuration may have changed since the link was made.
            (page.place != nil && page.target.isEmpty)
                || server.requestTarget(ofLink: server.origin + page.target) == page.target
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
    /// With the options for the form of the answer, which hold for every page.
    let query: String
    /// The digest of the query that the protected server was asked with; a page of another query is another answer.
    let narrowed: String
    /// `Prefer: handling`, which the first page was asked with.
    let handling: String?
    /// `json` or `xml` where the first page was asked for with `_format`: every further one is to be the same, and
    /// whoever follows a link sends no parameter of its own.
    let format: String?
    let holder: PageHolder

    /// The origin of the pages of an answer.
    init(_ received: FHIRRequest, _ request: CanonicalRequest, narrowed: String, holder: PageHolder) {
        let options = [
            request.options.summary.map { "_summary=\($0.rawValue)" },
            request.options.elements.isEmpty ? nil : "_elements=\(request.options.elements.joined(separator: ","))",
        ]
        path = received.originPath
        query = ([request.query.encoded] + options.compactMap { $0 }).filter { !$0.isEmpty }.joined(separator: "&")
        handling = request.prefer.handling?.rawValue
        format = request.options.namedFormat.map { $0.syntax == .xml ? "xml" : "json" }
        self.narrowed = narrowed
        self.holder = holder
    }

    fileprivate init?(_ json: JSONValue) {
        guard let path = json["path"]?.string, let query = json["query"]?.string,
            let narrowed = json["narrowed"]?.string, let holder = PageHolder(json)
        else { return nil }
        self.path = path
        self.query = query
        self.narrowed = narrowed
        self.holder = holder
        handling = json["handling"]?.string
        format = json["format"]?.string
    }

    /// Stands for a query in a link, which has no room for the query itself.
    static func digest(of query: String) -> String { Base64URL.encode(SHA256Hash.of(Array(query.utf8))) }

    fileprivate func sealed(target: String, place: GatheringPlace?, expiresAt: Int64) -> JSONValue {
        var members = [
            JSONMemberValue("path", .string(path)), JSONMemberValue("query", .string(query)),
            JSONMemberValue("narrowed", .string(narrowed)), JSONMemberValue("client", .string(holder.client)),
            JSONMemberValue("grant", .string(holder.grant)), JSONMemberValue("target", .string(target)),
            JSONMemberValue("expires", .int(expiresAt)),
        ]
        if let patient = holder.patient { members.append(JSONMemberValue("patient", .string(patient))) }
        if let handling { members.append(JSONMemberValue("handling", .string(handling))) }
        if let format { members.append(JSONMemberValue("format", .string(format))) }
        if let place {
            members.append(JSONMemberValue("part", .int(Int64(place.part))))
            members.append(JSONMemberValue("skip", .int(Int64(place.skip))))
        }
        return .object(members)
    }
}

/// A page link that was opened.
struct OpenedPage: Hashable, Sendable {
    let origin: PageOrigin
    /// The request target on the protected server; of a gathered answer empty where a part begins.
    let target: String
    /// Of a gathered answer, in which part and where on its page.
    let place: GatheringPlace?
    let expiresAt: Int64

    init?(_ json: JSONValue) {
        guard let origin = PageOrigin(json), let target = json["target"]?.string, let expiresAt = json["expires"]?.int
        else { return nil }
        self.origin = origin
        self.target = target
        self.expiresAt = expiresAt
        place = GatheringPlace(json)
    }

    /// Where a gathered answer goes on; nil when the link is one of a plain page.
    func position(in server: UpstreamFHIRServer) -> GatheringPosition? {
        place.map { place in
            GatheringPosition(
                part: place.part, page: target.isEmpty ? nil : server.origin + target, skip: place.skip)
        }
    }
}

/// The part of a gathered answer that a page begins in, and how many of its visible rows came before.
struct GatheringPlace: Hashable, Sendable {
    let part: Int
    let skip: Int

    init(part: Int, skip: Int) {
        self.part = part
        self.skip = skip
    }

    fileprivate init?(_ json: JSONValue) {
        guard let part = json["part"]?.int, let skip = json["skip"]?.int else { return nil }
        self.init(part: Int(part), skip: Int(skip))
    }
}

extension OpenedPage {
    /// The request whose page this is, parsed anew.
    func originalRequest(asHead: Bool) throws(RequestRefusal) -> CanonicalRequest {
        let preference = origin.handling.map { [(name: "prefer", value: "handling=\($0)")] } ?? []
        let request = try CanonicalRequest(
            FHIRRequest(
                method: asHead ? .head : .get, path: origin.path,
                query: origin.query.isEmpty ? nil : origin.query, headers: FHIRHeaders(preference)))
        if case .page = request.interaction {
            throw RequestRefusal(status: 404, issueCode: "not-found", diagnostics: "the resource was not found")
        }
        return request
    }
}

extension FHIRRequest {
    /// The path of the same search as GET.
    fileprivate var originPath: String {
        let form = "/_search"
        return method == .post && path.hasSuffix(form) ? String(path.dropLast(form.count)) : path
    }
}
