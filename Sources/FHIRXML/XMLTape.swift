/// The elements of an XML text in the order of their start tags, each with the place of what follows it.
///
/// That one exists proves that the text is well-formed, without DTD, entities and processing instructions, within the
/// limits, that every element is in the namespace of FHIR or is a self-contained XHTML `div`, and that the attributes
/// of FHIR elements are `id`, `url` and `value` only. Which elements belong where has not been looked at.
struct XMLTape {
    /// A part of ``values``; nil where the attribute is not there.
    typealias Value = Range<Int>

    struct Entry {
        /// Of the name, in ``names``.
        let name: Int
        /// A narrative, whose bytes are kept as they are and not looked into.
        let isNarrative: Bool
        /// The bytes of the element, from `<` to past the last `>`.
        let start: Int
        fileprivate(set) var end: Int
        /// Of the first entry that is not inside this one.
        fileprivate(set) var next: Int
        let id: Value?
        let url: Value?
        let value: Value?
    }

    /// The text.
    let bytes: [UInt8]
    /// The local names, each once.
    fileprivate(set) var names: [String] = []
    /// The elements; the first is the root.
    fileprivate(set) var entries: [Entry] = []
    /// The values of attributes, one after the other.
    fileprivate(set) var values: [UInt8] = []

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func name(_ index: Int) -> String { names[entries[index].name] }

    func text(_ value: Value) -> ArraySlice<UInt8> { values[value] }

    /// The names from the root to an element, with the places of those that stand several times.
    func path(to index: Int) -> String {
        var path = name(0)
        var parent = 0
        while parent != index {
            guard let child = children(of: parent).last(where: { $0 <= index }) else { break }
            let twins = children(of: parent).filter { entries[$0].name == entries[child].name }
            let place = twins.firstIndex(of: child) ?? 0
            path += ".\(name(child))" + (twins.count > 1 ? "[\(place)]" : "")
            parent = child
        }
        return path
    }

    private func children(of index: Int) -> [Int] {
        var result: [Int] = []
        var child = index + 1
        while child < entries[index].next {
            result.append(child)
            child = entries[child].next
        }
        return result
    }
}

/// Fills a tape; which of its elements are open is known here only.
struct XMLTapeBuilder {
    private(set) var tape: XMLTape
    private var open: [Int] = []

    init(_ bytes: [UInt8]) { tape = XMLTape(bytes) }

    /// A new name, to be given to ``begin``.
    mutating func add(name: String) -> Int {
        tape.names.append(name)
        return tape.names.count - 1
    }

    /// The value of an attribute.
    mutating func add(value: UnsafeBufferPointer<UInt8>) -> XMLTape.Value {
        let start = tape.values.count
        tape.values.append(contentsOf: value)
        return start..<tape.values.count
    }

    mutating func begin(
        _ name: Int, isNarrative: Bool, start: Int, id: XMLTape.Value? = nil, url: XMLTape.Value? = nil,
        value: XMLTape.Value? = nil
    ) {
        open.append(tape.entries.count)
        tape.entries.append(
            XMLTape.Entry(
                name: name, isNarrative: isNarrative, start: start, end: start, next: tape.entries.count + 1, id: id,
                url: url, value: value))
    }

    mutating func end(at offset: Int) {
        guard let index = open.popLast() else { return }
        tape.entries[index].end = offset
        tape.entries[index].next = tape.entries.count
    }
}
