import FHIRCore
import Testing

/// What holds for random documents and patches.
@Suite struct JSONPatchProperties {
    private struct World {
        var random: SplitMix64

        mutating func value(_ depth: Int = 0) -> JSONValue {
            switch random.next() % (depth > 3 ? 4 : 6) {
            case 0: return .null
            case 1: return .int(Int64(random.next() % 5))
            case 2: return .string(["", "a", "~", "/", "é"][Int(random.next() % 5)])
            case 3: return .number(JSONNumber("1.\(random.next() % 3)0")!)
            case 4: return .array((0..<random.next() % 4).map { _ in value(depth + 1) })
            default:
                let names = ["", "a", "b", "a/b", "m~n", "0"].filter { _ in random.next() % 2 == 0 }
                return .object(names.map { JSONMemberValue($0, value(depth + 1)) })
            }
        }

        /// Every place in a value.
        func places(_ value: JSONValue, below path: String = "") -> [String] {
            switch value {
            case .object(let members):
                return [path]
                    + members.flatMap { member in
                        let name = member.name.split(separator: "~", omittingEmptySubsequences: false)
                            .joined(separator: "~0").split(separator: "/", omittingEmptySubsequences: false)
                            .joined(separator: "~1")
                        return places(member.value, below: path + "/" + name)
                    }
            case .array(let elements):
                return [path] + elements.enumerated().flatMap { places($1, below: path + "/\($0)") }
            default: return [path]
            }
        }
    }

    @Test(arguments: UInt64(1)...200)
    func `what is added can be tested and taken out again`(seed: UInt64) throws {
        var world = World(random: SplitMix64(seed: seed))
        let document = world.value()
        for path in world.places(document) where !path.isEmpty {
            let pointer = try #require(JSONPointer(path))
            let new = world.value()

            let replaced = try JSONPatch([.replace(pointer, new), .test(pointer, new)]).applied(to: document)
            let (copied, sibling) = (try JSONPatch([.copy(from: pointer, to: pointer)]).applied(to: replaced), pointer)

            #expect(world.places(replaced).contains(path))
            #expect(throws: Never.self) { try JSONPatch([.test(sibling, new)]).applied(to: copied) }
        }
    }

    @Test(arguments: UInt64(1)...200)
    func `a value equals itself however it is written`(seed: UInt64) throws {
        var world = World(random: SplitMix64(seed: seed))
        let value = world.value()

        #expect(value.isEqual(to: try JSONValue(parsing: value.serialized)))
        #expect(try JSONPatch([]).applied(to: value) == value)
    }
}
