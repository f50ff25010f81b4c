import AccessPolicy
import RequirementTraits
import Testing

@testable import Enforcement

/// How many answers may stream at one time.
@Suite struct StreamSlotsTests {
    private static func refusal(_ slots: StreamSlots, _ client: String, keeping kept: inout [StreamSlot])
        -> StreamRefusal?
    {
        do throws(StreamRefusal) {
            kept.append(try slots.take(ClientID(client)))
            return nil
        } catch { return error }
    }

    @Test(.verifies("house@STREAM-ROOM"))
    func `a client has no more than its own, and all no more than there are`() {
        let slots = StreamSlots(mostOfClient: 2, most: 3)
        var kept: [StreamSlot] = []

        let refusals = ["a", "a", "a", "b", "b", "c"].map { Self.refusal(slots, $0, keeping: &kept) }

        #expect(refusals == [nil, nil, .tooManyOfClient, nil, .tooMany, .tooMany])
    }

    @Test(.verifies("house@STREAM-ROOM"))
    func `a place that is let go is there again`() {
        let slots = StreamSlots(mostOfClient: 1, most: 1)
        var kept: [StreamSlot] = []
        for client in ["a", "a", "b"] {
            #expect(Self.refusal(slots, client, keeping: &kept) == nil)
            #expect(Self.refusal(slots, client, keeping: &kept) == .tooManyOfClient)
            #expect(Self.refusal(slots, "z", keeping: &kept) == .tooMany)
            kept = []
        }
    }
}
