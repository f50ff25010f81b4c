import NIOCore
import NIOEmbedded
import RequirementTraits
import Testing

@testable import Enforcement

@Suite struct LoopDeadlineTests {
    private let loop = EmbeddedEventLoop()

    @Test func `a limit passes when its time is up and not before`() {
        var passed = 0
        let deadline = LoopDeadline(on: loop) { passed += 1 }

        deadline.set(in: .seconds(30))
        loop.advanceTime(by: .seconds(29))
        #expect(passed == 0)
        loop.advanceTime(by: .seconds(1))

        #expect(passed == 1)
    }

    @Test func `a limit that was moved to a later moment passes then`() {
        var passed = 0
        let deadline = LoopDeadline(on: loop) { passed += 1 }

        deadline.set(in: .seconds(30))
        loop.advanceTime(by: .seconds(20))
        deadline.set(in: .seconds(60))
        loop.advanceTime(by: .seconds(59))
        #expect(passed == 0)
        loop.advanceTime(by: .seconds(1))

        #expect(passed == 1)
    }

    @Test func `a limit that was moved to an earlier moment passes then`() {
        var passed = 0
        let deadline = LoopDeadline(on: loop) { passed += 1 }

        deadline.set(in: .seconds(60))
        deadline.set(in: .seconds(1))
        loop.advanceTime(by: .seconds(1))

        #expect(passed == 1)
    }

    @Test func `a limit that was lifted does not pass`() {
        var passed = 0
        let deadline = LoopDeadline(on: loop) { passed += 1 }

        deadline.set(in: .seconds(1))
        deadline.clear()
        loop.advanceTime(by: .seconds(2))
        deadline.set(in: .seconds(1))
        deadline.end()
        loop.advanceTime(by: .seconds(2))

        #expect(passed == 0)
    }

    @Test func `a limit can be set again after it has passed`() {
        var passed = 0
        let deadline = LoopDeadline(on: loop) { passed += 1 }

        for _ in 0..<3 {
            deadline.set(in: .seconds(1))
            loop.advanceTime(by: .seconds(1))
        }

        #expect(passed == 3)
    }
}

@Suite struct DeadlineWatchTests {
    private final class Wait: Timed {
        var due: NIODeadline
        var watchPlace: Int?
        var overdue = 0
        var then: () -> Void = {}

        init(until due: NIODeadline) { self.due = due }

        func isOverdue() {
            overdue += 1
            then()
        }
    }

    private let loop = EmbeddedEventLoop()

    @Test func `each thing is told once when its time is up`() {
        let watch = DeadlineWatch(on: loop)
        let waits = [5, 1, 3].map { Wait(until: loop.now + .seconds($0)) }
        for wait in waits { watch.add(wait) }

        loop.advanceTime(by: .seconds(3))
        #expect(waits.map(\.overdue) == [0, 1, 1])
        loop.advanceTime(by: .seconds(10))

        #expect(waits.map(\.overdue) == [1, 1, 1])
    }

    @Test func `what was let go is not told`() {
        let watch = DeadlineWatch(on: loop)
        let waits = (1...4).map { Wait(until: loop.now + .seconds(Int64($0))) }
        for wait in waits { watch.add(wait) }

        watch.remove(waits[0])
        watch.remove(waits[2])
        watch.remove(waits[2])
        loop.advanceTime(by: .seconds(10))

        #expect(waits.map(\.overdue) == [0, 1, 0, 1])
    }

    @Test func `a time that moved to a later moment is kept, and one that moved to an earlier is heard of`() {
        let watch = DeadlineWatch(on: loop)
        let later = Wait(until: loop.now + .seconds(1))
        let earlier = Wait(until: loop.now + .seconds(60))
        watch.add(later)
        watch.add(earlier)

        later.due = loop.now + .seconds(30)
        loop.advanceTime(by: .seconds(2))
        earlier.due = loop.now + .seconds(1)
        watch.sharpen(to: earlier.due)
        loop.advanceTime(by: .seconds(1))
        #expect([later.overdue, earlier.overdue] == [0, 1])
        loop.advanceTime(by: .seconds(27))

        #expect(later.overdue == 1)
    }

    @Test func `being told may let others go and add new ones`() {
        let watch = DeadlineWatch(on: loop)
        let first = Wait(until: loop.now + .seconds(1))
        let second = Wait(until: loop.now + .seconds(1))
        let third = Wait(until: loop.now + .seconds(2))
        first.then = {
            watch.remove(second)
            watch.add(third)
        }
        watch.add(first)
        watch.add(second)

        loop.advanceTime(by: .seconds(5))

        #expect([first.overdue, second.overdue, third.overdue] == [1, 0, 1])
    }
}
