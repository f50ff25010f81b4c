import NIOCore
import RequirementTraits
import Testing

@testable import Enforcement

/// How slowly a client may read.
@Suite struct ReadingPaceTests {
    private static func moment(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(seconds) }

    /// One minute, a thousand bytes a second.
    private static var pace: ReadingPace { ReadingPace(milliseconds: 60_000, bytesPerSecond: 1_000) }

    @Test(.verifies("house@STREAM-ROOM"), arguments: [(0, true), (59_999, true), (60_000, false)])
    func `a window of waiting in which too little was taken is too slow`(taken: Int, isTooSlow: Bool) {
        var pace = Self.pace
        pace.wait(at: Self.moment(0))
        pace.took(taken)

        let due = pace.due
        let early = pace.isTooSlow(at: Self.moment(59))
        let verdict = pace.isTooSlow(at: Self.moment(60))

        #expect(due == Self.moment(60) && !early && verdict == isTooSlow)
    }

    @Test(.verifies("house@STREAM-ROOM"))
    func `waiting counts together however it is scattered`() {
        var pace = Self.pace
        // 64 kB once a minute, of which the first half of each is taken at once.
        for minute in 0..<3 {
            pace.wait(at: Self.moment(Int64(minute) * 25))
            pace.took(5_000)
            pace.goOn(at: Self.moment(Int64(minute) * 25 + 20))
        }

        let verdict = pace.isTooSlow(at: Self.moment(75))

        #expect(verdict)
    }

    @Test func `time in which nobody waits for the client is not its own`() {
        var pace = Self.pace
        pace.wait(at: Self.moment(0))
        pace.goOn(at: Self.moment(1))

        let (due, verdict) = (pace.due, pace.isTooSlow(at: Self.moment(1_000)))

        #expect(due == nil && !verdict)
    }

    @Test(.verifies("house@STREAM-ROOM"))
    func `what was taken in one window does not excuse the next`() {
        var pace = Self.pace
        // Before anybody waited: of no account.
        pace.took(1 << 30)
        pace.wait(at: Self.moment(0))
        pace.took(100_000)
        let first = pace.isTooSlow(at: Self.moment(60))
        let due = pace.due
        let second = pace.isTooSlow(at: Self.moment(120))

        #expect(!first && second)
        #expect(due == Self.moment(120))
    }

    @Test func `a pace of nothing still wants something`() {
        var pace = ReadingPace(milliseconds: 10, bytesPerSecond: 1)
        pace.wait(at: Self.moment(0))

        let verdict = pace.isTooSlow(at: Self.moment(1))

        #expect(verdict)
    }
}
