import FHIRCore
import Foundation

/// Checks AuditEvents against the rules of the published BALP profiles, as listed in `balp-profile-constraints.json`.
///
/// The list holds cardinalities and fixed codes by slice, but not how many of each slice there must be; for the RESTful
/// patterns these are added here (one client, one server), from the published profiles.
struct BALPConstraints {
    struct Profile {
        let name: String
        let parent: String
        let rules: [JSONValue]
    }

    let profiles: [String: Profile]
    private let base = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"

    /// The folder of real data, where there is one.
    static var folder: URL? {
        let shared =
            ProcessInfo.processInfo.environment["CHAPERONE_SHARED_DATA"].map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: FileManager.default.currentDirectoryPath).appending(path: "../shared/data")
        let folder = shared.appending(path: "ihe-balp")
        return FileManager.default.fileExists(atPath: folder.appending(path: "balp-profile-constraints.json").path)
            ? folder : nil
    }

    static var isThere: Bool { folder != nil }

    init() throws {
        struct Absent: Error {}
        guard let folder = Self.folder else { throw Absent() }
        let list = try JSONValue(
            parsing: Array(Data(contentsOf: folder.appending(path: "balp-profile-constraints.json"))))
        var profiles: [String: Profile] = [:]
        for entry in list.array ?? [] {
            let name = entry["name"]?.string ?? ""
            let url = entry["url"]?.string ?? ""
            profiles[url] = Profile(
                name: name, parent: entry["parent"]?.string ?? "", rules: entry["rules"]?.array ?? [])
        }
        self.profiles = profiles
    }

    /// What an event breaks of the profiles that it claims.
    func violations(_ event: JSONValue) -> [String] {
        var result: [String] = []
        for url in event["meta"]?["profile"]?.array?.compactMap(\.string) ?? [] {
            guard let profile = profiles[url] else {
                result.append("unknown profile \(url)")
                continue
            }
            result += violations(event, profile)
        }
        return result
    }

    private func violations(_ event: JSONValue, _ profile: Profile) -> [String] {
        var result: [String] = []
        if let parent = profiles.values.first(where: { $0.name == profile.parent }) {
            result += violations(event, parent)
        }
        let slices = Slices(profile.rules)
        for rule in profile.rules {
            if let path = rule["path"]?.string, let fixed = rule["fixed"]?.string {
                result += check(path, in: event, slices) { value in
                    Self.matches(value, fixed) ? nil : "is not \(fixed)"
                }
            } else if let text = rule["rule"]?.string {
                result += check(rule: text, in: event, slices)
            }
        }
        let isRESTful = ["Create", "Read", "Update", "Delete", "Query"].contains(profile.name)
        for slice in ["client", "server"] where isRESTful {
            let count = slices.members(of: "agent", slice, in: event).count
            if count != 1 { result.append("agent[\(slice)] stands \(count) times") }
        }
        let hasToken = ["OAUTHaccessTokenUseOpaque", "OAUTHaccessTokenUseComprehensive"].contains(profile.name)
        if hasToken, slices.members(of: "agent", "oUser", in: event).count != 1 { result.append("agent[oUser]") }
        let isPatient = profile.name.hasPrefix("Patient")
        if isPatient, slices.members(of: "entity", "patient", in: event).count != 1 { result.append("entity[patient]") }
        let holds = ["Create", "Read", "Update", "Delete"].contains(profile.name) ? "data" : "query"
        if isRESTful, slices.members(of: "entity", holds, in: event).count != 1 { result.append("entity[\(holds)]") }
        return result.map { "\(profile.name): \($0)" }
    }

    /// `path min..max`; rules of other kinds (must support, bindings, references to value sets) are not checked here.
    private func check(rule: String, in event: JSONValue, _ slices: Slices) -> [String] {
        let words = rule.split(separator: " ").map(String.init)
        guard words.count >= 2, words[1].contains("..") else { return [] }
        let bounds = words[1].components(separatedBy: "..")
        let least = Int(bounds[0]) ?? 0
        let most = Int(bounds[1]) ?? Int.max
        return slices.holders(of: words[0], in: event).compactMap { holder, name in
            let count = holder[name].map { $0.array?.count ?? 1 } ?? 0
            return count < least || count > most ? "\(words[0]) stands \(count) times, not \(words[1])" : nil
        }
    }

    private func check(_ path: String, in event: JSONValue, _ slices: Slices, _ judge: (JSONValue) -> String?)
        -> [String]
    {
        guard !path.contains("["), !path.hasSuffix("].type") else {
            // The type of a slice is what puts an element into it; other fixed values must hold.
            guard !path.hasSuffix("].type") else { return [] }
            return slices.holders(of: path, in: event).compactMap { holder, name in
                guard let value = holder[name] else { return nil }
                return judge(value).map { "\(path) \($0)" }
            }
        }
        guard let value = event[path] else { return ["\(path) missing"] }
        return (value.array ?? [value]).contains { judge($0) == nil } ? [] : ["\(path) \(judge(value) ?? "")"]
    }

    /// Whether a code, Coding, CodeableConcept or boolean is the fixed one, written `system#code`.
    static func matches(_ value: JSONValue, _ fixed: String) -> Bool {
        if let bool = value.bool { return fixed == "\(bool)" }
        let code = fixed.split(separator: "#").last.map(String.init) ?? fixed
        if let text = value.string { return text == code }
        let system = fixed.contains("#") ? String(fixed.prefix { $0 != "#" }) : ""
        let codings = value["coding"]?.array ?? [value]
        return codings.contains { coding in
            coding["code"]?.string == code && (coding["system"]?.string ?? "").hasSuffix(system)
        }
    }
}

