internal import FHIRCore

/// The answer to a read of a Binary that has to be proven: a released resource points at it, and then the Binary itself.
///
/// The look at what may point comes first and is the same whether the Binary exists or not.
struct BinaryGathering: AnswerGathering {
    private let permit: Permit
    private let parts: [Permit]
    private var progress: GatheringProgress
    private let key: InstanceKey?
    /// The resources that were admitted and point at the Binary.
    private var links: Set<InstanceKey> = []
    private var scopes: [HeldScope] = []
    /// Whose those documents are.
    private var subjects: Set<ResourceID> = []
    /// Types on which the upstream passed over what a search for them said.
    private(set) var disobeyed: Set<ResourceType> = []
    private var answer: AnswerAdmission?

    init(_ permit: Permit, _ gathering: Gathering, from start: GatheringPosition) {
        self.permit = permit
        parts = gathering.parts
        progress = GatheringProgress(from: start, permit.rule.policy)
        key = permit.request.interaction.instance
    }

    private var isReading: Bool { progress.position.part == parts.count - 1 }
    /// Whether the type is granted, so that the Binary's own security context can open it.
    private var isGranted: Bool { !(parts.last?.rule.deciding.isEmpty ?? true) }

    var next: Permit? {
        guard answer == nil, !progress.isOver else { return nil }
        if isReading, links.isEmpty, !isGranted, !mutated(.filesUnproven) { return nil }
        let part = parts[progress.position.part]
        guard let page = progress.position.page else { return part }
        return part.continuing(at: page)
    }

    mutating func take(_ upstream: UpstreamAnswer) -> Denial? {
        let part = parts[progress.position.part]
        guard isReading else { return takeLinks(upstream, part) }
        let judged = judge(upstream, part)
        answer = judged
        if case .refuse(let denial) = judged { return denial }
        return nil
    }

    func finished(pageLink: (GatheringPosition) -> String?) -> AnswerAdmission {
        answer ?? .refuse(Denial(.notFound))
    }

    // MARK: - links

    private mutating func takeLinks(_ upstream: UpstreamAnswer, _ part: Permit) -> Denial? {
        if let denial = UpstreamStatus.denial(upstream.status, for: part.upstreamInteraction) { return denial }
        guard case .search(let type) = part.upstreamInteraction, let bundle = bundle(upstream, type: "searchset"),
            let further = NextPage(of: bundle, part.rule).address
        else { return Denial(.upstreamUnverifiable) }
        var search = SearchAnswer(part, bundle, type)
        let page = search.page()
        disobeyed.formUnion(page.disobeyed)
        for row in page.matches where pointsHere(row.resource) {
            links.insert(row.key)
            scopes += row.scopes
            let subject = part.rule.forms.subject(of: row.resource, part.rule.policy.types[row.key.type])
            subjects.formUnion(subject.keys.filter { $0.type == .patient }.map(\.id))
        }
        // One proof is enough; without one all of them are looked through, within the bound.
        if links.isEmpty {
            progress.advance(to: further, parts: parts.count)
        } else {
            progress.leap(toPart: parts.count - 1)
        }
        return progress.isExhausted ? Denial(.notFound) : nil
    }

    /// Whether a file of a resource has the Binary's address.
    private func pointsHere(_ resource: ResourceView) -> Bool {
        key.map { resource.attachedBinaries(permit.rule.forms).contains($0) } ?? false
    }

    // MARK: - the Binary

    private func judge(_ upstream: UpstreamAnswer, _ part: Permit) -> AnswerAdmission {
        if let denial = UpstreamStatus.denial(upstream.status, for: part.upstreamInteraction) { return .refuse(denial) }
        guard let view = resource(of: upstream), view.key == key else {
            return .refuse(Denial(.notFound))
        }
        if isGranted, case .passes(_, let held) = part.judgement(of: view, as: .match) {
            return release(view, by: held, upstream)
        }
        guard !links.isEmpty || mutated(.filesUnproven), isOpen(view) else { return .refuse(Denial(.notFound)) }
        return release(view, by: scopes, upstream)
    }

    /// Whether a linked Binary's security context, where it has one, does not say that it is somebody else's.
    private func isOpen(_ view: ResourceView) -> Bool {
        if mutated(.fileContextIgnored) { return true }
        guard let context = view.node["securityContext"] else { return true }
        guard let text = context["reference"]?.string, let named = permit.rule.forms.read(LiteralReference(text)) else {
            return false
        }
        if links.contains(named) { return true }
        return named.type == .patient && parts[0].rule.deciding.contains { $0.boundary.contains(named.id) }
    }

    private func release(_ view: ResourceView, by scopes: [HeldScope], _ upstream: UpstreamAnswer) -> AnswerAdmission {
        RawBinary.admission(of: view, by: scopes, under: permit, upstream, subjects: subjects)
    }
}

/// A Binary as the resource that it is, or as its content (FHIR R4 binary.html).
enum RawBinary {
    /// - Parameter subjects: the patients whose records point at it, for the record.
    static func admission(
        of view: ResourceView, by scopes: [HeldScope], under permit: Permit, _ upstream: UpstreamAnswer,
        subjects: Set<ResourceID> = []
    ) -> AnswerAdmission {
        var builder = ReleaseBuilder(permit, document: view.node.document)
        builder.add(subjects)
        let bytes = builder.release(view, .none, by: scopes, isProjected: true)
        let etag = AnswerHeaders.etag(view, upstream.etag)
        let date = AnswerHeaders.date(upstream.lastModified)
        guard permit.request.options.content == .rawBinary else {
            return .release(builder.answer(bytes: bytes, etag: etag, lastModified: date))
        }
        guard let content = content(of: view) else { return .refuse(Denial(.upstreamUnverifiable)) }
        var answer = builder.answer(bytes: content, etag: etag, lastModified: date)
        answer.rawContentType = contentType(of: view)
        return .release(answer)
    }

    /// The content, decoded strictly; nil when it is no base64.
    private static func content(of view: ResourceView) -> [UInt8]? {
        guard let data = view.node["data"] else { return [] }
        guard let text = data.string else { return nil }
        return decoded(text.utf8.filter { $0 != 0x0A && $0 != 0x0D && $0 != 0x20 })
    }

    private static func decoded(_ text: [UInt8]) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(text.count / 4 * 3)
        let padding = text.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return nil }
        var bits: UInt32 = 0
        for (place, byte) in text.enumerated() {
            let isPadding = place >= text.count - padding
            guard let value = isPadding ? 0 : value(of: byte) else { return nil }
            bits = bits << 6 | value
            if place % 4 == 3 {
                result += [UInt8(bits >> 16 & 0xFF), UInt8(bits >> 8 & 0xFF), UInt8(bits & 0xFF)]
                bits = 0
            }
        }
        return Array(result.dropLast(padding))
    }

    private static func value(of byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }

    /// A media type that can stand in a header; anything else is only bytes.
    private static func contentType(of view: ResourceView) -> String {
        let text = view.node["contentType"]?.string ?? ""
        let parts = text.split(separator: ";", maxSplits: 1)[safe: 0].map(String.init) ?? ""
        let names = parts.split(separator: "/", omittingEmptySubsequences: false)
        let isToken =
            names.count == 2
            && names.allSatisfy { name in
                !name.isEmpty && name.utf8.count <= 64
                    && name.utf8.allSatisfy {
                        (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20)
                            || "+-._".utf8.contains($0)
                    }
            }
        return isToken ? parts : "application/octet-stream"
    }
}

extension Array {
    fileprivate subscript(safe place: Int) -> Element? { indices.contains(place) ? self[place] : nil }
}
