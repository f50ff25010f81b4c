public import AccessPolicy
public import FHIRCore

/// Somebody's record that a login may act for.
public struct LinkedPatient: Hashable, Sendable {
    public let id: ResourceID
    /// How the person recognises the record when there are several; comes from the directory and is untrusted text.
    public let label: String
    public init(id: ResourceID, label: String) {
        self.id = id
        self.label = label
    }
}

/// Which patients a signed-in person may put into context.
public enum PatientSelection: Hashable, Sendable {
    /// These and no others; may be empty.
    case among([LinkedPatient])
    /// Any patient of the FHIR server, by id: staff whose panel is everyone.
    case anyPatient
    /// Those whom the directory names when it is asked again: too many to be kept with a launch. Until it has been asked,
    /// nobody.
    case unlisted

    /// The most patients that are kept with a launch.
    static let longestKept = 100

    /// What of it is kept with a launch.
    var kept: PatientSelection {
        if case .among(let patients) = self, patients.count > Self.longestKept { .unlisted } else { self }
    }

    /// Whether the person may act for this patient.
    public func allows(_ patient: ResourceID) -> Bool {
        switch self {
        case .among(let patients): patients.contains { $0.id == patient }
        case .anyPatient: true
        case .unlisted: false
        }
    }
}

/// Who a login is on the FHIR side.
public struct Member: Hashable, Sendable {
    /// The Patient, Practitioner, PractitionerRole, RelatedPerson or Person that the login is.
    public let fhirUser: InstanceKey
    public let selection: PatientSelection

    public init(fhirUser: InstanceKey, selection: PatientSelection) {
        self.fhirUser = fhirUser
        self.selection = selection
    }
}

/// Answers who a login is: exact, never by e-mail, name or date of birth.
///
/// Asked at login and again at every refresh, so that ended coverage and an undone link end access (decision 23).
public protocol MemberDirectory: Sendable {
    /// The member behind a login, or nil when nobody is linked to it. Throws when the directory cannot answer; the
    /// caller then refuses.
    func member(for subject: SubjectID) async throws -> Member?
    /// Whether anybody is there who can say who a login is. Where nobody is, that nobody is found says nothing about the
    /// person.
    func canTell(of subject: SubjectID) async throws -> Bool
    /// The logins that are this person; an EHR names its user by it. None and several are both an answer.
    func subjects(of user: InstanceKey) async throws -> [SubjectID]
}

extension MemberDirectory {
    /// A directory that knows its people by itself can always tell.
    public func canTell(of subject: SubjectID) async throws -> Bool { true }
}

/// A stored link from a local account to its FHIR identity and the patients that it may act for.
public struct MemberLink: Hashable, Sendable {
    public let subject: SubjectID
    public let fhirUser: InstanceKey
    public let patients: [LinkedPatient]

    public init(subject: SubjectID, fhirUser: InstanceKey, patients: [LinkedPatient]) {
        self.subject = subject
        self.fhirUser = fhirUser
        self.patients = patients
    }
}

/// The panels of practitioners: whose records they may open. A configuration value, kept apart from the accounts.
public struct PractitionerPanels: Hashable, Sendable {
    private let panels: [InstanceKey: PatientPanel]

    public init(_ panels: [InstanceKey: PatientPanel] = [:]) { self.panels = panels }

    /// The panel of a practitioner; who is not configured has none.
    public func panel(of user: InstanceKey) -> PatientPanel { panels[user] ?? .none }
}

/// The member directory over links kept beside the local accounts.
public struct LocalMemberDirectory: MemberDirectory {
    private let links: any MemberLinkStore
    private let panels: PractitionerPanels

    public init(links: any MemberLinkStore, panels: PractitionerPanels = .init()) {
        self.links = links
        self.panels = panels
    }

    public func member(for subject: SubjectID) async throws -> Member? {
        guard let link = try await links.link(for: subject) else { return nil }
        // A stored link has no dates, so that any day will do.
        return MemberChoice(
            .known(link.facts), rules: MemberRules(), panels: panels, today: CalendarDate(unixSeconds: 0)
        ).member
    }

    public func subjects(of user: InstanceKey) async throws -> [SubjectID] { try await links.subjects(of: user) }
}
