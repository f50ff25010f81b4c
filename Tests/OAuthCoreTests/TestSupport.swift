import AccessPolicy
import FHIRCore
import Testing

@testable import OAuthCore

/// Keys made once for the whole run; nothing is ever protected by them.
enum TestKeys {
    static let es256 = make(.es256, "es256")
    static let es384 = make(.es384, "es384")
    static let rs256 = make(.rs256, "rs256")
    static let rs384 = make(.rs384, "rs384")
    static let ps256 = make(.ps256, "ps256")
    static let ps384 = make(.ps384, "ps384")
    static let otherES256 = make(.es256, "es256")
    static let otherES384 = make(.es384, "es384")

    static let all: [SignatureAlgorithm: PrivateJWK] = [
        .es256: es256, .es384: es384, .rs256: rs256, .rs384: rs384, .ps256: ps256, .ps384: ps384,
    ]
    static let set = JWKSet([es256, es384, rs256, rs384, ps256, ps384].map(\.publicKey))

    static func key(_ algorithm: SignatureAlgorithm) throws -> PrivateJWK { try #require(all[algorithm]) }

    private static func make(_ algorithm: SignatureAlgorithm, _ name: String) -> PrivateJWK {
        do { return try PrivateJWK.generate(algorithm, keyID: name) } catch { preconditionFailure("\(error)") }
    }
}

/// Makes tokens that no well-behaved signer would make.
enum Forge {
    /// A token with exactly this header and these claims, honestly signed over what stands there.
    static func token(header: String, claims: String, key: PrivateJWK) throws -> String {
        let input = Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(Array(claims.utf8))
        return input + "." + Base64URL.encode(try key.signature(over: Array(input.utf8)))
    }
}

/// Rules that let every algorithm pass, so that only the check under test can refuse.
let anyAlgorithm = JWSRules(algorithms: Set(SignatureAlgorithm.allCases), types: ["jwt"])

func form(_ text: String) throws -> FormParameters { try FormParameters(parsing: text) }

/// What a throwing call refused with.
func refusal<E: Error, T>(_: E.Type = E.self, _ body: () throws -> T) -> E? {
    do {
        _ = try body()
        return nil
    } catch { return error as? E }
}
