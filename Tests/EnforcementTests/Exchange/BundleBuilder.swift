import FHIRCore

/// Batches and transactions for tests.
enum BundleBuilder {
    static let json = [(name: "Content-Type", value: "application/fhir+json")]

    static func bundle(_ type: String, _ entries: [String]) -> [UInt8] {
        Array(#"{"resourceType":"Bundle","type":"\#(type)","entry":[\#(entries.joined(separator: ","))]}"#.utf8)
    }

    static func entry(
        _ method: String, _ url: String, _ resource: String? = nil, name: String? = nil, more: String = ""
    ) -> String {
        let fullURL = name.map { #""fullUrl":"\#($0)","# } ?? ""
        let body = resource.map { #""resource":\#($0),"# } ?? ""
        return #"{\#(fullURL)\#(body)"request":{"method":"\#(method)","url":"\#(url)"\#(more)}}"#
    }

    static func observation(_ id: String? = nil, subject: String = "Patient/pA", more: String = "") -> String {
        let idMember = id.map { #""id":"\#($0)","# } ?? ""
        return
            #"{"resourceType":"Observation",\#(idMember)"status":"final","code":{"text":"x"},"subject":{"reference":"\#(subject)"}\#(more)}"#
    }

    static func encounter(_ id: String? = nil, subject: String = "Patient/pA") -> String {
        let idMember = id.map { #""id":"\#($0)","# } ?? ""
        return
            #"{"resourceType":"Encounter",\#(idMember)"status":"finished","class":{"code":"AMB"},"subject":{"reference":"\#(subject)"}}"#
    }

    /// Two names that nothing else has.
    static let first = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
    static let second = "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059"
}
