extension JSONPatch {
    /// The document after all operations, or why one of them fails; then nothing of the patch holds (RFC 6902 §5).
    ///
    /// - Parameter limits: the largest and deepest document that may arise, also between two operations: what an
    ///   operation copies can be copied again. Beside them the work of all operations together is bounded.
    public func applied(
        to document: JSONValue, limits: JSONLimits = .default
    ) throws(JSONPatchError) -> JSONValue {
        var document = document
        var budget = Budget(bytes: document.extent.bytes)
        for (place, operation) in operations.enumerated() {
            do throws(Fault) {
                try apply(operation, to: &document, &budget, limits)
            } catch {
                switch error {
                case .nowhere: throw .noSuchPlace(place)
                case .differs: throw .testFailed(place)
                case .tooLarge: throw .tooLarge(place)
                }
            }
        }
        return document
    }

    private enum Fault: Error {
        case nowhere, differs, tooLarge
    }

    /// What all operations together may take in and cost: each copies the containers on its way, and a few bytes of a
    /// patch would otherwise buy a copy of the whole document.
    private struct Budget {
        var bytes: Int
        private var work = 2_000_000

        init(bytes: Int) { self.bytes = bytes }

        /// Charges for work; one unit is one member, one element or one byte.
        mutating func spend(_ units: Int) throws(Fault) {
            work -= units
            guard work >= 0 else { throw .tooLarge }
        }
    }

    private func apply(
        _ operation: Operation, to document: inout JSONValue, _ budget: inout Budget, _ limits: JSONLimits
    ) throws(Fault) {
        switch operation {
        case .add(let path, let value):
            try grow(by: value, at: path, &budget, limits)
            document = try Self.changed(document, at: path.tokens[...], .add(value), &budget)
        case .remove(let path):
            document = try Self.changed(document, at: path.tokens[...], .remove, &budget)
        case .replace(let path, let value):
            try grow(by: value, at: path, &budget, limits)
            document = try Self.changed(document, at: path.tokens[...], .replace(value), &budget)
        case .move(let from, let to):
            let value = try Self.value(document, at: from, &budget)
            // What is moved to where it stands stays (RFC 6902 §4.4).
            guard from != to else { return }
            document = try Self.changed(document, at: from.tokens[...], .remove, &budget)
            try grow(by: value, at: to, &budget, limits)
            document = try Self.changed(document, at: to.tokens[...], .add(value), &budget)
        case .copy(let from, let to):
            let value = try Self.value(document, at: from, &budget)
            try grow(by: value, at: to, &budget, limits)
            document = try Self.changed(document, at: to.tokens[...], .add(value), &budget)
        case .test(let path, let value):
            let found = try Self.value(document, at: path, &budget)
            try budget.spend(value.extent.bytes)
            guard found.isEqual(to: value) else { throw .differs }
        }
    }

    /// Counts what comes in and never what goes, so that no order of operations can grow past the limit unseen.
    private func grow(
        by value: JSONValue, at path: JSONPointer, _ budget: inout Budget, _ limits: JSONLimits
    ) throws(Fault) {
        let extent = value.extent
        budget.bytes += extent.bytes
        guard budget.bytes <= 2 * limits.maxBytes, path.tokens.count + extent.depth <= limits.maxDepth else {
            throw .tooLarge
        }
    }

    // MARK: - places

    private enum Change {
        case add(JSONValue), remove, replace(JSONValue)
    }

    private static func value(
        _ document: JSONValue, at pointer: JSONPointer, _ budget: inout Budget
    ) throws(Fault) -> JSONValue {
        var value = document
        for token in pointer.tokens {
            switch value {
            case .object(let members):
                try budget.spend(members.count)
                guard let member = members.first(where: { $0.isNamed(token) }) else { throw .nowhere }
                value = member.value
            case .array(let elements):
                try budget.spend(1)
                value = elements[try index(token, below: elements.count)]
            case .null, .bool, .int, .number, .string: throw .nowhere
            }
        }
        return value
    }

    /// The value with one change made at a place; what lies beside the way stays as it is.
    private static func changed(
        _ value: JSONValue, at tokens: ArraySlice<String>, _ change: Change, _ budget: inout Budget
    ) throws(Fault) -> JSONValue {
        guard let token = tokens.first else {
            switch change {
            case .add(let new), .replace(let new): return new
            // RFC 6902 leaves open what a document without a value would be.
            case .remove: throw .nowhere
            }
        }
        let rest = tokens.dropFirst()
        switch value {
        case .object(var members):
            try budget.spend(members.count)
            let place = members.firstIndex { $0.isNamed(token) }
            if rest.isEmpty {
                try Self.change(&members, token, place, change)
            } else {
                guard let place else { throw .nowhere }
                members[place] = JSONMemberValue(token, try changed(members[place].value, at: rest, change, &budget))
            }
            return .object(members)
        case .array(var elements):
            try budget.spend(elements.count)
            if rest.isEmpty {
                try Self.change(&elements, token, change)
            } else {
                let place = try index(token, below: elements.count)
                elements[place] = try changed(elements[place], at: rest, change, &budget)
            }
            return .array(elements)
        case .null, .bool, .int, .number, .string: throw .nowhere
        }
    }

    private static func change(
        _ members: inout [JSONMemberValue], _ name: String, _ place: Int?, _ change: Change
    ) throws(Fault) {
        switch change {
        case .add(let value):
            if let place {
                members[place] = JSONMemberValue(name, value)
            } else {
                members.append(JSONMemberValue(name, value))
            }
        case .replace(let value):
            guard let place else { throw .nowhere }
            members[place] = JSONMemberValue(name, value)
        case .remove:
            guard let place else { throw .nowhere }
            members.remove(at: place)
        }
    }

    private static func change(
        _ elements: inout [JSONValue], _ token: String, _ change: Change
    ) throws(Fault) {
        switch change {
        case .add(let value):
            // RFC 6901 §4: `-` is the place behind the last element.
            elements.insert(value, at: token == "-" ? elements.count : try index(token, below: elements.count + 1))
        case .replace(let value): elements[try index(token, below: elements.count)] = value
        case .remove: elements.remove(at: try index(token, below: elements.count))
        }
    }

    /// A place in an array: digits without a leading zero (RFC 6901 §4).
    private static func index(_ token: String, below count: Int) throws(Fault) -> Int {
        let digits = token.utf8
        guard (1...9).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
            digits.count == 1 || digits.first != UInt8(ascii: "0"), let place = Int(token), place < count
        else { throw .nowhere }
        return place
    }
}

extension JSONMemberValue {
    /// Whether the member has this name, byte for byte: two spellings that only look alike are two names.
    fileprivate func isNamed(_ text: String) -> Bool { name.utf8.elementsEqual(text.utf8) }
}
