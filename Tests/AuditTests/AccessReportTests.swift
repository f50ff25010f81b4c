import AccessPolicy
import Audit
import ChaperoneTesting
import RequirementTraits
import Testing

/// What a member is told of accesses, and which of them an accounting of disclosures has.
@Suite struct AccessReportTests {
    @Test(
        .verifies("audit@accounting"),
        arguments: [
            "refused", "failed", "nothing released", "to the patient", "treatment", "at the patient's wish",
            "opened only",
        ]) func `no accounting has`(_ what: String)
    {
        let record = sampleRecord { record in
            (record.fhirUser, record.released) = ("Practitioner/p", 3)
            switch what {
            case "refused": record.outcome = .refused(reason: "scope")
            case "failed": record.outcome = .failed(reason: "upstream")
            case "nothing released": record.released = 0
            case "to the patient": record.fhirUser = "Patient/patient-a"
            case "treatment": record.purposeOfUse = ["TREAT"]
            case "at the patient's wish": record.purposeOfUse = ["PATRQT"]
            default: record.outcome = .pending
            }
        }
        #expect(!AccessReport.isDisclosure(record))
    }

    @Test(.verifies("audit@accounting"), arguments: [[], ["PUBHLTH"], ["LEGAL"]])
    func `an accounting has what went to others for other ends`(purposes: [String]) {
        let record = sampleRecord {
            ($0.fhirUser, $0.released, $0.purposeOfUse) = ("Practitioner/p", 3, purposes)
        }
        #expect(AccessReport.isDisclosure(record))
    }

    @Test func `what may have left before the connection was cut counts as left`() {
        let record = sampleRecord {
            ($0.fhirUser, $0.released, $0.outcome) = ("Practitioner/p", 3, .interrupted(reason: "cut"))
        }
        #expect(AccessReport.isDisclosure(record))
    }

    @Test func `another patient's records are a disclosure even to a patient`() {
        let record = sampleRecord { ($0.patients, $0.released) = (["patient-a", "patient-b"], 2) }
        #expect(AccessReport.isDisclosure(record))
    }

    @Test(.verifies("audit@patients-asked"))
    func `who was only asked for has no part in what left of another`() async throws {
        let record = sampleRecord {
            ($0.fhirUser, $0.patients, $0.askedOnly) = ("Practitioner/p", ["patient-a", "patient-b"], ["patient-b"])
        }

        #expect(AccessReport.isDisclosure(record))
        #expect(AccessReport.isDisclosure(record, of: "patient-a"))
        #expect(!AccessReport.isDisclosure(record, of: "patient-b"))
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "n")
        _ = try await recorder.record(record).decisionID
        let rows = try AccessReport(sink.entries, of: "patient-b").rows
        #expect(rows.map(\.isAskedOnly) == [true] && rows.map(\.isDisclosure) == [false])
        #expect(rows.map(\.released) == [0])
        var accounting = AuditContentFilter()
        accounting.onlyDisclosures = true
        let found = try ["patient-a", "patient-b"].map { patient in
            try accounting.matches(try #require(sink.entries.last), of: patient)
        }
        #expect(found == [true, false])
    }

    @Test func `a report says who, why and on which basis, and leaves out what is not over`() async throws {
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "n")
        let opening = try await recorder.open(sampleRecord("o") { $0.outcome = .pending })
        _ = try await recorder.record(
            sampleRecord("d") {
                ($0.organization, $0.purposeOfUse, $0.legalBasis) = ("Org", ["PATRQT"], "45 CFR 156.221(a)")
            }
        ).decisionID
        try await recorder.record(
            AuthorizationRecord(id: DecisionID("e"), kind: .token, outcome: .succeeded, at: 7))

        let rows = try AccessReport(sink.entries).rows

        #expect(opening.decisionID == DecisionID("o"))
        #expect(rows.count == 1)
        #expect(rows.first?.organization == "Org")
        #expect(rows.first?.legalBasis == "45 CFR 156.221(a)")
        #expect(rows.first?.scopes == ["patient/Observation.rs"])
    }
}
