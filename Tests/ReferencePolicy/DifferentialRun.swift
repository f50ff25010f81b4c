/// Random cases that the code under test and the slow reading of the rules are both asked about, from a seed on.
///
/// The worlds are small and made anew for every few cases, so that a run of any length takes no more memory than a short
/// one. It ends with the first disagreement.
package struct DifferentialRun {
    /// What is asked.
    package enum Kind: String, CaseIterable, Sendable {
        /// Reads, searches of one and of several types, `$everything`; the searches of a server that obeys and of one
        /// that ignores every parameter.
        case reads
        /// Creates, updates, deletes and patches.
        case writes
        /// What the condition of a conditional write selects.
        case conditions
    }

    /// How much was asked, and how much of it had something to see or to accept.
    package struct Tally: Sendable, Equatable {
        /// Judged requests.
        package var judged = 0
        /// Resources that may be seen, writes that are accepted, or matches: a model that never finds anything would agree
        /// with code that never shows anything.
        package var found = 0

        /// Nothing yet.
        package init() {}
    }

    /// A case about which the two say different things.
    package struct Disagreement: Error, CustomStringConvertible {
        /// The seed of the world, the request, the token, and who says what.
        package let description: String
    }

    private let kind: Kind
    private var seed: UInt64
    private let reading: ReadingJudge
    private let writing: WritingJudge

    /// A run that begins after a seed; throws when the policy's table of types is incomplete.
    package init(_ kind: Kind, after seed: UInt64) throws {
        self.kind = kind
        self.seed = seed
        reading = try ReadingJudge()
        writing = try WritingJudge()
    }

    /// Goes on for so many judged requests, or a few more.
    package mutating func run(_ requests: Int) throws -> Tally {
        var tally = Tally()
        while tally.judged < requests {
            seed += 1
            switch kind {
            case .reads: try read(&tally)
            case .writes: try write(&tally)
            case .conditions: try select(&tally)
            }
        }
        return tally
    }

    private func agree(_ isSo: Bool, _ text: @autoclosure () -> String) throws(Disagreement) {
        guard isSo else { throw Disagreement(description: "seed \(seed), \(text())") }
    }
}

// MARK: - reads and searches

extension DifferentialRun {
    private func read(_ tally: inout Tally) throws {
        var world = ReferenceWorld(seed: seed)
        let token = world.token()
        for _ in 0..<4 {
            let target = world.readTarget()
            let read = reading.read(target.type, target.id, token, world.store)
            let visible = ReferenceModel.visible("r", world.store, token)
            let expected: Set<String> =
                visible.contains("\(target.type)/\(target.id)") ? ["\(target.type)/\(target.id)"] : []
            try agree(read.released == expected, "read \(target), \(token)")
            let search = world.search()
            tally.found += expected.count + (try compare(search, token, world.store))
            tally.found += try compareWide(world.typeList(), token, world.store)
            tally.found += try compareEverything(world.patient(), token, world.store)
            tally.judged += 4
        }
    }

    private func compare(
        _ search: (type: String, query: [(name: String, value: String)]), _ token: ReferenceToken,
        _ store: [ReferenceResource]
    ) throws -> Int {
        let visible = ReferenceModel.visible("s", store, token)
        let own = ReferenceModel.matching(search.query, type: search.type, store).map(\.key)
        let expected = visible.intersection(own)
        let honest = reading.search(search.type, search.query, token, store, obeys: true)
        // A refusal is right only where nothing could have been seen, or where another patient was named.
        if honest.status != 200 {
            try agree(
                expected.isEmpty || search.query.contains { $0.name == "patient" || $0.name == "beneficiary" },
                "\(search), \(token): refused with \(honest.status) though \(expected) may be seen")
        } else {
            try agree(honest.released == expected, "\(search), \(token): \(honest.released), not \(expected)")
        }
        let hostile = reading.search(search.type, search.query, token, store, obeys: false)
        try agree(hostile.released.isSubset(of: visible), "\(search), \(token): hostile upstream leaks")
        return expected.count
    }

