import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// Files of an export that are too large to be judged whole, through the whole gateway without sockets.
@Suite struct BulkStreamTests {
    private static let base = GatewayHarness.upstreamBase
    private static let panels = PanelSource.table(users: [:], clients: [ClientID("backend"): .everyone])
    private static let lab = "system/Observation.rs?category=\(GatheredAnswerTests.system)|laboratory"

    static func line(_ id: String, of patient: String, category: String = "laboratory", note: String = "") -> String {
        #"{"resourceType":"Observation","id":"\#(id)","category":[{"coding":[{"system":"\#(GatheredAnswerTests.system)","code":"\#(category)"}]}],"subject":{"reference":"\#(base)/Patient/\#(patient)"},"note":[{"text":"\#(note)"}]}"#
    }

    /// A server whose export has this one file.
    static func upstream(_ reply: ScriptedUpstream.Reply) -> ScriptedUpstream {
        ScriptedUpstream { request in
            if request.path.hasSuffix("$export") {
                return .answer(UpstreamHead(status: 202, contentLocation: "\(base)/jobs/7"), [])
            }
            guard request.pageTarget == "/fhir/jobs/7" else { return reply }
            let manifest: JSONValue = [
                "transactionTime": "2026-01-01T00:00:00Z", "requiresAccessToken": true,
                "output": [["type": "Observation", "url": .string("\(base)/files/1.ndjson")]], "error": [],
            ]
            return .answer(UpstreamHead(status: 200, contentType: "application/json"), manifest.serialized)
        }
    }

    private static let head = UpstreamHead(status: 200, contentType: "application/fhir+ndjson")

    /// - Parameter gathered: how much is held back for a part of the patient index.
    static func limits(
        _ whole: Int, piece: Int = 8 << 20, total: Int = 1 << 30, gathered: Int = 1 << 20
    ) -> Enforcer.Limits {
        var limits = Enforcer.Limits()
        limits.gatheredBytes = gathered
        limits.answerBytes = whole
        limits.streamedPieceBytes = piece
        limits.streamedBytes = total
        return limits
    }

    /// The file as the client gets it.
    private func file(
        _ reply: ScriptedUpstream.Reply, scope: String = lab, limits: Enforcer.Limits,
        sink: InMemoryAuditSink = InMemoryAuditSink(), pieces: @escaping @Sendable ([UInt8]) -> [[UInt8]] = { [$0] },
        revocation: @escaping @Sendable (GrantedAccess) -> AccessTokenVerifier.RevocationStatus = { _ in .active },
        before: () -> Void = {}
    ) async throws -> GatewayHarness.Answer {
        // The export itself under the usual limits; its manifest has to be judged whole.
        let store = InMemoryAuthorizationStore()
        let starter = try GatewayHarness(
            upstream: Self.upstream(reply), panels: Self.panels, jobs: .kept(in: store))
        func below(_ address: String?) throws -> String {
            String(try #require(address).dropFirst(GatewayHarness.publicBase.count))
        }
        let token = try starter.token(scope: scope, client: "backend", subject: nil)
        let job = try below(await starter.send("GET", "/$export", token: token).field("content-location"))
        let manifest = await starter.send("GET", job, token: token)
        let file = try below(manifest.json?["output"]?.array?.first?["url"]?.string)
        let harness = try GatewayHarness(
            upstream: Self.upstream(reply), panels: Self.panels, limits: limits, jobs: .kept(in: store), sink: sink,
            pieces: pieces, revocation: revocation)
        before()
        return await harness.send(
            "GET", file, token: try harness.token(scope: scope, client: "backend", subject: nil))
    }

    /// Cuts bytes into pieces of these lengths, over and over.
    static func cutting(_ lengths: [Int]) -> @Sendable ([UInt8]) -> [[UInt8]] {
        { bytes in
            var pieces: [[UInt8]] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let length = lengths[pieces.count % lengths.count]
                pieces.append(Array(rest.prefix(length)))
                rest = rest.dropFirst(length)
            }
            return pieces
        }
    }

