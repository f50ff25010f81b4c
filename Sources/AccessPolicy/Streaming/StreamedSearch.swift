public import FHIRCore

/// The answer to a search, judged entry by entry as it comes.
///
/// Only searches in which no entry depends on another one: none that include something, and none that only count.
public struct StreamedSearch: StreamedAdmission {
    private var scanner: ListScanner
    private var answer: SearchAnswer
    private let pageLink: @Sendable (String) -> String?
    private var isSearchset = false
    private var entries = 0
    private let mostEntries: Int

    /// Nil for an answer that has to be judged whole.
    ///
    /// - Parameters:
    ///   - answer: the beginning of the answer, without its body.
    ///   - mostBytesAnEntry: how large one entry may be, and what stands around all of them.
    ///   - mostEntries: how many there may be; their names are remembered.
    ///   - pageLink: turns the upstream's address of the next page into an address of ours, or nil.
    public init?(
        _ answer: UpstreamAnswer, under permit: Permit, mostBytesAnEntry: Int, mostEntries: Int,
        pageLink: @escaping @Sendable (String) -> String?
    ) {
        guard case .search(let type) = permit.upstreamInteraction, permit.rule.operation == nil,
            permit.gathering == nil, permit.rule.includes.isEmpty, !permit.rule.isCount, answer.status == 200,
            answer.isJSON, let nothing = Self.searchset(entry: [])
        else { return nil }
        scanner = ListScanner(list: "entry", limit: mostBytesAnEntry)
        self.answer = SearchAnswer(permit, nothing.bundle, type)
        self.mostEntries = mostEntries
        self.pageLink = pageLink
    }

    /// See ``StreamedAdmission/head``.
    public var head: ReleasedAnswer { ReleasedAnswer(status: 200) }

    /// See ``StreamedAdmission/summary``.
    public var summary: ReleasedAnswer { answer.summary }

    /// See ``StreamedAdmission/patientCount``.
    public var patientCount: Int { answer.patientCount }

    /// See ``StreamedAdmission/releasedBytes``.
    public var releasedBytes: Int { answer.size }

    /// See ``StreamedAdmission/take(_:)``.
    public mutating func take(_ bytes: ArraySlice<UInt8>) throws(StreamFault) {
        let found: [[UInt8]]
        do throws(ListScanner.Fault) { found = try scanner.take(bytes) } catch { throw StreamFault(error) }
        if scanner.hasList, !isSearchset {
            // What it is has to be said before its entries: nothing of another Bundle may leave first.
            guard Self.bundle(scanner.document) != nil else { throw .unverifiable }
            isSearchset = true
        }
        for element in found {
            entries += 1
            guard entries <= mostEntries else { throw .pieceTooLarge }
            guard let (document, bundle) = Self.searchset(entry: element), let entry = bundle.entries.first else {
                throw .malformed
            }
            answer.take(entry, of: document)
        }
    }

    /// See ``StreamedAdmission/finish()``.
    public mutating func finish() throws(StreamFault) {
        do throws(ListScanner.Fault) { try scanner.finish() } catch { throw StreamFault(error) }
        guard let bundle = Self.bundle(scanner.document), answer.finish(bundle, pageLink) else {
            throw .unverifiable
        }
    }

    /// See ``StreamedAdmission/drain()``.
    public mutating func drain() -> Released { Released(bytes: answer.drain()) }

    /// See ``StreamedAdmission/takePatients()``.
    public mutating func takePatients() -> [ResourceID] { answer.takePatients() }

    /// A searchset of one entry, or of none: as deep as in the answer, so that the same limits hold.
    private static func searchset(entry: [UInt8]) -> (document: JSONDocument, bundle: BundleView)? {
        let bytes = Array(#"{"resourceType":"Bundle","type":"searchset","entry":["#.utf8) + entry + Array("]}".utf8)
        guard let document = try? JSONDocument(bytes), let bundle = bundle(document) else { return nil }
        return (document, bundle)
    }

    private static func bundle(_ bytes: [UInt8]) -> BundleView? {
        (try? JSONDocument(bytes)).flatMap { bundle($0) }
    }

    private static func bundle(_ document: JSONDocument) -> BundleView? {
        guard let view = try? ResourceView(document.root), let bundle = BundleView(view), bundle.type == "searchset"
        else { return nil }
        return bundle
    }
}

extension StreamFault {
    fileprivate init(_ fault: ListScanner.Fault) {
        switch fault {
        case .malformed: self = .malformed
        case .tooLarge: self = .pieceTooLarge
        }
    }
}
