public import FHIRCore

/// A transaction Bundle of synthetic records, ready to be imported or posted.
public struct SyntheticBundle: Sendable {
    /// A file name without ending, such as `patient-a`.
    public let name: String
    /// The Bundle: each entry is a PUT with a fixed id, so importing twice changes nothing.
    public let bundle: JSONValue

    /// The Bundle as compact FHIR JSON.
    public var json: [UInt8] { bundle.serialized }
}

/// Makes the synthetic members of the demo and the tests: invented people with US Core clinical data, coverage, claims
/// with amounts, and prior authorizations. The same seed gives the same bytes on every machine.
public struct SyntheticRecordSet: Sendable {
    /// The seed of the committed fixtures.
    public static let defaultSeed: UInt64 = 20_270_101

    private let seed: UInt64

    public init(seed: UInt64 = defaultSeed) { self.seed = seed }

    /// The ids of all members, in order.
    public var memberIDs: [String] { MemberProfile.all.map(\.id) }

    /// The shared records first (organisations, practitioners, medicines), then one Bundle for each member.
    public func bundles() -> [SyntheticBundle] {
        var source = SplitMix64(seed: seed)
        let members = MemberProfile.all.map { member in
            SyntheticBundle(
                name: member.id, bundle: transaction(MemberRecords.all(of: member, seed: source.next())))
        }
        return [SyntheticBundle(name: "shared", bundle: transaction(SharedRecords.all()))] + members
    }

    private func transaction(_ resources: [JSONValue]) -> JSONValue {
        let entries = resources.compactMap { value -> JSONValue? in
            guard let type = value["resourceType"]?.string, let id = value["id"]?.string else { return nil }
            return ["resource": value, "request": ["method": "PUT", "url": .string("\(type)/\(id)")]]
        }
        return ["resourceType": "Bundle", "type": "transaction", "entry": .array(entries)]
    }
}
