/// A Bundle as it stands in a document.
public struct BundleView: Sendable {
    /// One entry of a Bundle.
    public struct Entry: Sendable {
        /// The entry's object.
        public let node: JSONNode
        /// Where `resource` and `response` stand on the tape: places, so that an entry costs one reference count.
        fileprivate let resourcePlace: Int?
        fileprivate let responsePlace: Int?
        /// `search.mode`.
        public let searchMode: String?
        /// `request.method` and `request.url`, as written.
        public let request: (method: String, url: String)?

        /// `resource`, if there is one; always an object.
        public var resource: JSONNode? { resourcePlace.map { JSONNode(document: node.document, index: $0) } }
        /// `fullUrl`.
        public var fullURL: String? { node["fullUrl"]?.string }
        /// `response`, if there is one; always an object.
        public var response: JSONNode? { responsePlace.map { JSONNode(document: node.document, index: $0) } }
    }

    /// The Bundle's object.
    public let node: JSONNode
    /// The code in `type`.
    public let type: String
    /// The entries in their order.
    public let entries: [Entry]
    /// The links in their order.
    public let links: [(relation: String, url: String)]
    /// `total`, if there is one.
    public let total: Int?

    /// Looks at a resource as a Bundle; nil when it is none or when a part that we read has not the form of R4.
    public init?(_ view: ResourceView) {
        guard view.type == .bundle, let type = view.node["type"]?.string else { return nil }
        node = view.node
        self.type = type
        if let total = view.node["total"] {
            guard let value = total.int, value >= 0 else { return nil }
            self.total = value
        } else {
            total = nil
        }
        guard let entries = BundleView.list(view.node["entry"], of: BundleView.entry),
            let links = BundleView.list(view.node["link"], of: BundleView.link)
        else { return nil }
        self.entries = entries
        self.links = links
    }

    /// All elements of an array that may be absent, or nil when one is malformed.
    private static func list<Element>(_ node: JSONNode?, of element: (JSONNode) -> Element?) -> [Element]? {
        guard let node else { return [] }
        guard node.kind == .array else { return nil }
        var result: [Element] = []
        let count = node.count
        result.reserveCapacity(count)
        var place = node.index + 1
        for _ in 0..<count {
            guard let value = element(JSONNode(document: node.document, index: place)) else { return nil }
            result.append(value)
            place = node.document.storage.next(place)
        }
        return result
    }

    private static func link(_ node: JSONNode) -> (relation: String, url: String)? {
        guard let relation = node["relation"]?.string, let url = node["url"]?.string else { return nil }
        return (relation, url)
    }

    private static func entry(_ node: JSONNode) -> Entry? {
        let storage = node.document.storage
        guard storage.tape[node.index].kind == .object,
            let resource = object("resource", of: node.index, in: storage),
            let search = object("search", of: node.index, in: storage),
            let asked = object("request", of: node.index, in: storage),
            let response = object("response", of: node.index, in: storage)
        else { return nil }
        var request: (method: String, url: String)?
        if let asked {
            guard let method = text("method", of: asked, in: storage), let url = text("url", of: asked, in: storage)
            else { return nil }
            request = (method, url)
        }
        if let fullURL = storage.member(ours: "fullUrl", of: node.index), storage.tape[fullURL].kind != .string {
            return nil
        }
        var mode: String?
        if let search, let place = storage.member(ours: "mode", of: search) {
            mode = storage.withText(place) { String(decoding: $0, as: UTF8.self) }
            guard mode != nil else { return nil }
        }
        return Entry(
            node: node, resourcePlace: resource, responsePlace: response, searchMode: mode, request: request)
    }

    /// The place of the member with a name if it is an object; nil inside when there is none, nil outside when it is
    /// none.
    private static func object(_ name: StaticString, of place: Int, in storage: JSONDocument.Storage) -> Int?? {
        guard let place = storage.member(ours: name, of: place) else { return .some(nil) }
        // Not `nil`, which would stand for a member that is not there.
        guard storage.tape[place].kind == .object else { return Int??.none }
        return .some(place)
    }

    /// The text of the member with a name, if it is a string.
    private static func text(_ name: StaticString, of place: Int, in storage: JSONDocument.Storage) -> String? {
        storage.member(ours: name, of: place).flatMap { text in
            storage.withText(text) { String(decoding: $0, as: UTF8.self) }
        }
    }
}
