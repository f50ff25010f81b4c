/// Small records of two patients; pA is the one in context, pB somebody else.
enum Records {
    static let system = "http://terminology.hl7.org/CodeSystem/observation-category"

    static func patient(_ id: String) -> String {
        #"{"resourceType":"Patient","id":"\#(id)","meta":{"versionId":"1"},"name":[{"family":"F\#(id)"}],"birthDate":"1970-01-01"}"#
    }

    static func observation(
        _ id: String, of patient: String? = "Patient/pA", category: String? = nil, extra: String = ""
    ) -> String {
        var text = #"{"resourceType":"Observation","id":"\#(id)","meta":{"versionId":"3"},"status":"final""#
        if let category {
            text += #","category":[{"coding":[{"system":"\#(system)","code":"\#(category)"}]}]"#
        }
        text += #","code":{"coding":[{"system":"http://loinc.org","code":"1-8"}]}"#
        if let patient { text += #","subject":{"reference":"\#(patient)"}"# }
        return text + extra + "}"
    }

    static func reference(_ element: String, _ target: String) -> String {
        #","\#(element)":{"reference":"\#(target)"}"#
    }

    struct Entry {
        let json: String
        var mode: String? = "match"
    }

    static func searchset(_ entries: [Entry], total: Int? = nil, links: [(String, String)] = []) -> String {
        var text =
            #"{"resourceType":"Bundle","id":"paging-key","type":"searchset","meta":{"lastUpdated":"2020-01-01T00:00:00Z"}"#
        if let total { text += ",\"total\":\(total)" }
        let list = links.map { #"{"relation":"\#($0.0)","url":"\#($0.1)"}"# }.joined(separator: ",")
        if !links.isEmpty { text += ",\"link\":[\(list)]" }
        let items = entries.map { entry in
            let mode = entry.mode.map { #","search":{"mode":"\#($0)","score":0.5}"# } ?? ""
            return #"{"fullUrl":"http://upstream.internal:9090/r4/X/y","resource":\#(entry.json)\#(mode)}"#
        }
        if !items.isEmpty { text += ",\"entry\":[\(items.joined(separator: ","))]" }
        return text + "}"
    }

    static func searchset(_ matches: [String], total: Int? = nil) -> String {
        searchset(matches.map { Entry(json: $0) }, total: total)
    }
}
