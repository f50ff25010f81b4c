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
/// fills their bucket: nobody searches the whole map. Whoever has enough networks could have theirs forgotten and full again
/// at will; so for as long as a bucket takes to fill after some were forgotten, all sources together have one more bucket,
/// fifty times as large as a source's. Only then does anybody pay for the requests of others.
struct SourceBuckets {
    /// The most sources that are remembered, sites included.
    static let capacity = 20_000
    /// How many times a source's budget a site of many sources has.
    static let siteFactor = 10.0
    /// How many times a source's budget all sources have together while buckets are forgotten before they are full.
    static let commonFactor = 50.0

    // Two generations: what is used moves to the young one; when that is half of all, the old one is dropped.
    private var young: [String: TokenBucket] = [:]
    private var old: [String: TokenBucket] = [:]
    /// When sources were last forgotten, and what all have together since.
    private var forgottenAt: Int64?
    private var common: TokenBucket?

    /// How many sources are remembered.
    var count: Int { young.count + old.count }

    /// Takes one from the bucket of an address's source and of its site, if both have one, and from that of all.
    mutating func take(from address: String, _ limit: BudgetLimits.Rate, at now: Int64) -> Bool {
        // Asked first, so that what is refused here is not remembered and makes nobody else forgotten.
        guard takeCommon(limit, at: now) else { return false }
        let source = SourceNetwork.key(of: address)
        let site = SourceNetwork.site(of: address)
        if let site, !takeOne(site, Self.times(Self.siteFactor, limit), at: now) {
            giveCommonBack(limit)
            return false
        }
        guard takeOne(source, limit, at: now) else {
            // What is refused for one costs nothing elsewhere.
            if let site { giveOneBack(site, Self.times(Self.siteFactor, limit)) }
            giveCommonBack(limit)
            return false
        }
        return true
    }

    /// Gives back what was taken.
    mutating func giveBack(to address: String, _ limit: BudgetLimits.Rate) {
        giveOneBack(SourceNetwork.key(of: address), limit)
        if let site = SourceNetwork.site(of: address) { giveOneBack(site, Self.times(Self.siteFactor, limit)) }
        giveCommonBack(limit)
    }

    private mutating func giveCommonBack(_ limit: BudgetLimits.Rate) {
        guard let bucket = common else { return }
        common?.tokens = min(Self.times(Self.commonFactor, limit).burst, bucket.tokens + 1)
    }

    /// Takes one from what all have together, where buckets were forgotten that might not be full by now.
    private mutating func takeCommon(_ limit: BudgetLimits.Rate, at now: Int64) -> Bool {
        guard let forgottenAt, Double(now - forgottenAt) < limit.burst / limit.perSecond else {
            common = nil
            return true
        }
        let commonLimit = Self.times(Self.commonFactor, limit)
        var bucket = common ?? TokenBucket(tokens: commonLimit.burst, filledAt: now)
        defer { common = bucket }
        return bucket.take(commonLimit, at: now)
    }

    private static func times(_ factor: Double, _ limit: BudgetLimits.Rate) -> BudgetLimits.Rate {
        .init(burst: limit.burst * factor, perSecond: limit.perSecond * factor)
    }

    private mutating func takeOne(_ key: String, _ limit: BudgetLimits.Rate, at now: Int64) -> Bool {
        if young[key] == nil {
            if young.count >= Self.capacity / 2 {
                if !old.isEmpty { forgottenAt = now }
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
