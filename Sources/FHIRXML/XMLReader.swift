internal import CXML2

/// Reads an XML text through libxml2 onto a tape.
enum XMLReader {
    /// - Throws: what makes the text none that we read.
    static func read(_ bytes: [UInt8], limits: XMLLimits) throws(XMLConversionError) -> XMLTape {
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        try XMLGuard.check(text, limits: limits)
        let collector = XMLCollector(text)
        let result = text.withUnsafeBufferPointer { collector.run(over: $0) }
        switch result.verdict {
        case CXML2_READ: return collector.builder.tape
        case CXML2_STOPPED: throw collector.fault ?? XMLConversionError(.malformedXML, offset: result.offset)
        case CXML2_FORBIDDEN: throw XMLConversionError(.documentType, offset: result.offset)
        case CXML2_DECLARATION: throw XMLConversionError(.notUTF8, offset: result.offset)
        case CXML2_EXHAUSTED: throw XMLConversionError(.tooLarge, offset: result.offset)
        default:
            // libxml2's XML_ERR_INVALID_CHAR: a reference to a character that is none.
            throw XMLConversionError(result.code == 9 ? .illegalCharacter : .malformedXML, offset: result.offset)
        }
    }

    /// The `div` of a narrative that stands in JSON, without white space around it and with the entities of HTML
    /// resolved.
    ///
    /// - Throws: when the text is anything but one self-contained XHTML `div`; were it put into XML, it would be
    ///   something else there than here.
    static func narrative(_ text: ArraySlice<UInt8>, limits: XMLLimits) throws(XMLConversionError) -> [UInt8] {
        var text = text
        while let last = text.last, XMLText.isSpace(last) { text.removeLast() }
        while let first = text.first, XMLText.isSpace(first) { text.removeFirst() }
        let resolved = NarrativeEntities.resolved(text)
        let tape = try read(resolved, limits: limits)
        guard let root = tape.entries.first, root.isNarrative, root.start == 0, root.end == resolved.count else {
            throw XMLConversionError(.badNarrative, offset: 0)
        }
        return tape.bytes
    }
}

/// Takes libxml2's calls. A class because they come back to it through C; it lives for one reading.
private final class XMLCollector {
    private(set) var builder: XMLTapeBuilder
    private(set) var fault: XMLConversionError?
    private let bytes: [UInt8]
    private var names: [UnsafePointer<CChar>: Int] = [:]
    /// How many XHTML elements are open.
    private var narrativeDepth = 0
    private var prefixes = 0

