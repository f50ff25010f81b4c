import AccessPolicy
import FHIRCore
import Foundation
import SyntheticRecords

// CPU per operation of the steps of one FHIR request, beside Foundation's JSON on the same bytes in the same run.

/// CPU seconds of this process.
func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(RUSAGE_SELF, &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}

/// Microseconds of CPU for one call, the median of five rounds.
func measure(_ rounds: Int, _ body: () throws -> Void) rethrows -> Double {
    var samples: [Double] = []
    for _ in 0..<5 {
        let before = cpuSeconds()
        for _ in 0..<rounds { try body() }
        samples.append((cpuSeconds() - before) / Double(rounds) * 1e6)
    }
    return samples.sorted()[2]
}

func row(_ name: String, _ microseconds: Double, _ note: String = "") {
    print(name.padding(toLength: 44, withPad: " ", startingAt: 0) + String(format: "%10.2f µs  ", microseconds) + note)
}

let publicBase = "https://gw.example/fhir"
let upstreamBase = "http://upstream.example/fhir"
let policy = ServerPolicy(publicBase: publicBase, upstreamBase: upstreamBase, types: try TypeTable.r4())
let access = GrantedAccess(
    clientID: ClientID("app"), subject: SubjectID("member"), scopeText: "patient/*.rs",
    launch: LaunchContext(patient: ResourceID("patient-a")), program: .patientAccess, grantID: GrantID("grant"),
    tokenID: TokenID("token"), issuedAt: 0, expiresAt: 1)

// A searchset of about 50 kB of the demo member's observations.
let member = SyntheticRecordSet().bundles().first { $0.name == "patient-a" }
let observations = (member?.bundle["entry"]?.array ?? []).compactMap { $0["resource"] }
    .filter { $0["resourceType"]?.string == "Observation" }
var entries: [JSONValue] = []
var size = 0
while size < 50_000 {
    for resource in observations where size < 50_000 {
        guard case .object(var members) = resource else { continue }
        let id = "o\(entries.count)"
        members = members.map { $0.name == "id" ? JSONMemberValue("id", .string(id)) : $0 }
        entries.append([
            "fullUrl": .string("\(upstreamBase)/Observation/\(id)"), "resource": .object(members),
            "search": ["mode": "match"],
        ])
        size += JSONValue.object(members).serialized.count + 90
    }
}
let bundle: JSONValue = ["resourceType": "Bundle", "type": "searchset", "entry": .array(entries)]
let bytes = bundle.serialized
let answer = UpstreamAnswer(status: 200, contentType: "application/fhir+json", body: bytes)

func request(_ path: String, _ query: String?) throws -> CanonicalRequest {
    try CanonicalRequest(FHIRRequest(method: .get, path: path, query: query))
}
func decision(_ request: CanonicalRequest) -> AccessDecision {
    decide(AccessRequest(request: request, access: access, userPanel: .none, systemPanel: .none, policy: policy))
}

let search = try request("/Observation", "category=laboratory&_count=50")
guard case .permit(let permit) = decision(search) else { fatalError("the benchmark's own search is refused") }
var released = 0

print("searchset of \(bytes.count) bytes, \(entries.count) entries")
row("parse a search request", try measure(20_000) { _ = try request("/Observation", "category=laboratory&_count=50") })
row("decide a search", measure(20_000) { _ = decision(search) })
let scan = try measure(300) { _ = try JSONDocument(bytes) }
row("scan the searchset", scan, String(format: "%.0f MB/s", Double(bytes.count) / scan))
let admitted = measure(300) {
    if case .release(let whole) = admitAnswer(answer, under: permit, pageLink: { _ in nil }) {
        released = whole.counts.released
    }
}
row("admit the searchset (scan, judge, rebuild)", admitted, "\(released) released")
let data = Data(bytes)
let foundation = try measure(20) {
    let value = try JSONSerialization.jsonObject(with: data)
    _ = try JSONSerialization.data(withJSONObject: value)
}
row("Foundation: parse and write the same bytes", foundation, String(format: "%.0f× ours", foundation / admitted))
