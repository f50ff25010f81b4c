public import FHIRCore

/// What a patch makes of a stored version.
public enum PatchOutcome: Sendable {
    /// The body of an update that is still to be judged as any other.
    case body([UInt8])
    /// It makes nothing that could be judged.
    case refuse(Denial)
}

/// Applies a patch to the stored version that was admitted under the permit (enforcer digest row 17).
///
/// It is applied to what a client sees of the version, with our addresses in it, but uncut: a body with something cut
/// out would erase it. Within a boundary the result keeps the security labels and profiles of the version: by the first
/// it may be hidden from others, by the second other rules hold for it.
public func patched(
    _ stored: ResourceView, by patch: JSONPatch, under permit: Permit, limits: JSONLimits = .default
) -> PatchOutcome {
    let addresses = AddressMap(permit.rule.policy, for: stored.node.document)
    let shown = OutgoingResource(stored, addresses).bytes(.none)
    guard let before = try? JSONValue(parsing: shown, limits: limits),
        let after = try? patch.applied(to: before, limits: limits)
    else { return .refuse(Denial(.patchFailed)) }
    let isFree = permit.rule.deciding.contains(where: \.isEveryone)
    let keepsLabels = ["security", "profile"].allSatisfy { name in
        let (old, new) = (before["meta"]?[name] ?? JSONValue.null, after["meta"]?[name] ?? JSONValue.null)
        return old.isEqual(to: new) || mutated(.patchChangesLabels)
    }
    guard isFree || keepsLabels else { return .refuse(Denial(.bodyOutsideBoundary)) }
    return .body(after.serialized)
}
