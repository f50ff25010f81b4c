/// How the names of accounts stand in lists.
///
/// The account of a provider's login is kept under the issuer and the login's `sub` with a line break between them, so that
/// nobody can type it where names and passwords are asked for. In lists it stands as `ISSUER: SUB`, and administrators may
/// name it so.
enum AccountName {
    private static let keptSeparator = "\n"
    private static let shownSeparator = ": "

    /// A kept name as it is shown.
    static func shown(_ kept: String) -> String {
        kept.replacing(keptSeparator, with: shownSeparator, maxReplacements: 1)
    }

    /// The kept name of a login that is shown so; nil for what cannot be one. No issuer holds a blank.
    static func kept(_ shown: String) -> String? {
        guard shown.firstRange(of: shownSeparator) != nil else { return nil }
        return shown.replacing(shownSeparator, with: keptSeparator, maxReplacements: 1)
    }
}
