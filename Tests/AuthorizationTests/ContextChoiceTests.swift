import AccessPolicy
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// The pages on which a patient and an encounter are chosen.
@Suite struct ContextChoiceTests {
    private struct Opened {
        let answer: InteractionAnswer
        let session: Secret
    }

    private func signIn(_ harness: LaunchHarness, as person: String, scope: String) async throws -> Opened {
        let begun = try await harness.begin(["scope": scope])
        let answer = await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: person, password: Secret("pass-\(person)"),
            session: begun.newCookie, from: harness.source)
        return Opened(answer: answer, session: try #require(answer.newCookie))
    }

    private func choose(_ harness: LaunchHarness, _ opened: Opened, _ patient: String) async throws
        -> InteractionAnswer
    {
        await harness.server.interaction.choosePatient(
            transaction: try #require(opened.answer.patientChoice).transaction, patient: patient,
            session: opened.session, from: harness.source)
    }

    @Test(arguments: ["patient-b", "no-such", "", "../x", "Patient/patient-a"])
    func `a patient outside the panel cannot be chosen, whatever the form says`(_ patient: String) async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        let opened = try await signIn(harness, as: "doctor", scope: "launch/patient patient/Patient.rs")
        let answer = try await choose(harness, opened, patient)
        #expect(answer.patientChoice?.hasProblem == true)
        #expect(answer.consent == nil)
    }

    @Test func `a clinician is shown the panel by name, and nobody else`() async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        let opened = try await signIn(harness, as: "doctor", scope: "launch/patient patient/Patient.rs")
        let page = try #require(opened.answer.patientChoice)
        #expect(page.patients.map(\.label) == ["Anna Alder"])
        #expect(page.next == "2")
        let more = await harness.server.interaction.show(
            transaction: page.transaction, search: PatientSearch(page: "2"), session: opened.session,
            from: harness.source)
        #expect(more.patientChoice?.patients.map(\.label) == ["Carl Cedar"])
        let found = await harness.server.interaction.show(
            transaction: page.transaction, search: PatientSearch(text: "ben"), session: opened.session,
            from: harness.source)
        #expect(found.patientChoice?.patients.isEmpty == true)
        #expect(try await choose(harness, opened, "patient-c").consent?.patient?.label == "Carl Cedar")
    }

    @Test func `who may open everybody chooses among those who are there`() async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        let opened = try await signIn(harness, as: "chief", scope: "launch/patient patient/Patient.rs")
        #expect(opened.answer.patientChoice?.acceptsAnyPatient == true)
        #expect(try await choose(harness, opened, "no-such").patientChoice?.hasProblem == true)
        #expect(try await choose(harness, opened, "patient-b").consent?.patient?.label == "Ben Birch")
    }

    @Test func `without a way to look people up the directory's own list is searched and paged`() async throws {
        let all = (1...23).compactMap { number in
            ResourceID("p\(number)").map { LinkedPatient(id: $0, label: "Person \(number)") }
        }
        let first = PatientSearch().page(of: all)
        #expect(first.patients.count == 10 && first.next == "10")
        let last = PatientSearch(page: "20").page(of: all)
        #expect(last.patients.count == 3 && last.next == nil)
        #expect(PatientSearch(text: "person 23").page(of: all).patients.map(\.id.text) == ["p23"])
        for page in ["-5", "999999999999999999999", "x"] {
            #expect(PatientSearch(page: page).page(of: all).patients.count <= 10)
        }
    }

    // MARK: - long panels

    private static func ids(_ count: Int) throws -> [ResourceID] {
        try (0..<count).map { try #require(ResourceID("p\($0)")) }
    }

    /// A harness in which the doctor has a panel of thousands, which the directory can lose.
    private func busy() async throws -> (harness: LaunchHarness, directory: DirectoryDouble) {
        let directory = DirectoryDouble()
        let harness = try await LaunchHarness(directory: directory, lookup: LookupDouble.lookup)
        let own = try ["patient-a", "patient-c"].map { try #require(ResourceID($0)) }
        let doctor = try #require(InstanceKey("Practitioner/doctor"))
        directory.follow(
            LocalMemberDirectory(
                links: harness.store,
                panels: PractitionerPanels([doctor: .patients(Set(try Self.ids(5_000) + own))])))
        return (harness, directory)
    }

    private func kept(_ harness: LaunchHarness, _ handle: Secret) async throws -> PatientSelection? {
        switch try await harness.store.transaction(TransactionID(presented: handle))?.state {
        case .awaitingContext(let member)?, .awaitingEncounter(let member, _)?, .awaitingConsent(let member, _)?:
            member.selection
        case .awaitingLogin?, .closed?, nil: nil
        }
    }

    @Test(.verifies("house@bounded-picker"))
    func `a panel of thousands is not kept with the launch, and bounds the choice all the same`() async throws {
        let (harness, _) = try await busy()
        let opened = try await signIn(harness, as: "doctor", scope: Self.encounterScope)
        let page = try #require(opened.answer.patientChoice)
        #expect(page.patients.map(\.label) == ["Anna Alder"], "Ben is nobody's of the panel")
        #expect(try await kept(harness, page.transaction) == .unlisted)

        #expect(try await choose(harness, opened, "patient-b").patientChoice?.hasProblem == true)
        let chosen = try await choose(harness, opened, "patient-a")
        #expect(chosen.encounterChoice?.patient?.label == "Anna Alder")
        #expect(try await kept(harness, page.transaction) == .unlisted)
        let consent = await harness.server.interaction.chooseEncounter(
            transaction: page.transaction, encounter: "e-1", session: opened.session, from: harness.source)
        let end = try await harness.decide(try #require(consent.consent), session: opened.session)
        #expect(end.redirectParameters?["code"] != nil, "\(end.outcome)")
    }

    @Test(.verifies("house@bounded-picker"))
    func `who has left the panel meanwhile cannot be chosen`() async throws {
        let (harness, directory) = try await busy()
        let opened = try await signIn(harness, as: "doctor", scope: Self.encounterScope)
        directory.forget()
        let answer = try await choose(harness, opened, "patient-a")
        #expect(answer.patientChoice?.hasProblem == true, "\(answer.outcome)")
        #expect(answer.patientChoice?.patients.isEmpty == true)
    }

    @Test func `a long list of the directory's own is paged from page to page`() async throws {
        let harness = try await LaunchHarness()
        let account = NewAccount(
            username: "home", password: Secret("pass-home"), displayName: "Home",
            fhirUser: InstanceKey("RelatedPerson/home"),
            patients: try Self.ids(150).map { LinkedPatient(id: $0, label: "Person \($0.text)") })
        #expect(try await harness.server.accounts.add(account, by: "test", from: harness.source) != nil)
        let opened = try await signIn(harness, as: "home", scope: "launch/patient patient/Patient.rs")
        let page = try #require(opened.answer.patientChoice)
        #expect(page.patients.count == 10 && page.next == "10")
        #expect(try await kept(harness, page.transaction) == .unlisted)
        let last = await harness.server.interaction.show(
            transaction: page.transaction, search: PatientSearch(page: "140"), session: opened.session,
            from: harness.source)
        #expect(last.patientChoice?.patients.last?.label == "Person p149")
        #expect(try await choose(harness, opened, "p149").consent?.patient?.label == "Person p149")
    }

    // MARK: - encounters

    private static let encounterScope = "launch/patient launch/encounter patient/Patient.rs patient/Observation.rs"

    @Test func `an app that asks for an encounter gets the one that was chosen`() async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        let opened = try await signIn(harness, as: "anna", scope: Self.encounterScope)
        let page = try #require(opened.answer.encounterChoice)
        #expect(page.encounters.map(\.id.text) == ["e-1", "e-2"])
        let chosen = await harness.server.interaction.chooseEncounter(
            transaction: page.transaction, encounter: "e-2", session: opened.session, from: harness.source)
        let consent = try #require(chosen.consent)
        let end = try await harness.decide(consent, session: opened.session)
        let code = try #require(end.redirectParameters?["code"])
        let response = try #require(try await harness.exchange(code).response)
        #expect(response.launch.encounter?.text == "e-2")
        #expect(response.scope.contains("launch/encounter"))
    }

    @Test(arguments: ["e-of-another", "../e-1", "Encounter/e-1"])
    func `an encounter of another patient cannot be chosen`(_ encounter: String) async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        let opened = try await signIn(harness, as: "anna", scope: Self.encounterScope)
        let answer = await harness.server.interaction.chooseEncounter(
            transaction: try #require(opened.answer.encounterChoice).transaction, encounter: encounter,
            session: opened.session, from: harness.source)
        #expect(answer.encounterChoice?.hasProblem == true)
    }

    @Test func `no encounter is a choice too, and who has none is not asked`() async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        let opened = try await signIn(harness, as: "anna", scope: Self.encounterScope)
        let answer = await harness.server.interaction.chooseEncounter(
            transaction: try #require(opened.answer.encounterChoice).transaction, encounter: "",
            session: opened.session, from: harness.source)
        #expect(answer.consent != nil)
        let ben = try await signIn(harness, as: "ben", scope: Self.encounterScope)
        #expect(ben.answer.consent != nil)
    }

    @Test func `another session cannot choose`() async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        let opened = try await signIn(harness, as: "anna", scope: Self.encounterScope)
        let other = try await signIn(harness, as: "ben", scope: "openid")
        let answer = await harness.server.interaction.chooseEncounter(
            transaction: try #require(opened.answer.encounterChoice).transaction, encounter: "e-1",
            session: other.session, from: harness.source)
        #expect(answer.shownError?.code == .invalidRequest)
    }
}

extension InteractionAnswer {
    var encounterChoice: EncounterPage? {
        if case .page(.chooseEncounter(let page)) = outcome { page } else { nil }
    }
}
