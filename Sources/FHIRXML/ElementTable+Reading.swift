extension ElementTable {
    /// Reads the generated rows, whose form is described where they stand.
    init(rows: String, openTypes: String) {
        let open = openTypes.split(separator: " ")
        let lines = rows.split(separator: "\n").map { $0.split(separator: " ") }.filter { !$0.isEmpty }
        // What an element with nothing but a value can have beside it; no row of its own has it.
        let all = lines + [["Element", "id:string", "extension*:Extension"]]
        let names = all.map { String($0[0].split(separator: "!")[0]) }
        let places = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        definitions = zip(names, all).map { name, words in
            Definition(name: name, isResource: words[0].last == "!", words.dropFirst(), open: open, places: places)
        }
        resources = places.filter { _, place in all[place][0].last == "!" }
        companion = names.count - 1
    }
}

extension ElementTable.Definition {
    fileprivate init(
        name: String, isResource: Bool, _ words: ArraySlice<Substring>, open: [Substring], places: [String: Int]
    ) {
        var variants: [ElementTable.Variant] = []
        for (place, word) in words.enumerated() {
            // The attributes of an element, FHIR R4 xml.html.
            if !isResource && word.hasPrefix("id:") || name == "Extension" && word.hasPrefix("url:") { continue }
            if word.last == "]" {
                let halves = word.dropLast().split(separator: "[")
                for type in halves[1] == "*" ? open : halves[1].split(separator: "|") {
                    variants.append(
                        ElementTable.Variant(
                            name: String(halves[0] + type.prefix(1).uppercased() + type.dropFirst()), place: place,
                            isArray: false, kind: Self.kind(of: type, places)))
                }
            } else {
                let halves = word.split(separator: ":")
                let isArray = halves[0].last == "*"
                let element = isArray ? halves[0].dropLast() : halves[0]
                variants.append(
                    ElementTable.Variant(
                        name: String(element), place: place, isArray: isArray,
                        kind: isResource && element == "id" ? .plainString : Self.kind(of: halves[1], places)))
            }
        }
        self.init(name: name, isResource: isResource, hasURL: name == "Extension", variants: variants)
    }

    private static func kind(of type: Substring, _ places: [String: Int]) -> ElementTable.Kind {
        switch type {
        case "Resource": .resource
        case "xhtml": .xhtml
        case "boolean": .primitive(.boolean)
        case "decimal": .primitive(.decimal)
        case "integer", "positiveInt", "unsignedInt": .primitive(.integer)
        // A type that begins with a small letter and has no row is a primitive one, written as a string.
        default: places[String(type)].map { .complex($0) } ?? .primitive(.string)
        }
    }
}
