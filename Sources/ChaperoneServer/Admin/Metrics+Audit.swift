internal import Audit

extension Metrics {
    /// Adds how long writing takes, how far feeds are behind, and how the disk fills.
    func addAudit(_ sink: TimedAuditSink, _ side: AuditSide) {
        histogram("chaperone_audit_sync_seconds", help: "How long an append of audit records took to become durable.") {
            let figures = sink.measured
            return Histogram(
                bounds: TimedAuditSink.Figures.bounds.map { $0 / 1000 }, buckets: figures.buckets,
                sum: figures.sum / 1000, count: figures.count)
        }
        gauge("chaperone_audit_append_failures", help: "Appends of audit records that failed since the start.") {
            Double(sink.measured.failures)
        }
        gauge("chaperone_audit_lag_seconds", help: "For how long the append that runs now has been running.") {
            guard let since = sink.measured.runningSince else { return 0 }
            let running = since.duration(to: .now).components
            return Double(running.seconds) + Double(running.attoseconds) / 1e18
        }
        gauge("chaperone_audit_disk_bytes", help: "Size of the audit log with its write-ahead file.") {
            Double(side.forecast.latest?.used ?? 0)
        }
        gauge("chaperone_audit_disk_free_bytes", help: "What is left on the disk of the audit log.") {
            Double(side.forecast.latest?.free ?? 0)
        }
        gauge("chaperone_audit_disk_growth_bytes_per_second", help: "How the audit log grew, over a day at most.") {
            side.forecast.growth
        }
        gauge(
            "chaperone_audit_disk_full_seconds", help: "When the disk is full if it goes on so; -1 while nothing grows."
        ) {
            side.forecast.secondsLeft ?? -1
        }
        labelled(
            "chaperone_audit_feed_waiting", help: "Records or checkpoints that a feed has still to deliver.",
            label: "feed"
        ) {
            guard let lags = try? side.feedLags() else { return [] }
            return lags.map { ($0.name, Double($0.waiting)) }
        }
        labelled(
            "chaperone_audit_feed_refused",
            help: "Records that a feed went on without since the start, because its receiver would not take them.",
            label: "feed"
        ) { side.feeds.map { ($0.name, Double(side.watch.givenUp($0.name))) } }
        labelled(
            "chaperone_audit_problem", help: "1 for background work on the audit trail that failed last.", label: "work"
        ) {
            side.watch.problems.map { ($0.work, 1) }
        }
    }

    /// Adds what requests without valid credentials come to in the log, and the most that they can.
    func addRefusals(_ ledgers: [RefusalLedger], _ side: AuditSide) {
        gauge(
            "chaperone_audit_refusals_summed",
            help: "Refusals of requests without valid credentials that are in sums, since the start."
        ) { Double(ledgers.reduce(0) { $0 + $1.total }) }
        gauge(
            "chaperone_audit_flood_bytes_per_day",
            help: "The most by which requests without valid credentials can make the audit log grow in a day."
        ) { ledgers.reduce(0) { $0 + $1.limits.recordsPerDay } * side.bytesPerRecord }
    }
}
