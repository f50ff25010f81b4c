internal import AccessPolicy
internal import Audit
internal import FHIRCore

// Answers above the limit, piece by piece (decision 11): an opening record before the first byte, a closing record with
// what was counted before the last one; whatever goes wrong between them cuts the connection.

extension GatewayExchange {
    /// Begins to judge the answer under way piece by piece, with the bytes that were too many for judging it whole, not
    /// packed any more; nil when it cannot be judged in that way.
    mutating func beginStream(_ bytes: [UInt8]) -> Action? {
        guard mayStream, receipt == nil, let head = buffer.head, let errand,
            let admission = errand.streamed(head),
            // A FHIR document in another format would have to be whole to be converted.
            format == .json || admission.head.plainContentType != nil
        else { return nil }
        var held = buffer.takeBody()
        held.append(contentsOf: bytes)
        flow = AnswerFlow(
            admission, held: held, limit: rules.limits.streamedBytes, named: errand.record.named,
            expected: errand.record.expected, gathering: rules.limits.gatheredBytes)
        state = .streaming
        return .openStream(errand.record.opening())
    }

    /// Nothing has been recorded or sent yet: it is an ordinary refusal.
    mutating func noRoom(_ refusal: StreamRefusal) -> Action {
        guard case .streaming = state, case .opening? = flow?.phase, receipt == nil else { return unexpected() }
        flow = nil
        return stop(GatewayRefusal(refusal), after: nil)
    }

    /// The opening record is durable.
    mutating func streamOpened(_ receipt: consuming OpeningReceipt, _ standing: AccessStanding) -> Action {
        guard case .opening? = flow?.phase, let errand, receipt.decisionID == errand.record.decisionID else {
            return unexpected()
        }
        pass = StreamPass(receipt)
        self.receipt = consume receipt
        if let end = standing.end { flow?.stop(.stopped(end)) }
        return flowOn()
    }

    /// A part of the patient index is durable.
    mutating func indexed(_ receipt: consuming ClosingReceipt) -> Action {
        guard case .streaming = state, case .indexing? = flow?.phase, let errand,
            receipt.decisionID == errand.record.part(flow?.parts ?? 0)
        else { return unexpected() }
        return flowOn()
    }

    /// Whether the answer ends before what waits for a part of the index: then that part is of nothing, and whoever drives
    /// the exchange marks its record instead of saying `indexed`.
    var isGivingUp: Bool {
        if case .streaming = state, case .indexing? = flow?.phase { flow?.isGivenUp ?? false } else { false }
    }

    /// A part of the patient index has been marked as one of nothing.
    mutating func indexDropped() -> Action { isGivingUp ? flowOn() : unexpected() }

    /// More of the answer has come.
    mutating func flowed(_ bytes: [UInt8]) -> Action {
        do throws(UpstreamFailure) { flow?.hold(try buffer.unpack(bytes)) } catch { flow?.stop(.failed(error)) }
        return flowOnIfWaiting()
    }

    /// The answer has ended, or must.
    mutating func flowEnded(_ end: AnswerFlow.End) -> Action {
        flow?.stop(end)
        return flowOnIfWaiting()
    }

    /// A part has been handed to the connection, or what is held back has been so for long enough: more may go.
    mutating func flowMore(_ isDue: Bool) -> Action {
        guard case .streaming = state else { return .wait }
        if isDue { flow?.heldLongEnough() }
        return flowOnIfWaiting()
    }

    /// Whether something that was released is held back until its patients are named: then `heldLongEnough` is to come.
    var holdsBack: Bool { if case .streaming = state { flow?.holdsBack ?? false } else { false } }

    /// What comes while a record is being written is looked at when it is durable.
    private mutating func flowOnIfWaiting() -> Action { flow?.isFlowing == true ? flowOn() : .wait }

    /// Whatever has been judged goes on.
    private mutating func flowOn() -> Action {
        flow?.phase = .flowing
        guard let pass, let errand, let step = flow?.advance() else { return unexpected() }
        switch step {
        case .wait: return .wait
        case .send(let released):
            let head = streamHead(pass)
            flow?.begin()
            return .send(StreamedPart(released, head: head, pass: pass))
        case .index(let part):
            return .index(errand.record.index(part.number, of: part.patients, released: part.released))
        case .finish(let released):
            flow?.phase = .finishing(released)
            return closeStream(.permitted)
        case .give(let end): return give(up: end)
        }
    }

    /// Status and header fields, as long as they have not been sent.
    private func streamHead(_ pass: StreamPass) -> StreamedHead? {
        guard let flow, !flow.hasBegun else { return nil }
        return StreamedHead(flow.admission.head, of: pass.decisionID, crossOrigin: rules.crossOrigin)
    }

    /// Ends the answer before its end: as a refusal as long as nothing of it has left, and else by cutting it.
    mutating func give(up end: AnswerFlow.End) -> Action {
        guard flow?.hasBegun == true else {
            flow = nil
            switch end {
            case .stopped(let refusal): return stop(refusal, after: nil)
            case .failed(let failure): return heard(.failed(failure))
            case .whole: return unexpected()
            }
        }
        flow?.phase = .cutting
        switch end {
        case .failed(let failure): return closeStream(.interrupted(reason: "stream-\(failure.rawValue)"))
        case .stopped(let refusal):
            return closeStream(
                .interrupted(reason: "stream-stopped: \(refusal.outcome.reason ?? refusal.outcome.code)"))
        case .whole: return unexpected()
        }
    }

    private mutating func closeStream(_ outcome: AccessOutcome) -> Action {
        var opened: OpeningReceipt?
        swap(&opened, &receipt)
        guard let flow, let errand, let receipt = consume opened else { return unexpected() }
        var draft = errand.record
        let before = draft.named
        let summary = flow.admission.summary
        draft.describe(summary)
        disobeyed = summary.disobeyed
        var (sent, reach) = (flow.sent, flow.reachSent)
        if case .finishing = flow.phase {
            var cut = draft
            cut.add(reach, openedWith: before)
            cutShort = cut.streamed(outcome, status: flow.admission.head.status, released: sent)
            draft.add(flow.unnamed.sorted())
            (sent, reach) = (summary.counts.released, flow.reach)
        }
        draft.add(reach, openedWith: before)
        return .close(receipt, draft.streamed(outcome, status: flow.admission.head.status, released: sent))
    }

    /// The closing record is durable: the last bytes go, or the connection is cut.
    mutating func streamClosed(_ receipt: consuming ClosingReceipt) -> Action {
        guard let pass, case .finishing(let released)? = flow?.phase else {
            guard case .cutting? = flow?.phase else { return unexpected() }
            state = .over
            return .cut
        }
        if isClientGone { return withdraw(receipt) }
        guard let part = StreamedPart(last: released, head: streamHead(pass), pass: pass, receipt: receipt) else {
            return unexpected()
        }
        state = .over
        flow = nil
        return .end(part)
    }
}