    /// What a record says that came of an access, without what is the same for every access.
    static func facts(_ answer: GatewayHarness.Answer) throws -> [String] {
        guard case .access(let record)? = try answer.records.last?.statement().event else { return [] }
        return [
            "\(record.released)", "\(record.withheld.map { "\($0.reason) \($0.count)" })", "\(record.patients)",
            "\(record.scopes)", "\(record.securityEvents)", record.outcome.code,
        ]
    }

    private static func randomFile(_ random: inout SeededChoice) -> [UInt8] {
        var text = ""
        for number in 0..<random.number(0...12) {
            let patient = random.pick(["pA", "pB", "pC"])
            text += random.pick([
                line("o\(number)", of: patient), line("o\(number)", of: patient, note: "é\\n\\u00e9 \(number)"),
                line("v\(number)", of: patient, category: "vital-signs", note: "SECRET-B"),
                "{\"resourceType\":\"Observation\",\r\"id\":\"c\(number)\",\"status\":\"final\"}",
                #"{"resourceType":"Condition","id":"x","subject":{"reference":"Patient/pA"}}"#, "SECRET-B", "{", " \t",
                "",
            ])
            text += random.pick(["\n", "\r\n", "\n\n", "\n"])
        }
        if random.flip() { text += line("last", of: "pA") }
        return Array(text.utf8)
    }

