public import FHIRCore

/// One file of an export, judged line by line as it comes.
public struct StreamedLines: StreamedAdmission {
    private var lines: BulkLines
    /// The beginning of a line whose end has not come yet.
    private var pending: [UInt8] = []
    private let mostBytesALine: Int

    /// The lines of a file of a type.
    ///
    /// - Parameter mostBytesALine: how long one line may be.
    public init(of type: ResourceType, under permit: BulkPermit, mostBytesALine: Int) {
        lines = BulkLines(of: type, under: permit)
        self.mostBytesALine = mostBytesALine
    }

    /// See ``StreamedAdmission/head``.
    public var head: ReleasedAnswer {
        var head = ReleasedAnswer(status: 200)
        head.plainContentType = BulkLines.contentType
        return head
    }

    /// See ``StreamedAdmission/summary``.
    public var summary: ReleasedAnswer { lines.summary }

    /// See ``StreamedAdmission/patientCount``.
    public var patientCount: Int { lines.patientCount }

    /// See ``StreamedAdmission/releasedBytes``.
    public var releasedBytes: Int { lines.releasedBytes }

    /// See ``StreamedAdmission/take(_:)``.
    public mutating func take(_ bytes: ArraySlice<UInt8>) throws(StreamFault) {
        var rest = bytes
        while let end = rest.firstLineEnd {
            guard pending.count + (end - rest.startIndex) <= mostBytesALine else { throw .pieceTooLarge }
            if pending.isEmpty {
                lines.take(rest[..<end])
            } else {
                pending.append(contentsOf: rest[..<end])
                lines.take(pending)
                pending = []
            }
            rest = rest[(end + 1)...]
        }
        guard pending.count + rest.count <= mostBytesALine else { throw .pieceTooLarge }
        pending.append(contentsOf: rest)
    }

    /// See ``StreamedAdmission/finish()``.
    public mutating func finish() {
        // The last line may come without its end.
        if !pending.isEmpty { lines.take(pending) }
        pending = []
    }

    /// See ``StreamedAdmission/drain()``.
    public mutating func drain() -> Released { lines.drain() }

    /// See ``StreamedAdmission/takePatients()``.
    public mutating func takePatients() -> [ResourceID] { lines.takePatients() }
}

extension ArraySlice<UInt8> {
    /// Where the first line feed stands.
    fileprivate var firstLineEnd: Int? {
        withUnsafeBytes { bytes in
            for place in 0..<bytes.count where bytes[place] == 0x0A { return startIndex + place }
            return nil
        }
    }
}