/// Which elements of an event belong to which slice, by the fixed types of a profile.
private struct Slices {
    private var types: [String: String] = [:]
    private var roles: [String: String] = [:]

    init(_ rules: [JSONValue]) {
        for rule in rules {
            guard let path = rule["path"]?.string, let fixed = rule["fixed"]?.string else { continue }
            if path.hasSuffix("].type") { types[String(path.dropLast(5))] = fixed }
            if path.hasSuffix("].role") { roles[String(path.dropLast(5))] = fixed }
        }
    }

    /// The elements in a slice such as `agent[client]`.
    func members(of element: String, _ slice: String, in event: JSONValue) -> [JSONValue] {
        guard let type = types["\(element)[\(slice)]"] else { return [] }
        let all = event[element]?.array ?? []
        let those = all.filter { $0["type"].map { BALPConstraints.matches($0, type) } ?? false }
        // Where several slices have one type the role tells them apart.
        let isShared = types.filter { $0.key.hasPrefix("\(element)[") && $0.value == type }.count > 1
        guard isShared, let role = roles["\(element)[\(slice)]"] else { return those }
        return those.filter { $0["role"].map { BALPConstraints.matches($0, role) } ?? false }
    }

    /// The objects that hold the last name of a path, and that name.
    func holders(of path: String, in event: JSONValue) -> [(JSONValue, String)] {
        let names = path.split(separator: ".").map(String.init)
        guard let first = names.first else { return [] }
        if let open = first.firstIndex(of: "[") {
            let slice = first[first.index(after: open)...].dropLast()
            let members = members(of: String(first[..<open]), String(slice), in: event)
            guard names.count > 1 else { return [] }
            return members.flatMap { Self.walk($0, Array(names.dropFirst())) }
        }
        return Self.walk(event, names)
    }

    private static func walk(_ value: JSONValue, _ names: [String]) -> [(JSONValue, String)] {
        guard names.count > 1 else { return [(value, names[0])] }
        guard let next = value[names[0]] else { return [] }
        return (next.array ?? [next]).flatMap { walk($0, Array(names.dropFirst())) }
    }
}