    @Test(.verifies("house@STREAMING", "attack@ATK-238"), arguments: 1...8)
    func `a file that comes line by line reads like one that was judged whole`(shard: Int) async throws {
        var streamed = 0
        for seed in 0..<30 {
            var random = SeededChoice(seed: UInt64(shard * 1_000 + seed))
            let file = Self.randomFile(&random)
            let lengths = (0..<random.number(1...4)).map { _ in random.pick([1, 2, 7, 63, 400]) }
            let reply = ScriptedUpstream.Reply.answer(Self.head, file)
            let scope = random.pick([Self.lab, "system/Observation.rs"])

            let whole = try await self.file(reply, scope: scope, limits: Self.limits(8 << 20))
            let parts = try await self.file(
                reply, scope: scope, limits: Self.limits(random.number(0...80)), pieces: Self.cutting(lengths))

            #expect(whole.parts == 0 && whole.status == 200)
            #expect(parts.status == 200 && !parts.isCut)
            #expect(parts.text == whole.text, "seed \(shard) \(seed)")
            #expect(try Self.facts(parts) == Self.facts(whole))
            #expect(
                parts.fields.filter { $0.name != "x-request-id" }.map(\.value)
                    == whole.fields.filter { $0.name != "x-request-id" }.map(\.value))
            if parts.parts > 0 {
                streamed += 1
                #expect(parts.records.map(\.index.phase) == [.opening, .closing])
            }
        }
        #expect(streamed > 20, "most of the files have to be ones that stream")
    }

    private static let own = Array((line("o1", of: "pA") + "\n").utf8)

    @Test(.verifies("house@STREAMING"), arguments: [UpstreamFailure.interrupted, .timedOut, .malformed])
    func `a file whose server fails late is cut, and the record says that it was`(failure: UpstreamFailure) async throws
    {
        let half = Self.own + Self.own.prefix(40)

        let answer = try await file(
            .cut(Self.head, half, failure), limits: Self.limits(100, gathered: 0), pieces: Self.cutting([250]))

        #expect(answer.isCut && answer.status == 200)
        let lines = answer.text.split(separator: "\n")
        #expect(lines.count == 1 && answer.text.hasSuffix("}\n"), "no half line leaves")
        #expect(lines.first?.contains(#""id":"o1""#) == true)
        #expect(answer.records.map(\.index.phase) == [.opening, .whole, .interrupted])
        #expect(try Self.facts(answer).last == "interrupted")
    }

    @Test(.verifies("house@STREAMING"), arguments: [UpstreamFailure.interrupted, .timedOut, .malformed])
    func `a file whose server fails while all of it is held back is an ordinary refusal`(
        failure: UpstreamFailure
    ) async throws {
        let answer = try await file(.cut(Self.head, Self.own, failure), limits: Self.limits(100))

        #expect(!answer.isCut && answer.status >= 500 && answer.parts == 0)
        #expect(!answer.text.contains("o1"))
        #expect(try Self.released(answer) == [0, 0])
    }

    /// What each record of a file says that was released.
    private static func released(_ answer: GatewayHarness.Answer) throws -> [Int] {
        try accesses(answer).map(\.released)
    }

    private static func accesses(_ answer: GatewayHarness.Answer) throws -> [AccessRecord] {
        try answer.records.compactMap { entry -> AccessRecord? in
            guard case .access(let record) = try entry.statement().event else { return nil }
            return record
        }
    }

    @Test(.verifies("house@STREAMING", "house@BULK-INDEX"), arguments: [0, 600, 2_000, 1 << 20])
    func `a cut file's record counts what the client was sent, and every patient of it has been named`(
        gathered: Int
    ) async throws {
        let lines = (0..<40).map { Self.line("o\($0)", of: "p\($0 / 2)") + "\n" }.joined()

        let answer = try await file(
            .cut(Self.head, Array(lines.utf8), .interrupted), scope: "system/Observation.rs",
            limits: Self.limits(100, gathered: gathered), pieces: Self.cutting([700, 90, 1_500]))

        let records = try Self.accesses(answer)
        let got = answer.text.split(separator: "\n").compactMap { line in
            (try? JSONValue(parsing: Array(line.utf8)))?["subject"]?["reference"]?.string?.split(separator: "/").last
        }
        #expect(answer.isCut == (gathered < 1 << 20))
        #expect(records.last?.released == (answer.isCut ? got.count : 0))
        #expect(Set(got.map(String.init)).isSubset(of: records.dropLast().flatMap(\.patients)))
        #expect(records.dropFirst().dropLast().allSatisfy { $0.parent == records.first?.decisionID })
        #expect(records.flatMap(\.patients).count == Set(records.flatMap(\.patients)).count, "nobody is named twice")
    }

    @Test(.verifies("house@BULK-INDEX"))
    func `at each moment every patient of what has left stands in a record that was there before`() async throws {
        let lines = (0..<200).map { Self.line("o\($0)", of: "p\($0 % 37)") + "\n" }.joined()
        for gathered in [0, 900, 5_000] {
            let answer = try await file(
                .answer(Self.head, Array(lines.utf8)), scope: "system/Observation.rs",
                limits: Self.limits(100, gathered: gathered), pieces: Self.cutting([333, 1_024]))

            // The records are in the order of storing, and each part says how much has left by its end.
            let records = try Self.accesses(answer)
            var (left, named) = (0, Set<String>())
            let subjects = answer.text.split(separator: "\n").compactMap { line in
                (try? JSONValue(parsing: Array(line.utf8)))?["subject"]?["reference"]?.string?
                    .split(separator: "/").last.map(String.init)
            }
            #expect(subjects.count == 200)
            for part in records.dropFirst().dropLast() {
                named.formUnion(part.patients)
                left += part.released
                #expect(named.isSuperset(of: subjects.prefix(left)))
            }
            #expect(named.union(records.last?.patients ?? []) == Set(subjects))
            #expect(records.count == 2 || Set(records.dropFirst().dropLast().flatMap(\.patients)).count == 37)
            #expect(records.last?.released == 200)
        }
    }

    @Test(.verifies("house@BULK-INDEX"))
    func `patients who are named already cost no further record`() async throws {
        let answer = try await file(
            .repeating(Self.head, piece: Self.own, times: 400), limits: Self.limits(100, gathered: 0))

        #expect(answer.status == 200 && answer.parts > 300)
        #expect(answer.records.map(\.index.phase) == [.opening, .whole, .closing])
    }

    @Test(.verifies("house@BULK-INDEX"))
    func `a part of the index that cannot be written keeps back what it is for`() async throws {
        let sink = InMemoryAuditSink()
        sink.behave(.fails, after: 1)

        let answer = try await file(
            .repeating(Self.head, piece: Self.own, times: 50), limits: Self.limits(100, gathered: 0), sink: sink)

        #expect(answer.status == 503 && !answer.text.contains("o1"))
    }

    @Test(.verifies("house@BULK-INDEX", "audit@one-closed-record"), arguments: [1, 2])
    func `an answer of which one part of the index cannot be written has a closed record`(before: Int) async throws {
        let sink = InMemoryAuditSink()
        sink.behave(.fails, after: before)
        sink.behave(.works, after: before + 1)
        let lines = (0..<20).map { Self.line("o\($0)", of: "p\($0)") + "\n" }.joined()

        let answer = try await file(
            .answer(Self.head, Array(lines.utf8)), scope: "system/Observation.rs",
            limits: Self.limits(100, gathered: 0), sink: sink, pieces: Self.cutting([300]))

        #expect(answer.isCut == (before > 1) && (answer.isCut || answer.status == 503))
        #expect(answer.text.contains("o0") == answer.isCut && !answer.text.contains("o5"))
        #expect(answer.records.last?.index.closes == 1)
    }

    @Test(.verifies("house@STREAMING"))
    func `a line that is too long cuts the answer`() async throws {
        let long = Array(Self.line("o2", of: "pA", note: String(repeating: "x", count: 900)).utf8)

        let answer = try await file(
            .answer(Self.head, Self.own + long), limits: Self.limits(100, piece: 500, gathered: 0),
            pieces: Self.cutting([300]))

        #expect(answer.isCut)
        #expect(answer.records.map(\.index.outcome) == ["pending", "permitted", "interrupted"])
        #expect(!answer.text.contains("xxx"))
    }

    @Test(.verifies("house@STREAMING"))
    func `a line that is too long before anything has left is refused`() async throws {
        let long = Array(Self.line("o2", of: "pA", note: String(repeating: "x", count: 900)).utf8)

        let answer = try await file(.answer(Self.head, long), limits: Self.limits(100, piece: 500))

        #expect(answer.status == 502 && !answer.isCut && answer.parts == 0)
        #expect(answer.records.map(\.index.phase) == [.opening, .closing])
    }

    @Test(.verifies("house@STREAMING"))
    func `a file without end is cut at the limit of all its bytes`() async throws {
        let answer = try await file(
            .repeating(Self.head, piece: Self.own, times: 1_000),
            limits: Self.limits(100, total: 20_000, gathered: 0))

        #expect(answer.isCut && answer.body.count <= 20_000)
        #expect(answer.records.map(\.index.phase) == [.opening, .whole, .interrupted])
    }

    @Test(.verifies("house@STREAMING"))
    func `a token that ends while a file streams gets no more of it`() async throws {
        let asked = Mutex(0)
        let counting = Mutex(false)

        let answer = try await file(
            .repeating(Self.head, piece: Self.own, times: 50), limits: Self.limits(100, gathered: 0),
            revocation: { _ in
                guard counting.withLock({ $0 }) else { return .active }
                return asked.withLock { count in
                    count += 1
                    return count > 5 ? .revoked : .active
                }
            }, before: { counting.withLock { $0 = true } })

        #expect(answer.isCut && answer.body.count < 20 * Self.own.count)
        #expect(answer.records.map(\.index.phase) == [.opening, .whole, .interrupted])
    }

    @Test(.verifies("house@STREAMING"))
    func `what cannot be recorded does not begin to stream`() async throws {
        let sink = InMemoryAuditSink()

        let answer = try await file(
            .repeating(Self.head, piece: Self.own, times: 50), limits: Self.limits(100), sink: sink,
            before: { sink.behave(.fails) })

        #expect(answer.status == 503 && answer.parts == 0 && !answer.isCut)
        #expect(!answer.text.contains("Observation"))
    }

    @Test(.verifies("house@STREAMING", "house@BULK-INDEX"))
    func `every patient of a file is in the index before the lines are out`() async throws {
        let count = 10_050
        let lines = (0..<count).map { Self.line("o\($0)", of: "p\($0)") + "\n" }.joined()

        let answer = try await file(
            .answer(Self.head, Array(lines.utf8)), scope: "system/Observation.rs", limits: Self.limits(100),
            pieces: Self.cutting([64 << 10]))

        #expect(answer.status == 200 && !answer.isCut)
        let records = try answer.records.compactMap { entry -> AccessRecord? in
            guard case .access(let record) = try entry.statement().event else { return nil }
            return record
        }
        #expect(records.count >= 3 && records.allSatisfy { $0.patients.count <= 10_000 })
        #expect(records.dropFirst().dropLast().allSatisfy { $0.parent == records.first?.decisionID })
        #expect(records.first?.parent == nil && records.last?.parent == nil)
        #expect(records.last?.released == count)
        let patients = Set(records.flatMap(\.patients))
        #expect(patients.count == count && patients.contains("p10049") && patients.contains("p0"))
        #expect(!patients.contains { $0.hasPrefix("…") })
    }

    // MARK: - packed

    /// Bytes as bare deflate (RFC 1951 §3.2.4), in blocks that are stored as they are.
    private static func deflated(_ bytes: [UInt8], isWhole: Bool = true) -> [UInt8] {
        var packed: [UInt8] = []
        var rest = bytes[...]
        repeat {
            let block = rest.prefix(1_000)
            rest = rest.dropFirst(block.count)
            let (low, high) = (UInt8(block.count & 0xFF), UInt8(block.count >> 8))
            packed += [rest.isEmpty && isWhole ? 1 : 0, low, high, ~low, ~high] + block
        } while !rest.isEmpty
        return packed
    }

    private static let packedHead = UpstreamHead(
        status: 200, contentType: "application/fhir+ndjson", contentEncoding: "deflate")

    @Test(.verifies("house@STREAMING", "house@CONTENT-CODING"), arguments: 0..<20)
    func `a packed file that comes piece by piece reads like one that was not packed`(seed: UInt64) async throws {
        var random = SeededChoice(seed: seed)
        let file = Self.randomFile(&random) + Self.own
        let lengths = (0..<random.number(1...4)).map { _ in random.pick([1, 2, 7, 63, 400]) }

        let plain = try await self.file(.answer(Self.head, file), limits: Self.limits(8 << 20))
        let packed = try await self.file(
            .answer(Self.packedHead, Self.deflated(file)), limits: Self.limits(40, gathered: 0),
            pieces: Self.cutting(lengths))

        #expect(packed.status == 200 && packed.parts > 0 && !packed.isCut)
        #expect(packed.text == plain.text)
        #expect(packed.field("content-encoding") == nil)
    }

    @Test(.verifies("house@CONTENT-CODING"))
    func `a packed file that is cut short, followed by more, or damaged is cut`() async throws {
        let many = (0..<20).flatMap { Array((Self.line("o\($0)", of: "pA") + "\n").utf8) }
        let whole = Self.deflated(many)
        for bytes in [Self.deflated(many, isWhole: false), Array(whole.dropLast()), whole + [0], whole + whole] {
            let answer = try await file(
                .answer(Self.packedHead, bytes), limits: Self.limits(100, gathered: 0), pieces: Self.cutting([700]))

            #expect(answer.isCut)
            #expect(answer.records.last?.index.phase == .interrupted)
        }
    }

    @Test(.verifies("house@CONTENT-CODING", "attack@ATK-263"))
    func `a small file that grows without end is ended`() async throws {
        // A line of forty megabytes in three hundred kilobytes.
        let bomb = ContentCodingTests.bomb(megabytes: 40)
        for whole in [100, 8 << 20] {
            let answer = try await file(
                .answer(Self.packedHead, bomb), limits: Self.limits(whole, piece: 1 << 30, total: 1 << 40),
                pieces: Self.cutting([4_000]))

            #expect((answer.status == 502 || answer.isCut) && answer.body.count < 1_000)
            #expect(answer.records.last?.index.outcome != "permitted")
        }
    }

    @Test func `a file of another kind, or one that is not packed as it says, is not streamed`() async throws {
        var packed = Self.head
        packed.contentEncoding = "gzip"
        for head in [UpstreamHead(status: 200, contentType: "text/html"), packed] {
            let answer = try await file(.answer(head, Self.own), limits: Self.limits(100))

            #expect(answer.status == 502 && answer.parts == 0)
            #expect(answer.records.map(\.index.phase) == [.whole])
        }
    }
}
