internal import Authorization
internal import OAuthCore

/// A key to be put into an app, as text and as a picture.
struct EnrolmentFacts: Sendable {
    let key: String
    let address: String
    let qrPath: String?
    let qrSize: Int

    init(_ enrolment: SecondFactorEnrolment) {
        let text = enrolment.key.reveal()
        key = stride(from: 0, to: text.count, by: 4).map { start in
            String(text.dropFirst(start).prefix(4))
        }.joined(separator: " ")
        address = enrolment.address.reveal()
        let code = QRCode(enrolment.address.reveal())
        qrPath = code?.path
        qrSize = code?.pictureSize ?? 0
    }
}

/// The page that asks for a second factor.
struct SecondFactorPageFacts: Page {
    static let template = "second-factor"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let languageLink: String?
    let action: String
    let launch: String?
    let enrolment: EnrolmentFacts?
    /// Where a new key is shown, when the one of this page counts no more.
    let again: String?
    let error: String?

    init(_ page: SecondFactorPage, action: String, frame: PageFrame) {
        (isDemo, lang, t) = (frame.isDemo, frame.lang, frame.t)
        launch = page.transaction?.reveal()
        languageLink = frame.link(launch: launch) ?? "?lang=\(frame.language.other.rawValue)"
        self.action = action
        enrolment = page.enrolment.map { EnrolmentFacts($0) }
        let same = "lang=\(frame.lang)"
        again = page.isVoid ? launch.map { "?launch=\($0)&\(same)" } ?? "?\(same)" : nil
        error = page.problem.map { frame.text($0) }
    }
}

/// The page that shows recovery codes, once. It cannot be had again in another language, so its words stand there in both.
struct RecoveryCodesPageFacts: Page {
    static let template = "recovery-codes"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    /// The words in the other language.
    let other: [String: String]
    let launch: String?
    let codes: [String]

    init(_ codes: [RecoveryCode], launch: Secret?, frame: PageFrame) {
        (isDemo, lang, t) = (frame.isDemo, frame.lang, frame.t)
        other = PageTexts.texts(frame.language.other)
        self.launch = launch?.reveal()
        self.codes = codes.map(\.text)
    }
}

/// The person's second factor, on the account pages.
struct SecurityPageFacts: Page {
    static let template = "account-security"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let frame: AccountFrame
    let isSecurity = true
    let isOn: Bool
    let since: String
    let codesLeft: Int
    let isDemanded: Bool
    let canBegin: Bool
    let enrolment: EnrolmentFacts?
    let changes: [Change]
    let error: String?
    /// Whether the password can be changed; not for people who sign in elsewhere.
    let changesPassword: Bool
    let shortestPassword: Int
    let passwordError: String?
    let hasApps: Bool

    /// Something that is changed for the password and a code.
    struct Change: Sendable {
        let id: String
        let title: String
        let help: String
        let isDanger: Bool
    }

    init(
        _ frame: AccountFrame, factor: SecondFactor?, since: String, isDemanded: Bool, canSetUp: Bool,
        enrolment: SecondFactorEnrolment?, error: String?, shortestPassword: Int, passwordError: String?,
        hasApps: Bool
    ) {
        (isDemo, lang, t, self.frame) = (frame.isDemo, frame.lang, frame.t, frame)
        isOn = factor != nil
        self.since = since
        codesLeft = factor?.recoveryCodesLeft ?? 0
        self.isDemanded = isDemanded && factor != nil
        self.enrolment = factor == nil ? enrolment.map { EnrolmentFacts($0) } : nil
        canBegin = canSetUp && factor == nil && enrolment == nil
        changesPassword = canSetUp
        self.shortestPassword = shortestPassword
        self.passwordError = passwordError
        self.hasApps = hasApps
        func text(_ key: String) -> String { frame.t[key] ?? "" }
        changes = [
            .init(id: "renew", title: text("renewCodes"), help: text("renewHelp"), isDanger: false),
            .init(id: "remove", title: text("removeFactor"), help: text("removeHelp"), isDanger: true),
        ]
        self.error = error
    }
}

/// What every page of a launch shares: the language and the demo note.
struct PageFrame: Sendable {
    let isDemo: Bool
    let language: PageLanguage
    var lang: String { language.rawValue }
    var t: [String: String] { PageTexts.texts(language) }

    /// The address of the same page in the other language.
    func link(launch: String?) -> String? {
        launch.map { "?launch=\($0)&lang=\(language.other.rawValue)" }
    }

    func text(_ key: String) -> String { PageTexts.texts(language)[key] ?? "" }

    /// How long somebody has to wait, in words.
    func tooMany(_ seconds: Int64) -> String {
        let wait = seconds < 90 ? "\(seconds) \(text("seconds"))" : "\((seconds + 59) / 60) \(text("minutes"))"
        return "\(text("tooManyIn")) \(wait)."
    }

    func text(_ problem: LoginProblem) -> String {
        switch problem {
        case .wrongCredentials: text("wrong")
        case .tooManyAttempts(let seconds): tooMany(seconds)
        case .busy: text("busy")
        }
    }

    func text(_ problem: SecondFactorProblem) -> String {
        switch problem {
        case .wrongCode: text("wrongCode")
        case .wrongPassword: text("wrongPassword")
        case .tooManyAttempts(let seconds): tooMany(seconds)
        case .busy: text("busy")
        case .changedMeanwhile: text("changedMeanwhile")
        }
    }
}
