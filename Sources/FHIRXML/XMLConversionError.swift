/// Why a resource cannot be turned from one format into the other, and where.
///
/// Converting is strict both ways: what one format can say and the other cannot, or what FHIR R4 does not know, is
/// refused and never dropped, so that both say the same.
public struct XMLConversionError: Error, Hashable, Sendable {
    /// What was wrong.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        // About a text.

        /// More bytes than the limit, going in or coming out.
        case tooLarge
        /// Not well-formed XML 1.0 with namespaces.
        case malformedXML
        /// Not strict JSON (``JSONSyntaxError``).
        case malformedJSON
        /// Bytes that are not UTF-8, or a declaration that says another encoding or version.
        case notUTF8
        /// A character that cannot stand in XML 1.0 (§2.2): a control character, U+FFFE or U+FFFF.
        case illegalCharacter
        /// A document type declaration, and with it entities and external subsets.
        case documentType
        /// A processing instruction.
        case processingInstruction
        /// More elements inside one another than the limit.
        case tooDeep
        /// More attributes on one element than the limit.
        case tooManyAttributes
        /// More different names, or declared prefixes, than any resource needs.
        case tooManyNames

        // About the names in it.

        /// An element or attribute of another namespace than its place asks for.
        case wrongNamespace
        /// A type that is no resource type of R4, or one that cannot stand here.
        case unknownType
        /// A name that is no element of the type.
        case unknownElement
        /// An attribute that the element does not have.
        case unknownAttribute
        /// An element after one that it should precede.
        case wrongOrder
        /// An element that stands once and is there twice, or a choice made twice.
        case duplicate

        // About what they hold.

        /// Text where only elements can stand.
        case strayText
        /// Nothing where FHIR wants a value or content: an element, a string, an array, an object.
        case empty
        /// A JSON value of another kind than the element's type, or an array that should be none.
        case wrongKind
        /// Text that is no value of the element's type, where the type says how JSON writes it.
        case wrongValue
        /// `name` and `_name` do not belong together.
        case mismatchedCompanion
        /// A narrative that is not one self-contained XHTML `div`.
        case badNarrative
    }

    /// What was wrong.
    public let code: Code
    /// The byte of the input near which it was noticed.
    public let offset: Int
    /// The nearest element that is known by name, such as `Patient.contact[1].name`; empty where there is none yet.
    public let path: String

    /// An error at a place.
    public init(_ code: Code, offset: Int, path: String = "") {
        self.code = code
        self.offset = offset
        self.path = path
    }

    /// A text without any of the content, fit to be shown.
    public var summary: String {
        path.isEmpty ? "\(code.rawValue) at byte \(offset)" : "\(code.rawValue) in `\(path)` at byte \(offset)"
    }
}
