internal import CertificateTrust

/// What was found out about certificates, by their thumbprints and within bounds. Pure.
///
/// A certificate that was withdrawn is never forgotten for one that was not: nobody can make room among the withdrawn
/// ones by showing others.
struct JudgedCertificates: Sendable {
    /// What is known of one.
    struct Entry: Sendable {
        /// The path that was found when one was; it is not lost when the certificate comes without the others later.
        var path: CertificatePath?
        var isWithdrawn: Bool
        /// The state of the lists under which it was judged, and how long that counts.
        var generation: Int
        var until: Int64
    }

    /// The most of either kind.
    let limit: Int
    private var open: [String: Entry] = [:]
    private var withdrawn: [String: Entry] = [:]

    init(limit: Int) { self.limit = limit }

    var count: Int { open.count + withdrawn.count }

    subscript(thumbprint: String) -> Entry? { withdrawn[thumbprint] ?? open[thumbprint] }

    /// Those that are not withdrawn, have a path, and were judged under other lists.
    func open(but generation: Int) -> [(thumbprint: String, path: CertificatePath)] {
        open.compactMap { thumbprint, entry in
            entry.generation == generation ? nil : entry.path.map { (thumbprint, $0) }
        }
    }

    /// Notes a judgement, unless one under newer lists has it withdrawn.
    mutating func note(_ thumbprint: String, _ entry: Entry, at now: Int64) {
        if !entry.isWithdrawn, let held = withdrawn[thumbprint], held.generation > entry.generation { return }
        open[thumbprint] = nil
        withdrawn[thumbprint] = nil
        if entry.isWithdrawn {
            if withdrawn.count >= limit { dropWithdrawn() }
            withdrawn[thumbprint] = entry
        } else {
            if open.count >= limit { open = open.filter { now < $0.value.until } }
            // A flood of certificates that all count now: they are judged anew when they come again.
            if open.count >= limit { open = [:] }
            open[thumbprint] = entry
        }
    }

    /// Notes that one that was judged before is, or is still not, withdrawn under newer lists.
    mutating func renew(_ thumbprint: String, isWithdrawn: Bool, generation: Int, at now: Int64) {
        guard var entry = open[thumbprint], entry.generation <= generation else { return }
        entry.isWithdrawn = isWithdrawn
        entry.generation = generation
        note(thumbprint, entry, at: now)
    }

    /// Lets go of withdrawn ones where there are too many: those that no authority is known to have made, else a tenth,
    /// those first that were judged longest ago. A list that still stands finds them again.
    private mutating func dropWithdrawn() {
        withdrawn = withdrawn.filter { $0.value.path != nil }
        guard withdrawn.count >= limit else { return }
        let oldest = withdrawn.sorted { $0.value.until < $1.value.until }.prefix(max(1, limit / 10))
        for (thumbprint, _) in oldest { withdrawn[thumbprint] = nil }
    }
}
