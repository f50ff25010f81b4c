public import FHIRCore
public import AccessPolicy
public import OAuthCore

/// The member directory of a site: local accounts by their stored links, the logins of identity providers by the source
/// that is configured for each.
///
/// Of a login of a provider two things must hold: its link stands, and the source still says the same person.
public struct SiteMemberDirectory: MemberDirectory {
    private let links: any MemberLinkStore
    private let logins: any ExternalLoginStore
    private let sources: [String: MemberSourceRules]
    private let panels: PractitionerPanels
    private let clock: Clock

    public init(
        links: any MemberLinkStore, logins: any ExternalLoginStore, sources: [String: MemberSourceRules] = [:],
        panels: PractitionerPanels = .init(), clock: Clock
    ) {
        self.links = links
        self.logins = logins
        self.sources = sources
        self.panels = panels
        self.clock = clock
    }

    public func member(for subject: SubjectID) async throws -> Member? {
        guard let link = try await links.link(for: subject) else { return nil }
        guard let login = try await logins.login(of: subject) else { return choice(of: link).member }
        guard login.undoneAt == nil, let source = source(of: login.identity) else { return nil }
        switch source.source {
        case .links: return choice(of: link).member
        case .asked:
            guard let member = try await choice(of: login.identity).member, member.fhirUser == link.fhirUser else {
                return nil
            }
            return member
        }
    }

    public func subjects(of user: InstanceKey) async throws -> [SubjectID] { try await links.subjects(of: user) }

    /// A local account is known by its link; a provider's login only through the provider.
    public func canTell(of subject: SubjectID) async throws -> Bool {
        guard let login = try await logins.login(of: subject) else { return true }
        return source(of: login.identity) != nil
    }

    /// The source that vouches for a login. A provider that is configured no more vouches for nobody, and neither does one
    /// whose name has come to mean another issuer for the logins of the old one.
    private func source(of identity: ExternalIdentity) -> MemberSourceRules? {
        guard let source = sources[identity.provider], source.issuer.utf8.elementsEqual(identity.issuer.utf8) else {
            return nil
        }
        return source
    }

    /// Who a login is by its provider's source, whatever is linked; nobody where links are made by hand.
    func choice(of identity: ExternalIdentity) async throws -> MemberChoice {
        guard let source = source(of: identity), case .asked(let ask) = source.source else {
            return .nobody(.unknown)
        }
        return MemberChoice(try await ask(identity), rules: source.rules, panels: panels, today: today)
    }

    private func choice(of link: MemberLink) -> MemberChoice {
        MemberChoice(.known(link.facts), rules: MemberRules(), panels: panels, today: today)
    }

    private var today: CalendarDate { CalendarDate(unixSeconds: clock.now()) }
}