    /// Different names in one text; all of R4 has fewer than this.
    private static let mostNames = 4096
    private static let mostPrefixes = 64

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        builder = XMLTapeBuilder(bytes)
    }

    func run(over buffer: UnsafeBufferPointer<UInt8>) -> cxml2_result {
        var handler = cxml2_handler(
            start: { context, name, namespace, prefixes, attributes, count, offset in
                let collector = XMLCollector.of(context)
                let attributes = UnsafeBufferPointer(start: attributes, count: count)
                return collector.isWithinBounds(name, prefixes, attributes, offset)
                    && collector.start(name, namespace, attributes, offset)
            },
            end: { context, offset in XMLCollector.of(context).end(offset) },
            text: { context, bytes, count, isCDATA, offset in
                XMLCollector.of(context).text(UnsafeBufferPointer(start: bytes, count: count), isCDATA, offset)
            })
        return withExtendedLifetime(self) {
            cxml2_read(buffer.baseAddress, buffer.count, &handler, Unmanaged.passUnretained(self).toOpaque())
        }
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> XMLCollector {
        // INVARIANT: `run` passes itself and outlives every call.
        guard let context else { preconditionFailure("a call without its reading") }
        return Unmanaged<XMLCollector>.fromOpaque(context).takeUnretainedValue()
    }

    // MARK: - what the library tells

    /// The library keeps every name and prefix that it meets in a table whose search grows with it.
    private func isWithinBounds(
        _ name: cxml2_name, _ newPrefixes: Int, _ attributes: UnsafeBufferPointer<cxml2_attribute>, _ offset: Int
    ) -> Bool {
        prefixes += newPrefixes
        _ = intern(name.local)
        for attribute in attributes { _ = intern(attribute.name.local) }
        guard names.count <= Self.mostNames, prefixes <= Self.mostPrefixes else {
            return refuse(.tooManyNames, offset)
        }
        return true
    }

    private func start(
        _ name: cxml2_name, _ namespace: UnsafePointer<CChar>?, _ attributes: UnsafeBufferPointer<cxml2_attribute>,
        _ offset: Int
    ) -> Bool {
        if narrativeDepth > 0 {
            narrativeDepth += 1
            return checkNarrative(name, attributes, offset)
        }
        if Self.is(name.uri, ResourceXML.narrativeNamespace) {
            narrativeDepth = 1
            // Its bytes are taken out of their surroundings, so what it needs has to stand in it.
            guard Self.is(namespace, ResourceXML.narrativeNamespace), Self.is(name.local, "div") else {
                return refuse(.badNarrative, offset)
            }
            guard checkNarrative(name, attributes, offset) else { return false }
            builder.begin(intern(name.local), isNarrative: true, start: tagStart(offset))
            return true
        }
        guard Self.is(name.uri, ResourceXML.namespace) else { return refuse(.wrongNamespace, offset) }
        var (id, url, value): (XMLTape.Value?, XMLTape.Value?, XMLTape.Value?)
        for attribute in attributes {
            guard attribute.name.prefix == nil else { return refuse(.unknownAttribute, offset) }
            let content = UnsafeBufferPointer(start: attribute.value, count: attribute.count)
            if Self.is(attribute.name.local, "value") {
                value = builder.add(value: content)
            } else if Self.is(attribute.name.local, "id") {
                id = builder.add(value: content)
            } else if Self.is(attribute.name.local, "url") {
                url = builder.add(value: content)
            } else {
                return refuse(.unknownAttribute, offset)
            }
        }
        builder.begin(intern(name.local), isNarrative: false, start: tagStart(offset), id: id, url: url, value: value)
        return true
    }

    private func end(_ offset: Int) -> Bool {
        if narrativeDepth > 0 { narrativeDepth -= 1 }
        if narrativeDepth == 0 { builder.end(at: offset) }
        return true
    }

    private func text(_ content: UnsafeBufferPointer<UInt8>, _ isCDATA: Bool, _ offset: Int) -> Bool {
        if narrativeDepth > 0 { return true }
        return !isCDATA && content.allSatisfy(XMLText.isSpace) ? true : refuse(.strayText, offset)
    }

    /// Every element of a narrative is XHTML and needs no declaration from outside.
    private func checkNarrative(
        _ name: cxml2_name, _ attributes: UnsafeBufferPointer<cxml2_attribute>, _ offset: Int
    ) -> Bool {
        guard Self.is(name.uri, ResourceXML.narrativeNamespace) else { return refuse(.wrongNamespace, offset) }
        guard name.prefix == nil else { return refuse(.badNarrative, offset) }
        for attribute in attributes {
            guard attribute.name.prefix == nil || Self.is(attribute.name.prefix, "xml") else {
                return refuse(.badNarrative, offset)
            }
        }
        return true
    }

    // MARK: - small things

    private func refuse(_ code: XMLConversionError.Code, _ offset: Int) -> Bool {
        fault = fault ?? XMLConversionError(code, offset: tagStart(offset))
        return false
    }

    /// The `<` of the tag that is being read. It cannot stand inside a tag, so the nearest one before is it.
    private func tagStart(_ offset: Int) -> Int {
        var position = min(offset, bytes.count) - 1
        while position > 0, bytes[position] != UInt8(ascii: "<") { position -= 1 }
        return max(position, 0)
    }

    /// The library gives equal names equal addresses.
    private func intern(_ name: UnsafePointer<CChar>) -> Int {
        if let known = names[name] { return known }
        let index = builder.add(name: String(cString: name))
        names[name] = index
        return index
    }

    private static func `is`(_ text: UnsafePointer<CChar>?, _ expected: String) -> Bool {
        guard let text else { return false }
        var place = 0
        for byte in expected.utf8 {
            guard UInt8(bitPattern: text[place]) == byte else { return false }
            place += 1
        }
        return text[place] == 0
    }
}
