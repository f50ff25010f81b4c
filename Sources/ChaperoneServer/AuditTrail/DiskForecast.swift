internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#endif

/// How large the audit log is, how it grows, and when its disk will be full if it goes on like that.
///
/// A class because a service samples and probes read; the lock is `samples`.
final class DiskForecast: Sendable {
    /// One look at the disk.
    struct Sample: Hashable, Sendable {
        /// Milliseconds.
        let at: Int64
        /// Bytes of the log with its write-ahead file.
        let used: Int64
        /// Bytes that are left on its disk.
        let free: Int64
    }

    /// Below this no answer with data is far from being refused, and health says so.
    static let leastFree: Int64 = 16 << 20
    /// A day of samples, one a minute.
    private static let capacity = 1440

    private let path: String
    private let samples = Mutex<[Sample]>([])

    init(path: String) { self.path = path }

    /// Looks at the disk now.
    func sample(at now: Int64) {
        guard let used = Self.size(path) else { return }
        var facts = statvfs()
        let folder = path.contains("/") ? String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) : "."
        guard statvfs(folder.isEmpty ? "/" : folder, &facts) == 0 else { return }
        add(
            Sample(
                at: now, used: used + (Self.size(path + "-wal") ?? 0),
                free: Int64(facts.f_bavail) * Int64(facts.f_frsize)))
    }

    func add(_ sample: Sample) {
        samples.withLock { samples in
            samples.append(sample)
            if samples.count > Self.capacity { samples.removeFirst(samples.count - Self.capacity) }
        }
    }

    var latest: Sample? { samples.withLock { $0.last } }

    /// Bytes a second, over the samples that are kept; 0 while there is one only or the log shrank.
    var growth: Double {
        samples.withLock { samples in
            guard let first = samples.first, let last = samples.last, last.at > first.at else { return 0 }
            return max(0, Double(last.used - first.used) * 1000 / Double(last.at - first.at))
        }
    }

    /// Bytes a second by which the room on the disk shrank, whoever took it; 0 while it did not.
    var shrinking: Double {
        samples.withLock { samples in
            guard let first = samples.first, let last = samples.last, last.at > first.at else { return 0 }
            return max(0, Double(first.free - last.free) * 1000 / Double(last.at - first.at))
        }
    }

    /// Seconds until the disk is full, by the log's own growth or by what all take together, whichever is sooner; nil
    /// while nothing grows.
    var secondsLeft: Double? {
        let speed = max(growth, shrinking)
        guard let latest, speed > 0 else { return nil }
        return Double(latest.free) / speed
    }

    /// What is wrong with the disk; nil when nothing is.
    var problem: String? {
        guard let latest, latest.free < Self.leastFree else { return nil }
        return "\(latest.free) bytes are left on the disk of the audit trail"
    }

    private static func size(_ path: String) -> Int64? {
        var facts = stat()
        guard stat(path, &facts) == 0 else { return nil }
        return Int64(facts.st_size)
    }
}
