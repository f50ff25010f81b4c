internal import AccessPolicy
internal import Audit
internal import FHIRCore

extension AccessRecord {
    /// Adds patients whom the request named and of whom nothing left.
    mutating func add(named: [ResourceID]) {
        for patient in named where !patients.contains(patient.text) { patients.append(patient.text) }
    }
}

extension CanonicalRequest {
    /// The patients whom the request names by itself, in its path or in its query, whether or not it may.
    ///
    /// They stand in the record of what was refused and of what found nothing, so that whoever looks for what was tried
    /// about a patient finds it. At most sixteen: a query could name more, and each is a row of the index.
    func namedPatients(_ policy: ServerPolicy) -> [ResourceID] {
        var found: [ResourceID] = []
        if let key = interaction.instance, key.type == .patient { found.append(key.id) }
        if case .searchCompartment(.patient, let id, _) = interaction { found.append(id) }
        for term in query.terms where term.chain.isEmpty {
            // A bare id is a patient's where only a patient can be meant.
            let takesIDs =
                term.name == "patient" || term.modifier == ResourceType.patient.rawValue
                || term.name == "_id" && interaction.type == .patient
            for value in term.values {
                if let id = Self.patient(value, policy) ?? (takesIDs ? ResourceID(value) : nil) { found.append(id) }
                if found.count == Self.mostNamed { return found }
            }
        }
        return found
    }

    private static let mostNamed = 16

    private static func patient(_ value: String, _ policy: ServerPolicy) -> ResourceID? {
        switch LiteralReference(value) {
        case .relative(let key, _): key.type == .patient ? key.id : nil
        case .absolute(let base, let key, _): key.type == .patient && base == policy.publicBase ? key.id : nil
        case .fragment, .urn, .conditional, .other: nil
        }
    }
}
