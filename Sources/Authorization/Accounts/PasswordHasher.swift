internal import CArgon2
internal import Dispatch
public import OAuthCore
internal import Synchronization

/// The cost of an argon2id hash (RFC 9106).
public struct Argon2Parameters: Hashable, Sendable {
    public let passes: UInt32
    public let memoryKiB: UInt32
    public let lanes: UInt32

    public init(passes: UInt32, memoryKiB: UInt32, lanes: UInt32 = 1) {
        self.passes = passes
        self.memoryKiB = memoryKiB
        self.lanes = lanes
    }

    /// Two passes over 19 MiB: about 45 ms of one core.
    public static let standard = Argon2Parameters(passes: 2, memoryKiB: 19 * 1024)
}

/// Why a password could not be hashed or compared.
public enum PasswordHashingError: Error, Hashable, Sendable {
    /// Too many callers are waiting already; the answer is 503.
    case busy
    /// The password is longer than anybody types.
    case tooLong
    /// The library reported this code.
    case failed(Int32)
}

/// Hashes and compares passwords with argon2id, a few at a time and off the cooperative threads, so that a storm of
/// logins costs the logins and not the rest of the server.
public struct PasswordHasher: Sendable {
    /// No password longer than this in bytes is looked at.
    public static let longestPassword = 1024

    private let parameters: Argon2Parameters
    private let lane: WorkLane
    private let random: RandomBytes
    /// What unknown users' passwords are compared with, so that they take as long as known ones.
    private let decoy: PasswordHash

    /// Takes the random source for salts. `width` hashes run at once and `waiting` more may queue.
    public init(
        parameters: Argon2Parameters = .standard, width: Int = 2, waiting: Int = 64,
        random: @escaping @Sendable (Int) -> [UInt8]
    ) throws(PasswordHashingError) {
        self.parameters = parameters
        self.lane = WorkLane(width: width, waiting: waiting)
        self.random = RandomBytes(bytes: random)
        decoy = try Self.hash("", salt: random(16), parameters)
    }

    /// The encoded hash of a password under a fresh salt.
    public func hash(_ password: Secret) async throws(PasswordHashingError) -> PasswordHash {
        guard password.reveal().utf8.count <= Self.longestPassword else { throw .tooLong }
        let salt = random.bytes(16)
        let parameters = parameters
        return try await lane.run { () throws(PasswordHashingError) in
            try Self.hash(password.reveal(), salt: salt, parameters)
        }
    }

    /// Whether the password belongs to the hash. Without a hash it does the same work and answers no.
    public func verify(_ password: Secret, against hash: PasswordHash?) async throws(PasswordHashingError) -> Bool {
        let isPlausible = password.reveal().utf8.count <= Self.longestPassword
        let text = isPlausible ? password.reveal() : ""
        let encoded = (hash ?? decoy).encoded
        let matches = try await lane.run { () throws(PasswordHashingError) in
            try Self.verify(text, encoded: encoded)
        }
        return matches && isPlausible && hash != nil
    }

    private static func hash(
        _ password: String, salt: [UInt8], _ parameters: Argon2Parameters
    ) throws(PasswordHashingError) -> PasswordHash {
        let hashLength = 32
        let capacity = argon2_encodedlen(
            parameters.passes, parameters.memoryKiB, parameters.lanes, UInt32(salt.count), UInt32(hashLength),
            Argon2_id)
        var encoded = [CChar](repeating: 0, count: capacity)
        let bytes = Array(password.utf8)
        let code = argon2id_hash_encoded(
            parameters.passes, parameters.memoryKiB, parameters.lanes, bytes, bytes.count, salt, salt.count,
            hashLength, &encoded, capacity)
        guard code == ARGON2_OK.rawValue else { throw .failed(code) }
        return PasswordHash(encoded: String(decoding: encoded.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self))
    }

    private static func verify(_ password: String, encoded: String) throws(PasswordHashingError) -> Bool {
        let bytes = Array(password.utf8)
        let code = argon2id_verify(encoded, bytes, bytes.count)
        switch code {
        case ARGON2_OK.rawValue: return true
        case ARGON2_VERIFY_MISMATCH.rawValue: return false
        default: throw .failed(code)
        }
    }
}

/// The random source as a value with a name.
private struct RandomBytes: Sendable {
    let bytes: @Sendable (Int) -> [UInt8]
}

/// A bounded number of threads for slow synchronous work, with a bounded queue before them.
final class WorkLane: Sendable {
    private struct State {
        var running = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let width: Int
    private let limit: Int
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "chaperone.password", attributes: .concurrent)

    init(width: Int, waiting: Int) {
        self.width = max(width, 1)
        self.limit = waiting
    }

    /// Runs the work on a thread of its own when its turn comes; refuses when too many wait.
    func run<Value: Sendable>(
        _ work: @escaping @Sendable () throws(PasswordHashingError) -> Value
    ) async throws(PasswordHashingError) -> Value {
        try await enter()
        let result = await withCheckedContinuation { continuation in
            queue.async {
                continuation.resume(returning: Result { () throws(PasswordHashingError) in try work() })
            }
        }
        leave()
        return try result.get()
    }

    private enum Admission { case run, wait, refuse }

    private func enter() async throws(PasswordHashingError) {
        let admission = state.withLock { state -> Admission in
            if state.running < width {
                state.running += 1
                return .run
            }
            return state.waiting.count < limit ? .wait : .refuse
        }
        switch admission {
        case .run: return
        case .refuse: throw .busy
        case .wait:
            await withCheckedContinuation { continuation in
                let mayRun = state.withLock { state -> Bool in
                    // The lane may have emptied since; then nobody would ever wake us.
                    if state.running < width {
                        state.running += 1
                        return true
                    }
                    state.waiting.append(continuation)
                    return false
                }
                if mayRun { continuation.resume() }
            }
        }
    }

    /// Hands the place to the next in line, or gives it up.
    private func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.running -= 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}
