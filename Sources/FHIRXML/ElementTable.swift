/// What the elements of each type of R4 are: their order, whether they repeat, and their types.
struct ElementTable: Sendable {
    /// How the values of a primitive type stand in JSON.
    enum Primitive: Hashable, Sendable {
        case string, boolean, integer, decimal
    }

    /// What an element holds.
    enum Kind: Hashable, Sendable {
        /// A value, which can have extensions and an id.
        case primitive(Primitive)
        /// The `id` of a resource: a value and nothing else.
        case plainString
        /// Elements of the type at this place of the table.
        case complex(Int)
        /// A resource of any type.
        case resource
        /// The `div` of a narrative.
        case xhtml
    }

    /// One element by one of its names; an element with a choice of types has several.
    struct Variant: Hashable, Sendable {
        let name: String
        /// The place of the element among those of its type; the variants of a choice share it.
        let place: Int
        let isArray: Bool
        let kind: Kind
    }

    /// A resource or data type, or the content of an element that has one of its own.
    struct Definition: Sendable {
        let name: String
        let isResource: Bool
        /// Whether the element has the attribute `url`: only an Extension has.
        let hasURL: Bool
        /// In their order.
        let variants: [Variant]
        /// Names to places in ``variants``.
        let lookup: [String: Int]

        init(name: String, isResource: Bool, hasURL: Bool, variants: [Variant]) {
            self.name = name
            self.isResource = isResource
            self.hasURL = hasURL
            self.variants = variants
            lookup = Dictionary(uniqueKeysWithValues: variants.enumerated().map { ($1.name, $0) })
        }
    }

    let definitions: [Definition]
    /// The resource types by name.
    let resources: [String: Int]
    /// What stands beside or inside a primitive value: an id and extensions.
    let companion: Int

    /// The table of R4, read once at first use.
    static let r4 = ElementTable(rows: rows.description, openTypes: openTypes.description)
}
