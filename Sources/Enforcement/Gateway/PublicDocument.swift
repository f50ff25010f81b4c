internal import FHIRCore

/// A document of ours that holds nobody's data, in both formats.
struct PublicDocument: Sendable, Hashable {
    private let json: [UInt8]
    private let xml: [UInt8]

    /// Nil when one of the formats cannot say it: then it is not given in the other either.
    init?(_ json: [UInt8]) {
        guard let xml = FormatDoor.leaving(json, as: .xml) else { return nil }
        self.json = json
        self.xml = xml
    }

    func bytes(in format: AnswerFormat) -> [UInt8] {
        switch format.syntax {
        case .json: json
        case .xml: xml
        }
    }
}
