/// What may happen to one resource.
public enum Admission: Sendable {
    /// It may pass.
    case release(Released)
    /// It may pass with something cut out.
    case redact(Released, edits: Int)
    /// It may not pass.
    case withhold(WithholdReason)

    /// What may pass, if anything.
    public var released: Released? {
        switch self {
        case .release(let released), .redact(let released, _): released
        case .withhold: nil
        }
    }
}

/// Why one resource may not pass.
public enum WithholdReason: String, Hashable, Sendable, CaseIterable {
    /// No grant has the letter for the type.
    case notGranted = "not-granted"
    /// No grant's constraint matches.
    case outsideConstraint = "outside-constraint"
    /// It is nobody's inside the boundary.
    case outsideBoundary = "outside-boundary"
    /// It also names patients outside the boundary, and its type does not allow that.
    case otherPatients = "other-patients"
    /// It is not the resource, type or version that was asked for.
    case unexpected = "unexpected"
    /// It cannot be read as what it would have to be.
    case unreadable = "unreadable"
    /// It was not reached through anything that is released.
    case unconnected = "unconnected"
    /// A body that would change whose the stored resource is.
    case changesIdentity = "changes-identity"
    /// A body that refers to what the token cannot see.
    case referenceNotVisible = "reference-not-visible"
    /// A body whose references have a form that two servers could read differently.
    case referenceForm = "reference-form"
}

/// Bytes that were judged and may leave (or, for a body, may enter). Only this module makes one.
public struct Released: Hashable, Sendable {
    /// The bytes.
    public let bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }
}
