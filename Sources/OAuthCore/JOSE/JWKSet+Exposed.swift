internal import FHIRCore

/// Keys whose private halves stand in a public place.
extension JWKSet {
    /// The thumbprints (RFC 7638) of the keys of a document that come with private members. Their owners have lost them,
    /// whatever the document says later. Symmetric keys have no public half and so no thumbprint.
    public static func exposed(in bytes: [UInt8]) -> Set<String> {
        guard let json = try? JSONValue(parsing: bytes, limits: .controlPlane(maxBytes: maxBytes)),
            let members = json["keys"]?.array, members.count <= maxKeys
        else { return [] }
        return Set(
            members.compactMap { member in
                guard let object = member.object,
                    object.contains(where: { PublicJWK.privateMembers.contains($0.name) })
                else { return nil }
                let half = object.filter { halves.contains($0.name) }
                return try? PublicJWK(parsing: .object(half)).thumbprint
            })
    }

    /// The members that say which key it is, and nothing of what it is for: a key is lost for every use.
    private static let halves: Set<String> = ["kty", "crv", "x", "y", "n", "e"]
}
