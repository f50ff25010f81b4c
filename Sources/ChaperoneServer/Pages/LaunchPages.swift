internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import OAuthCore

/// The start page.
struct IndexPageFacts: Page {
    static let template = "index"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let languageLink: String?
    let demoApp: String
    let fhirBase: String
    let smartConfiguration: String
    let metadata: String

    init(_ frame: PageFrame, _ addresses: Addresses) {
        (isDemo, lang, t) = (frame.isDemo, frame.lang, frame.t)
        languageLink = "?lang=\(frame.language.other.rawValue)"
        demoApp = addresses.demoApp
        fhirBase = addresses.fhirBase
        smartConfiguration = addresses.smartConfiguration
        metadata = addresses.metadata
    }

    /// Where the page leads.
    struct Addresses: Sendable {
        let demoApp: String
        let fhirBase: String
        let smartConfiguration: String
        let metadata: String
    }
}

/// The page that asks who is there.
struct LoginPageFacts: Page {
    static let template = "login"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let languageLink: String?
    let action = "/login"
    let launch: String
    let clientName: String
    let username: String
    let focusUsername: Bool
    let error: String?
    let chooser: ChooserFacts

    init(_ page: LoginPage, username: String, chooser: ProviderChooser = .init(), frame: PageFrame) {
        (isDemo, lang, t) = (frame.isDemo, frame.lang, frame.t)
        self.chooser = chooser.facts(launch: page.transaction.reveal(), language: frame.language)
        launch = page.transaction.reveal()
        languageLink = frame.link(launch: launch)
        clientName = page.clientName
        self.username = username
        focusUsername = username.isEmpty
        error = page.problem.map { frame.text($0) }
    }
}

/// The page that asks whose record is meant.
struct PatientPageFacts: Page {
    static let template = "patient"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let languageLink: String?
    let action = "/patient"
    let launch: String
    let clientName: String
    let patients: [Choice]
    let hasPatients: Bool
    let acceptsAnyPatient: Bool
    let isStaff: Bool
    let canSearch: Bool
    let searchText: String
    let isSearch: Bool
    /// The address of the next page of the list.
    let next: String?
    let error: String?

    struct Choice: Sendable {
        let id: String
        let label: String
        /// Whether it is chosen beforehand. Of several patients none is: no hasty key opens a wrong record.
        let isChecked: Bool
    }

    init(_ page: PatientPage, frame: PageFrame) {
        (isDemo, lang, t) = (frame.isDemo, frame.lang, frame.t)
        launch = page.transaction.reveal()
        languageLink = frame.link(launch: launch)
        clientName = page.clientName
        patients = page.patients.map { Choice(id: $0.id.text, label: $0.label, isChecked: page.patients.count == 1) }
        hasPatients = !patients.isEmpty
        isStaff = page.isStaff
        canSearch = page.canSearch
        searchText = page.search.text
        isSearch = !page.search.text.isEmpty || page.search.page != nil
        let handle = page.transaction.reveal()
        let text = page.search.text
        next = page.next.map {
            "/patient?launch=\(handle)&q=\(FormParameters.encode(text))&page=\(FormParameters.encode($0))"
        }
        acceptsAnyPatient = page.acceptsAnyPatient
        error = page.hasProblem ? frame.text("badPatient") : nil
    }
}

/// The page that asks which encounter is meant.
struct EncounterPageFacts: Page {
    static let template = "encounter"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let languageLink: String?
    let action = "/encounter"
    let launch: String
    let clientName: String
    let patientName: String?
    let encounters: [PatientPageFacts.Choice]
    let error: String?

    init(_ page: EncounterPage, frame: PageFrame) {
        (isDemo, lang, t) = (frame.isDemo, frame.lang, frame.t)
        launch = page.transaction.reveal()
        languageLink = frame.link(launch: launch)
        clientName = page.clientName
        patientName = page.patient?.label
        encounters = page.encounters.enumerated().map { .init(id: $1.id.text, label: $1.label, isChecked: $0 == 0) }
        error = page.hasProblem ? frame.text("badEncounter") : nil
    }
}

