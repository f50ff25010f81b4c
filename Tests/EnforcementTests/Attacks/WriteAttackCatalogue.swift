import ChaperoneTesting
import FHIRCore
import FoundationEssentials
import Testing

/// The attacks of `fixtures/attacks/writes.json`: requests that would change something, with what they may change.
struct WriteAttackCatalogue {
    struct Attack: CustomTestStringConvertible {
        let id: String
        let why: String
        let method: String
        let target: String
        let token: String
        let headers: [(name: String, value: String)]
        let body: [UInt8]
        let status: [Int]
        /// The statuses of a Bundle's entries, in order.
        let entries: [Int]?
        /// Resources that may differ afterwards, and types of which there may be new ones.
        let changes: Set<String>
        let mustNotAskUpstream: Bool
        let absent: [String]

        var testDescription: String { "\(id) \(method) \(target) (\(token)): \(why)" }
    }

    let attacks: [Attack]
    private let tokens: JSONValue
    private let shared: AttackCatalogue

    static let shared: Result<WriteAttackCatalogue, any Error> = Result { try WriteAttackCatalogue() }

    init() throws {
        shared = try AttackCatalogue.shared.get()
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let json = try JSONValue(
            parsing: Array(try Data(contentsOf: root.appending(path: "fixtures/attacks/writes.json"))))
        tokens = try #require(json["tokens"])
        attacks = try #require(json["attacks"]?.array).map { json in
            let type = json["type"]?.string ?? "application/fhir+json"
            let content = json["body"].map { _ in [(name: "Content-Type", value: type)] } ?? []
            return Attack(
                id: try #require(json["id"]?.string), why: try #require(json["why"]?.string),
                method: try #require(json["method"]?.string), target: try #require(json["target"]?.string),
                token: try #require(json["token"]?.string),
                headers: content + (json["headers"]?.object?.map { ($0.name, $0.value.string ?? "") } ?? []),
                body: json["body"]?.serialized ?? [],
                status: try #require(json["status"]?.array).compactMap { $0.int.map(Int.init) },
                entries: json["entries"]?.array?.compactMap { $0.int.map(Int.init) },
                changes: Set(json["changes"]?.array?.compactMap(\.string) ?? []),
                mustNotAskUpstream: json["upstream"]?.string == "none",
                absent: json["absent"]?.array?.compactMap(\.string) ?? [])
        }
    }

    func token(_ name: String, from harness: GatewayHarness) throws -> String? {
        guard let json = tokens[name], let scope = json["scope"]?.string else {
            return try shared.token(name, from: harness)
        }
        return try harness.token(scope: scope, patient: json["patient"]?.string)
    }
}

extension ScriptedRecords {
    /// What differs between two states of the store: keys of resources that were there, types of new ones.
    static func changes(from before: [InstanceKey: JSONValue], to after: [InstanceKey: JSONValue]) -> Set<String> {
        var changed: Set<String> = []
        for key in Set(before.keys).union(after.keys) where before[key] != after[key] {
            changed.insert(before[key] == nil ? key.type.rawValue : key.description)
        }
        return changed
    }
}

extension GatewayHarness.Answer {
    /// The statuses of the entries of a batch's or transaction's answer.
    var entryStatuses: [Int] {
        (json?["entry"]?.array ?? []).map { entry in
            entry["response"]?["status"]?.string.flatMap { Int($0.prefix(3)) } ?? 0
        }
    }
}
