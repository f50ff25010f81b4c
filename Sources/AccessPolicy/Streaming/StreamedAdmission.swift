public import FHIRCore

/// An answer that is judged and released piece by piece, because it is too large to be judged whole (decision 11).
///
/// Bytes of the protected server go in as they come; what comes out, put together, is byte for byte what the same answer
/// would have been had it been judged whole. Nothing of a line or an entry comes out before all of it was judged.
public protocol StreamedAdmission: Sendable {
    /// Status and header fields of the answer; without a body, and with nothing counted yet.
    var head: ReleasedAnswer { get }

    /// What was counted and noted up to now; without a body, and without the patients that were taken already.
    var summary: ReleasedAnswer { get }

    /// How many distinct patients were met since they were last taken.
    var patientCount: Int { get }

    /// How many bytes have been released since the last time that they were drained.
    var releasedBytes: Int { get }

    /// Takes the next bytes and judges what they complete. After a fault nothing more may be released.
    mutating func take(_ bytes: ArraySlice<UInt8>) throws(StreamFault)

    /// Judges what is left when the last byte has come.
    mutating func finish() throws(StreamFault)

    /// What has been released since the last time.
    mutating func drain() -> Released

    /// The patients that were met since the last time, in order.
    mutating func takePatients() -> [ResourceID]
}

/// Why an answer that was under way piece by piece has to end before its end.
public enum StreamFault: String, Error, Hashable, Sendable, CaseIterable {
    /// One line or entry, or what stands around them, is larger than what is judged whole.
    case pieceTooLarge = "piece-too-large"
    /// What comes is not the document that it would have to be.
    case malformed
    /// What stands around the entries is nothing that may be answered.
    case unverifiable
}
