public import AccessPolicy
public import FHIRCore

/// Finds patients and encounters in the protected FHIR server for the pages that ask for context.
///
/// It reads as the person who is signed in, through the same enforcer as every other request, so that nobody is listed
/// whom the person may not see, and each look stands in the audit log. A capability, because the authorization server
/// does not know the enforcer.
public struct ContextLookup: Sendable {
    /// Who looks, and in which launch.
    public struct Reader: Hashable, Sendable {
        public let subject: SubjectID
        public let fhirUser: InstanceKey
        /// Names the launch in the records of the look-ups.
        public let launch: String
        /// For whom: the app that is opened, or the EHR that makes a launch.
        public let clientID: ClientID
        public let program: APIProgram
        public let fhirBase: String
        /// Where the request came from that needs the look.
        public let sourceAddress: String

        public init(
            subject: SubjectID, fhirUser: InstanceKey, launch: String, clientID: ClientID, program: APIProgram,
            fhirBase: String, sourceAddress: String
        ) {
            self.sourceAddress = sourceAddress
            self.subject = subject
            self.fhirUser = fhirUser
            self.launch = launch
            self.clientID = clientID
            self.program = program
            self.fhirBase = fhirBase
        }
    }

    /// A page of patients.
    public struct Patients: Hashable, Sendable {
        public let patients: [LinkedPatient]
        /// What asks for the page after this one; nil on the last.
        public let next: String?
        public init(patients: [LinkedPatient], next: String?) {
            self.patients = patients
            self.next = next
        }
    }

    /// An encounter as the page shows it.
    public struct Encounter: Hashable, Sendable {
        public let id: ResourceID
        /// Kind and time, from the record; untrusted text.
        public let label: String
        public init(id: ResourceID, label: String) {
            self.id = id
            self.label = label
        }
    }

    /// Patients whose name begins with the text (all for an empty one), or a further page of such a list. `among` names
    /// the panel when it is a list; nil means everybody whom the reader may see.
    public let patients:
        @Sendable (_ name: String, _ page: String?, _ among: [ResourceID]?, Reader) async throws -> Patients
    /// The patient with this id, if the reader may see it.
    public let patient: @Sendable (ResourceID, Reader) async throws -> LinkedPatient?
    /// The latest encounters of a patient.
    public let encounters: @Sendable (_ patient: ResourceID, Reader) async throws -> [Encounter]
    /// The encounter with this id, if it is this patient's.
    public let encounter: @Sendable (ResourceID, _ patient: ResourceID, Reader) async throws -> Encounter?

    public init(
        patients:
            @escaping @Sendable (_ name: String, _ page: String?, _ among: [ResourceID]?, Reader) async throws ->
            Patients,
        patient: @escaping @Sendable (ResourceID, Reader) async throws -> LinkedPatient?,
        encounters: @escaping @Sendable (_ patient: ResourceID, Reader) async throws -> [Encounter],
        encounter: @escaping @Sendable (ResourceID, _ patient: ResourceID, Reader) async throws -> Encounter?
    ) {
        self.patients = patients
        self.patient = patient
        self.encounters = encounters
        self.encounter = encounter
    }
}

/// What a person has typed to find a patient.
public struct PatientSearch: Hashable, Sendable {
    public let text: String
    public let page: String?

    public init(text: String = "", page: String? = nil) {
        self.text = String(text.prefix(100))
        self.page = page.flatMap { $0.utf8.count <= 4096 ? $0 : nil }
    }

    /// How many patients a page shows.
    static let pageSize = 10

    /// A page of a list that is there as a whole: those whose name or id holds the text.
    package func page(of all: [LinkedPatient]) -> ContextLookup.Patients {
        let wanted = text.lowercased()
        let found = all.filter { patient in
            wanted.isEmpty || patient.label.lowercased().contains(wanted) || patient.id.text.lowercased() == wanted
        }
        let start = min(max(page.flatMap { Int($0) } ?? 0, 0), found.count)
        let end = min(start + Self.pageSize, found.count)
        return ContextLookup.Patients(
            patients: Array(found[start..<end]), next: end < found.count ? String(end) : nil)
    }
}
