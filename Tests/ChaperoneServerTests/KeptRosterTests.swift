import Authorization
import ChaperoneTesting
import FHIRCore
import Foundation
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// The roster in force over a start: refusals first.
@Suite struct KeptRosterTests {
    /// A folder of a test, gone with it. A class for its deinit.
    private final class Folder: Sendable {
        let path: String

        init() throws {
            path = FileManager.default.temporaryDirectory.appending(path: "chaperone-\(UUID().uuidString)").path
            try StateDirectory.make(path)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    /// 2026-11-25.
    private static let start: Int64 = 1_795_564_800

    private static func feed(_ date: String, _ patient: String = "p1") -> [UInt8] {
        Array(
            """
            {"roster": "members", "date": "\(date)", "lines": 1}
            {"login": "M-1", "person": "Patient/\(patient)"}
            """.utf8)
    }

    /// A server's view of a roster from its start on.
    private struct Process {
        let file: RosterFile
        let folder: Folder

        init(
            _ folder: Folder, _ clock: ManualClock, longestAge: Int? = nil, issuer: String = "https://idp.example",
            claim: String = "member_id"
        ) {
            self.folder = folder
            file = RosterFile(
                provider: "plan", path: "\(folder.path)/site.ndjson",
                feed: MemberRosterFeed(clock: clock.clock, longestAgeInDays: longestAge),
                kept: KeptRoster(
                    folder: folder.path, provider: "plan", issuer: issuer, claim: claim, limit: RosterFile.limit),
                seconds: 30)
            file.begin()
        }

        /// Who the login is; nil when nobody can be asked.
        var person: String? {
            get async {
                guard case .asked(let ask) = file.feed.source,
                    let answer = try? await ask(
                        ExternalIdentity(
                            provider: "plan", issuer: "https://idp.example", subject: "s", identifier: "M-1"))
                else { return nil }
                guard case .known(let facts) = answer else { return "nobody" }
                return facts.person?.description
            }
        }

        var problem: String? { file.feed.problem }
    }

    private func put(_ bytes: [UInt8], _ folder: Folder) throws {
        try PrivateFile.write(bytes, to: "\(folder.path)/site.ndjson")
    }

    private func kept(_ folder: Folder) -> String { "\(folder.path)/roster-plan.kept" }

    /// A folder in which a good roster was in force, and whose file is bad now.
    private func broken(_ date: String = "2026-11-25") async throws -> (folder: Folder, clock: ManualClock) {
        let folder = try Folder()
        let clock = ManualClock(at: Self.start)
        try put(Self.feed(date), folder)
        #expect(await Process(folder, clock).person == "Patient/p1")
        try put(Array("{".utf8), folder)
        return (folder, clock)
    }

    @Test(.verifies("house@ROSTER-KEPT")) func `where nothing was kept a bad file refuses`() async throws {
        let folder = try Folder()
        try put(Array("{".utf8), folder)
        let process = Process(folder, ManualClock(at: Self.start))
        #expect(await process.person == nil)
        #expect(process.problem != nil)
    }

    @Test(.verifies("house@ROSTER-KEPT"), arguments: [nil, 2, 60])
    func `a kept roster is believed for its age, and then refuses`(_ longestAge: Int?) async throws {
        let (folder, clock) = try await broken()
        let days = Int64(longestAge ?? 30)
        clock.advance(seconds: days * 86_400)
        #expect(await Process(folder, clock, longestAge: longestAge).person == "Patient/p1")
        let lasting = Process(folder, clock, longestAge: longestAge)
        clock.advance(seconds: 86_400)
        // Also in a process that was started before.
        for process in [lasting, Process(folder, clock, longestAge: longestAge)] {
            #expect(await process.person == nil)
            #expect(process.problem?.contains("too old to be believed") == true)
        }
    }

    @Test(.verifies("house@ROSTER-KEPT"), arguments: ["issuer", "claim"])
    func `a kept roster serves nobody else's logins`(_ what: String) async throws {
        let (folder, clock) = try await broken()
        let process = Process(
            folder, clock, issuer: what == "issuer" ? "https://other.example" : "https://idp.example",
            claim: what == "claim" ? "sub" : "member_id")
        #expect(await process.person == nil)
        #expect(process.problem?.contains("belongs to another issuer or claim") == true)
    }

    @Test(.verifies("house@ROSTER-KEPT"))
    func `a kept roster that was changed, cut short or can be read by others is not used`() async throws {
        let (folder, clock) = try await broken()
        let good = try #require(try PrivateFile.read(kept(folder)))
        var changed = good
        changed[good.count - 3] ^= 1
        for bad in [changed, Array(good.dropLast(5)), Array(good.prefix(10)), [], Array("x".utf8) + good] {
            try PrivateFile.write(bad, to: kept(folder))
            let process = Process(folder, clock)
            #expect(await process.person == nil)
            #expect(process.problem != nil)
        }
        try PrivateFile.write(good, to: kept(folder))
        #expect(chmod(kept(folder), 0o640) == 0)
        let open = Process(folder, clock)
        #expect(await open.person == nil)
        #expect(open.problem?.contains("mode 640") == true)
    }

    @Test(.verifies("house@ROSTER-KEPT"))
    func `an older file does not bring back who had gone, also after a start`() async throws {
        let (folder, clock) = try await broken()
        try put(Self.feed("2026-11-24", "p-old"), folder)
        let process = Process(folder, clock)
        #expect(await process.person == "Patient/p1")
        #expect(process.problem?.contains("is before that of the one in force") == true)
    }

    @Test(.verifies("house@ROSTER-KEPT"), arguments: ["bad", "gone"])
    func `a start goes on with the roster that was in force, and says so with its age`(_ what: String) async throws {
        let (folder, clock) = try await broken()
        if what == "gone" { unlink("\(folder.path)/site.ndjson") }
        clock.advance(seconds: 3 * 86_400)

        let process = Process(folder, clock)

        #expect(await process.person == "Patient/p1")
        let problem = try #require(process.problem)
        #expect(problem.contains("the roster of 2026-11-25, 3 days old, kept from before the start, is in force"))
        // A good file ends it, and is what the next start goes on with.
        try put(Self.feed("2026-11-27", "p2"), folder)
        process.file.load()
        #expect(process.problem == nil)
        try put(Array("{".utf8), folder)
        #expect(await Process(folder, clock).person == "Patient/p2")
    }

    @Test(.verifies("house@ROSTER-KEPT"))
    func `only a roster that cannot be asked takes the server out of service, and any other is remarked on`()
        async throws
    {
        func sources(_ process: Process) -> MemberSources { MemberSources(sources: [:], rosters: [process.file]) }
        let (folder, clock) = try await broken()
        let standing = sources(Process(folder, clock))
        #expect(standing.problem == nil)
        #expect(standing.remarks.count == 1 && standing.remarks[0].contains("kept from before the start, is in force"))
        clock.advance(seconds: 31 * 86_400)
        #expect(standing.problem?.contains("too old to be believed") == true && standing.remarks == [])

        let empty = try Folder()
        try put(Array("{".utf8), empty)
        let none = sources(Process(empty, clock))
        #expect(none.problem?.hasPrefix("the roster of plan: ") == true && none.remarks == [])

        try put(Self.feed("2026-12-25"), empty)
        let good = sources(Process(empty, clock))
        #expect(good.problem == nil && good.remarks == [])
    }

    @Test func `what is kept is its owner's alone, and goes with the state folder`() async throws {
        let (folder, _) = try await broken()
        var status = stat()
        #expect(stat(kept(folder), &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        try StateDirectory.wipe(folder.path)
        #expect(access(kept(folder), F_OK) != 0)
        // Nothing else was touched.
        #expect(access("\(folder.path)/site.ndjson", F_OK) == 0)
    }

    @Test func `a roster that cannot be kept is in force, and the report says so`() async throws {
        let folder = try Folder()
        try put(Self.feed("2026-11-25"), folder)
        // Something that no file can be renamed over.
        try StateDirectory.make(kept(folder))
        let process = Process(folder, ManualClock(at: Self.start))
        #expect(await process.person == "Patient/p1")
        #expect(process.problem?.contains("cannot be kept") == true)
        // It is no roster that was refused: its record is that of one that was taken.
        #expect(process.file.feed.refusal == nil && process.file.feed.isInForce)
        #expect(
            process.file.policy()?.digest
                == PolicyInForce(
                    "roster:plan", settings: [], files: [(process.file.path, Self.feed("2026-11-25"))]
                ).digest)
        #expect(rmdir(kept(folder)) == 0)
    }
}
