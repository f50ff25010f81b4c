/// What a bucket holds, and how fast it fills.
struct TokenBucket: Hashable {
    var tokens: Double
    var filledAt: Int64

    /// Takes one, if there is one.
    mutating func take(_ limit: BudgetLimits.Rate, at now: Int64) -> Bool {
        fill(limit, at: now)
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    mutating func fill(_ limit: BudgetLimits.Rate, at now: Int64) {
        guard now > filledAt else { return }
        tokens = min(limit.burst, tokens + Double(now - filledAt) * limit.perSecond)
        filledAt = now
    }
}

/// A bucket for each source, and one for each site that has many of them, in bounded memory and constant time.
///
/// A source is a network as `SourceNetwork` tells them apart. A site (an IPv6 /48, RFC 6177) holds 65,536 of them, so it
/// has a bucket of its own, ten times as large: whoever owns one cannot have more by taking another address for each
/// request. When there are too many sources at once, those that have not been heard of for longest are forgotten, which
/// fills their bucket: nobody pays for the requests of others, and nobody searches the whole map.
struct SourceBuckets {
    /// The most sources that are remembered, sites included.
    static let capacity = 20_000
    /// How many times a source's budget a site of many sources has.
    static let siteFactor = 10.0

    // Two generations: what is used moves to the young one; when that is half of all, the old one is dropped.
    private var young: [String: TokenBucket] = [:]
    private var old: [String: TokenBucket] = [:]

    /// How many sources are remembered.
    var count: Int { young.count + old.count }

    /// Takes one from the bucket of an address's source and of its site, if both have one.
    mutating func take(from address: String, _ limit: BudgetLimits.Rate, at now: Int64) -> Bool {
        let source = SourceNetwork.key(of: address)
        guard let site = SourceNetwork.site(of: address) else { return takeOne(source, limit, at: now) }
        let siteLimit = Self.siteLimit(limit)
        guard takeOne(site, siteLimit, at: now) else { return false }
        guard takeOne(source, limit, at: now) else {
            // What is refused for the source costs its neighbours nothing.
            giveOneBack(site, siteLimit)
            return false
        }
        return true
    }

    /// Gives back what was taken.
    mutating func giveBack(to address: String, _ limit: BudgetLimits.Rate) {
        giveOneBack(SourceNetwork.key(of: address), limit)
        if let site = SourceNetwork.site(of: address) { giveOneBack(site, Self.siteLimit(limit)) }
    }

    private static func siteLimit(_ limit: BudgetLimits.Rate) -> BudgetLimits.Rate {
        .init(burst: limit.burst * siteFactor, perSecond: limit.perSecond * siteFactor)
    }

    private mutating func takeOne(_ key: String, _ limit: BudgetLimits.Rate, at now: Int64) -> Bool {
        if young[key] == nil {
            if young.count >= Self.capacity / 2 {
                old = young
                young = [:]
            }
            young[key] = old.removeValue(forKey: key) ?? TokenBucket(tokens: limit.burst, filledAt: now)
        }
        return young[key]?.take(limit, at: now) ?? false
    }

    private mutating func giveOneBack(_ key: String, _ limit: BudgetLimits.Rate) {
        if let bucket = young[key] {
            young[key]?.tokens = min(limit.burst, bucket.tokens + 1)
        } else if let bucket = old[key] {
            old[key]?.tokens = min(limit.burst, bucket.tokens + 1)
        }
    }
}