    /// A search over several types finds what may be seen of each, once, or is refused for a type that is not granted.
    private func compareWide(
        _ types: [String], _ token: ReferenceToken, _ store: [ReferenceResource]
    ) throws -> Int {
        let expected = ReferenceModel.visible("s", store, token).filter { key in
            types.contains { key.hasPrefix($0 + "/") }
        }
        let honest = reading.wideSearch(types, token, store, obeys: true)
        if honest.status == 200 {
            try agree(honest.released == expected, "\(types), \(token): \(honest.released), not \(expected)")
            try agree(honest.count == expected.count, "\(types), \(token): a row stands there twice")
        } else {
            try agree(
                types.contains { !ReferenceModel.isGranted("s", type: $0, token) },
                "\(types), \(token): refused with \(honest.status)")
        }
        let hostile = reading.wideSearch(types, token, store, obeys: false)
        try agree(hostile.released.isSubset(of: expected), "\(types), \(token): hostile upstream leaks")
        return expected.count
    }

    /// `$everything` gives what may be seen of one patient, or is refused where the patient may not be read.
    private func compareEverything(
        _ patient: String, _ token: ReferenceToken, _ store: [ReferenceResource]
    ) throws -> Int {
        let visible = ReferenceModel.visible("r", store, token).union(ReferenceModel.visible("s", store, token))
        let honest = reading.everything(patient, token, store, obeys: true)
        let hostile = reading.everything(patient, token, store, obeys: false)
        try agree(hostile.released.isSubset(of: visible), "$everything of \(patient), \(token): hostile upstream leaks")
        guard ReferenceModel.visible("r", store, token).contains("Patient/\(patient)") else {
            try agree(honest.status != 200, "$everything of \(patient), \(token)")
            return 0
        }
        let expected = visible.intersection(ReferenceModel.everything(of: patient, store).map(\.key))
        try agree(honest.released == expected, "$everything of \(patient), \(token): \(honest.status)")
        return expected.count
    }
}

// MARK: - writes

extension DifferentialRun {
    private func write(_ tally: inout Tally) throws {
        var world = ReferenceWorld(seed: seed)
        let token = world.writingToken()
        for _ in 0..<3 {
            let new = world.newBody()
            let stored = world.target()
            let body = world.replacement(of: stored)
            let patch = world.patch(of: stored)
            let note = "\(stored.key), \(token)"

            let isCreated = try writing.create(new, token)
            try agree(isCreated == ReferenceModel.mayCreate(new, token), "create \(new.body), \(note)")
            let isUpdated = try writing.update(stored, body, token)
            try agree(isUpdated == ReferenceModel.mayUpdate(stored, body, token), "update \(body.body), \(note)")
            let isDeleted = try writing.delete(stored, token)
            try agree(isDeleted == ReferenceModel.mayDelete(stored, token), "delete, \(note)")
            let isPatched = try writing.patch(stored, patch, token)
            try agree(isPatched == ReferenceModel.mayPatch(stored, patch, token), "patch \(patch), \(note)")
            tally.found += [isCreated, isUpdated, isDeleted, isPatched].count { $0 }
            tally.judged += 4
        }
    }

    private func select(_ tally: inout Tally) throws {
        var world = ReferenceWorld(seed: seed)
        let token = world.writingToken()
        for _ in 0..<2 {
            let type = world.target().type
            let query = world.condition(on: type)
            let visible = ReferenceModel.visible("s", world.store, token)
            let expected = visible.intersection(ReferenceModel.matching(query, type: type, world.store).map(\.key))
            let note = "\(type)?\(query), \(token)"
            for obeys in [true, false] {
                switch try writing.matches(type, query, token, world.store, obeys: obeys) {
                case .success(let keys): try agree(keys == expected, "obeys \(obeys), \(note)")
                case .failure(let refused):
                    try agree(
                        expected.isEmpty || type == "Patient" || !ReferenceModel.mayDeleteSome(type, token),
                        "refused with \(refused.status), \(note)")
                }
                tally.judged += 1
            }
            tally.found += expected.count
        }
    }
}
