/// What every page of the account shares.
struct AccountFrame: Sendable {
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let csrf: String
    let personName: String
    /// For whom the person acts besides themselves.
    let actsFor: [String]
    let notice: String?
}

/// The connected apps.
struct AppsPageFacts: Page {
    static let template = "account-apps"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let frame: AccountFrame
    let isApps = true
    let hasApps: Bool
    let apps: [App]
    let older: String?
    let isOlder: Bool

    struct App: Sendable {
        let grant: String
        let name: String
        let patient: String?
        let since: String
        let lastUse: String
        let duration: String
        let scopes: [String]
    }

    init(_ frame: AccountFrame, apps: [App], older: String? = nil, isOlder: Bool = false) {
        (isDemo, lang, t, self.frame) = (frame.isDemo, frame.lang, frame.t, frame)
        hasApps = !apps.isEmpty
        self.apps = apps
        self.older = older
        self.isOlder = isOlder
    }
}

/// Who read what.
struct ActivityPageFacts: Page {
    static let template = "account-activity"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let frame: AccountFrame
    let isActivity = true
    let people: [Person]
    let hasSeveral: Bool
    let hasEntries: Bool
    let entries: [Entry]
    let hasNotices: Bool
    let notices: [Notice]
    let older: String?
    let isOlder: Bool

    struct Person: Sendable {
        let id: String
        let label: String
        let isChosen: Bool
    }

    struct Entry: Sendable {
        let when: String
        let who: String
        let what: String
        let scopes: [String]
        let program: String
        let result: String
        let isRefused: Bool
    }

    /// Something that happened to the account itself.
    struct Notice: Sendable {
        let when: String
        let what: String
        let source: String?
    }

    init(
        _ frame: AccountFrame, people: [Person], entries: [Entry], notices: [Notice], older: String?, isOlder: Bool
    ) {
        (isDemo, lang, t, self.frame) = (frame.isDemo, frame.lang, frame.t, frame)
        self.people = people
        hasSeveral = people.count > 1
        hasEntries = !entries.isEmpty
        self.entries = entries
        hasNotices = !notices.isEmpty
        self.notices = notices
        self.older = older
        self.isOlder = isOlder
    }
}

/// Where the person is signed in.
struct SessionsPageFacts: Page {
    static let template = "account-sessions"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let frame: AccountFrame
    let isSessions = true
    let sessions: [Session]

    struct Session: Sendable {
        let id: String
        let isThis: Bool
        let begun: String
        let seen: String
    }

    init(_ frame: AccountFrame, sessions: [Session]) {
        (isDemo, lang, t, self.frame) = (frame.isDemo, frame.lang, frame.t, frame)
        self.sessions = sessions
    }
}

/// The login of the account pages.
struct AccountLoginPageFacts: Page {
    static let template = "account-login"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let username: String
    let error: String?
    let chooser: ChooserFacts
}
