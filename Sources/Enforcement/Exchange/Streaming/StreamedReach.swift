internal import FHIRCore

/// Who has been met in what an answer under way has released: what its closing record cannot do without, however many
/// parts of the patient index named the rest.
struct StreamedReach: Sendable {
    /// Whether anybody's data have been met at all.
    private(set) var isAnybodys = false
    /// Those of the expected who were met.
    private(set) var expected: Set<ResourceID> = []

    /// Notes a patient who was met.
    ///
    /// - Parameter isExpected: whether the request was about the patient before anything of the answer was known.
    mutating func meet(_ patient: ResourceID, isExpected: Bool) {
        isAnybodys = true
        if isExpected { expected.insert(patient) }
    }
}
