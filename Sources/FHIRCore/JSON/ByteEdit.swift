/// One replacement in the bytes of a document; an empty replacement cuts.
public struct ByteEdit: Hashable, Sendable {
    /// The bytes to be replaced, in the document's own counting.
    public let range: Range<Int>
    /// What stands there instead.
    public let replacement: [UInt8]

    /// A replacement.
    public init(range: Range<Int>, replacement: [UInt8]) {
        self.range = range
        self.replacement = replacement
    }
}

/// The bytes of `range` with the edits made; the edits' ranges count from the beginning of `bytes`.
///
/// The edits may come in any order. Where two overlap, everything that either covers goes, and the replacement of the
/// one that begins first (the longer, if both begin together) stands there: a cut is never made smaller by another.
/// An edit that reaches out of `range` is made as far as it lies inside; an insertion at either end of it is made.
public func applying(_ edits: [ByteEdit], to bytes: [UInt8], in range: Range<Int>) -> [UInt8] {
    let ordered = edits.filter { edit in
        edit.range.isEmpty
            ? (range.lowerBound...range.upperBound).contains(edit.range.lowerBound) : edit.range.overlaps(range)
    }
    .sorted { left, right in
        left.range.lowerBound != right.range.lowerBound
            ? left.range.lowerBound < right.range.lowerBound : left.range.upperBound > right.range.upperBound
    }
    var result: [UInt8] = []
    result.reserveCapacity(range.count)
    var position = range.lowerBound
    for edit in ordered {
        let covered = edit.range.clamped(to: range)
        if covered.lowerBound >= position {
            result.append(contentsOf: bytes[position..<covered.lowerBound])
            result.append(contentsOf: edit.replacement)
        }
        position = max(position, covered.upperBound)
    }
    result.append(contentsOf: bytes[position..<range.upperBound])
    return result
}
