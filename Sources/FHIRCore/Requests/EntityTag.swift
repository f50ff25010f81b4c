/// The entity tags of FHIR: `W/"version"` (R4 http.html), read leniently as to weakness.
public enum EntityTag {
    /// The version that a tag names; nil when it is no tag of a version.
    public static func version(_ text: some StringProtocol) -> VersionID? {
        let quoted = text.hasPrefix("W/") ? Substring(text.dropFirst(2)) : Substring(text)
        guard quoted.utf8.count >= 2, quoted.first == "\"", quoted.last == "\"" else { return nil }
        return VersionID(quoted.dropFirst().dropLast())
    }

    /// The tag of a version.
    public static func text(_ version: VersionID) -> String { "W/\"\(version.text)\"" }
}