/// The page that asks what the app may do.
struct ConsentPageFacts: Page {
    static let template = "consent"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let languageLink: String?
    let action = "/consent"
    let launch: String
    let clientName: String
    let isTrusted: Bool
    let redirectHost: String
    let personName: String
    let logoutCSRF: String
    let patientName: String?
    let duration: String
    let hasRecords: Bool
    let records: [Item]
    let hasSensitive: Bool
    /// What is set apart because people keep it to themselves more than other records.
    let sensitive: [Item]
    let hasOthers: Bool
    let others: [Item]

    struct Item: Sendable {
        let field: String
        let value: String
        let sentence: String
        let hasParts: Bool
        let count: Int
        let parts: [Part]
    }

    struct Part: Sendable {
        let field: String
        let value: String
        let label: String
        let isSensitive: Bool
    }

    init(_ page: ConsentPage, logoutCSRF: String, frame: PageFrame) {
        (isDemo, lang, t) = (frame.isDemo, frame.lang, frame.t)
        self.logoutCSRF = logoutCSRF
        launch = page.transaction.reveal()
        languageLink = frame.link(launch: launch)
        clientName = page.clientName
        isTrusted = page.clientIsTrusted
        redirectHost = page.redirectHost
        personName = page.personName
        patientName = page.patient.map { "\($0.label) (Patient/\($0.id.text))" }
        let items = page.offer.items.map { Self.item($0, frame.language.sentences) }
        let asked = zip(page.offer.items, items).filter { $1.value.contains("/") }
        records = asked.filter { !$0.0.isSensitive }.map(\.1)
        sensitive = asked.filter { $0.0.isSensitive }.map(\.1)
        hasSensitive = !sensitive.isEmpty
        others = items.filter { !$0.value.contains("/") }
        hasRecords = !records.isEmpty
        hasOthers = !others.isEmpty
        // The duration follows from what is asked: the sentence must stay true when the line is unticked.
        duration =
            others.contains { $0.value == "offline_access" }
            ? frame.text("durationOffline") : frame.text("durationSession")
    }

    private static func item(_ item: ConsentOffer.Item, _ language: ScopeSentences.Language) -> Item {
        Item(
            field: item.field, value: item.value,
            sentence: ScopeSentences.sentence(ofScope: item.value, language: language) ?? item.sentence,
            hasParts: !item.parts.isEmpty,
            count: item.parts.count,
            parts: item.parts.map {
                Part(
                    field: $0.field, value: $0.value,
                    label: ScopeSentences.label(ofPart: $0.value, language: language) ?? $0.label,
                    isSensitive: $0.isSensitive)
            })
    }
}

/// The page between us and an app that nobody vouches for.
struct LeavingPageFacts: Page {
    static let template = "leaving"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    /// The words in the other language: the page is an answer that cannot always be asked for again.
    let other: [String: String]
    let clientName: String
    let redirectHost: String
    let location: String

    init(_ page: LeavingPage, frame: PageFrame) {
        (isDemo, lang, t) = (frame.isDemo, frame.lang, frame.t)
        other = PageTexts.texts(frame.language.other)
        clientName = page.clientName
        redirectHost = page.redirectHost
        location = page.location
    }
}

/// A plain message: an error, or that something is done.
struct MessagePage: Page {
    static let template = "message"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let languageLink: String?
    let heading: String
    let text: String
    let hasAdvice: Bool
    let advice: [String]
    let code: String?
    let detail: String?

    /// The page of the texts under these keys. Code and detail are for developers, and in English.
    init(
        _ frame: PageFrame, heading: String, text: String, advice: [String] = [], code: String? = nil,
        detail: String? = nil
    ) {
        (isDemo, lang, t, languageLink) = (frame.isDemo, frame.lang, frame.t, nil)
        self.heading = frame.text(heading)
        self.text = frame.text(text)
        hasAdvice = !advice.isEmpty
        self.advice = advice.map { frame.text($0) }
        self.code = code
        self.detail = detail
    }
}

/// The question before a session is ended by a link.
struct LogoutPage: Page {
    static let template = "logout"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let languageLink: String?
    let csrf: String
    /// What the app that asks sent with it.
    let parameters: [LogoutTarget.Parameter]

    init(_ frame: PageFrame, csrf: String, parameters: [LogoutTarget.Parameter]) {
        (isDemo, lang, t) = (frame.isDemo, frame.lang, frame.t)
        languageLink = "?lang=\(frame.language.other.rawValue)"
        self.csrf = csrf
        self.parameters = parameters
    }
}
