/// The modulus and exponent of an RSA key, checked before the engine sees them.
struct RSAPublicNumbers: Hashable, Sendable {
    let modulus: [UInt8]
    let exponent: [UInt8]

    /// Takes both in big-endian order; throws for a size outside 2048 to 4096 bits, an even or too small exponent,
    /// leading zeros, and moduli that fall to known cheap attacks.
    init(modulus: [UInt8], exponent: [UInt8]) throws(JOSEError) {
        // RFC 7518 §6.3.1.1: the least number of octets.
        guard let first = modulus.first, first != 0, let last = modulus.last, !last.isMultiple(of: 2) else {
            throw .keyRefused
        }
        let bits = modulus.count * 8 - first.leadingZeroBitCount
        guard (2048...4096).contains(bits) else { throw .keyRefused }
        let value = exponent.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard (1...4).contains(exponent.count), exponent.first != 0, value >= 3, !value.isMultiple(of: 2) else {
            throw .keyRefused
        }
        guard !Self.isWeak(modulus) else { throw .keyRefused }
        self.modulus = modulus
        self.exponent = exponent
    }

    private static let smallPrimes: [UInt32] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
        109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ]

    /// Whether a small prime divides the modulus, or it has the fingerprint of CVE-2017-15361 (ROCA): modulo every
    /// small prime it is a power of 65537.
    private static func isWeak(_ modulus: [UInt8]) -> Bool {
        var hasFingerprint = true
        for prime in smallPrimes {
            let remainder = modulus.reduce(UInt32(0)) { ($0 << 8 | UInt32($1)) % prime }
            if remainder == 0 { return true }
            if hasFingerprint { hasFingerprint = isPower(of: 65537 % prime, remainder, modulo: prime) }
        }
        return hasFingerprint
    }

    private static func isPower(of base: UInt32, _ value: UInt32, modulo prime: UInt32) -> Bool {
        var power: UInt32 = 1
        repeat {
            if power == value { return true }
            power = power * base % prime
        } while power != 1
        return false
    }
}
