internal import Foundation
internal import ReferencePolicy

/// The differential test at length: `differential [--cases N] [--jobs N] [--seed N]`, built for release.
///
/// The cases are shared out among jobs and kinds; each piece begins at a seed of its own and remembers nothing, so that
/// memory stays as it is however many there are. Ends with 1 at the first disagreement and prints it.
@main
struct Differential {
    /// Judged requests of a piece.
    private static let pieceSize = 20_000

    private struct Piece: Sendable {
        let kind: DifferentialRun.Kind
        let seed: UInt64
    }

    static func main() async {
        let cases = option("--cases", 1_000_000)
        let jobs = max(1, option("--jobs", 2))
        let pieces = pieces(of: cases, seed: UInt64(option("--seed", 1)))
        let start = ContinuousClock.now
        var total: [DifferentialRun.Kind: DifferentialRun.Tally] = [:]
        do {
            try await withThrowingTaskGroup(of: (DifferentialRun.Kind, DifferentialRun.Tally).self) { group in
                for (place, piece) in pieces.enumerated() {
                    if place >= jobs, let done = try await group.next() { add(done, to: &total, since: start) }
                    group.addTask {
                        var run = try DifferentialRun(piece.kind, after: piece.seed)
                        return (piece.kind, try run.run(pieceSize))
                    }
                }
                while let done = try await group.next() { add(done, to: &total, since: start) }
            }
        } catch {
            print("disagreement: \(error)")
            exit(1)
        }
        report(total, since: start)
    }

    /// Of ten pieces five are reads, three writes, two conditions.
    private static func pieces(of cases: Int, seed: UInt64) -> [Piece] {
        let kinds: [DifferentialRun.Kind] = [
            .reads, .writes, .reads, .conditions, .reads, .writes, .reads, .conditions, .reads, .writes,
        ]
        return (0..<(cases + pieceSize - 1) / pieceSize).map { place in
            // A piece takes far fewer worlds than lie between two seeds.
            Piece(kind: kinds[place % kinds.count], seed: seed << 56 + UInt64(place) << 24)
        }
    }

    private static func add(
        _ done: (DifferentialRun.Kind, DifferentialRun.Tally),
        to total: inout [DifferentialRun.Kind: DifferentialRun.Tally], since start: ContinuousClock.Instant
    ) {
        let before = total.values.reduce(0) { $0 + $1.judged } / 1_000_000
        total[done.0, default: .init()].judged += done.1.judged
        total[done.0, default: .init()].found += done.1.found
        if total.values.reduce(0, { $0 + $1.judged }) / 1_000_000 > before { report(total, since: start) }
    }

    private static func report(
        _ total: [DifferentialRun.Kind: DifferentialRun.Tally], since start: ContinuousClock.Instant
    ) {
        let judged = total.values.reduce(0) { $0 + $1.judged }
        let seconds = Double((ContinuousClock.now - start).components.seconds)
        let parts = DifferentialRun.Kind.allCases.map { kind in
            let tally = total[kind] ?? .init()
            return "\(kind.rawValue) \(tally.judged) (\(tally.found) found)"
        }
        let rate = Int(Double(judged) / max(1, seconds))
        // Not `print`, which a pipe would hold back for hours.
        try? FileHandle.standardOutput.write(
            contentsOf: Data(
                "\(judged) judged in \(Int(seconds)) s, \(rate) a second, \(residentMegabytes) MB: \(parts.joined(separator: ", "))\n"
                    .utf8))
    }

    /// Memory of this process now, where the system tells.
    private static var residentMegabytes: Int {
        // Its size is said to be nothing, so that it is read to its end.
        guard let data = try? FileHandle(forReadingAtPath: "/proc/self/statm")?.readToEnd(),
            let pages = String(decoding: data, as: UTF8.self).split(separator: " ").dropFirst().first.flatMap({
                Int($0)
            })
        else { return 0 }
        return pages * 4_096 / 1_048_576
    }

    private static func option(_ name: String, _ otherwise: Int) -> Int {
        let arguments = CommandLine.arguments
        guard let place = arguments.firstIndex(of: name), place + 1 < arguments.count else { return otherwise }
        guard let number = Int(arguments[place + 1]), number > 0 else {
            print("\(name) takes a number")
            exit(2)
        }
        return number
    }
}
