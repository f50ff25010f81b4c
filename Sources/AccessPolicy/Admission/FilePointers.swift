internal import FHIRCore

/// The types whose resources have files, and where the address of a file stands in them (enforcer digest b.4 row 28).
///
/// Only these places prove whose a Binary is. Writing an address into any place whatever is another matter: see
/// ``FHIRCore/ResourceView/pointedBinaries(_:)`` and ADR 0045.
enum FilePointers {
    /// In the order in which they are looked through.
    static let types: [ResourceType] = [.documentReference, .diagnosticReport, .media]

    /// The search parameter that finds the resources of a type by the address of a file; nil where R4 has none.
    static func parameter(of type: ResourceType) -> String? { type == .documentReference ? "location" : nil }

    /// The addresses of a resource's files, as they stand there.
    static func addresses(in resource: ResourceView) -> [String] {
        switch resource.type {
        case .documentReference: list(resource.node["content"]).compactMap { url($0["attachment"]) }
        case .diagnosticReport: list(resource.node["presentedForm"]).compactMap { url($0) }
        case .media: [url(resource.node["content"])].compactMap { $0 }
        default: []
        }
    }

    private static func list(_ node: JSONNode?) -> [JSONNode] { node?.kind == .array ? node?.elements ?? [] : [] }

    private static func url(_ attachment: JSONNode?) -> String? {
        attachment?.kind == .object ? attachment?["url"]?.string : nil
    }
}
