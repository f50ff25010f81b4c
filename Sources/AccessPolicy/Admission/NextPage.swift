internal import FHIRCore

/// The one link of the upstream that is followed up.
struct NextPage {
    private let urls: [String]
    private let rule: ReleaseRule

    init(of bundle: BundleView, _ rule: ReleaseRule) {
        urls = bundle.links.filter { $0.relation == "next" }.map(\.url)
        self.rule = rule
    }

    /// Whether the upstream says that there is more.
    var exists: Bool { !urls.isEmpty }

    /// The upstream's address of its next page, or none where there is none.
    ///
    /// Nil when there is one that must not be followed: what is gathered would look complete.
    var address: String?? {
        guard exists else { return .some(nil) }
        guard urls.count == 1, rule.isUpstreamAddress(urls[0]) else { return nil }
        return urls[0]
    }

    /// Our link to the next page, or none where there is none.
    ///
    /// Nil when there is a next page that we cannot link: the answer must then not be shown, as it would look complete.
    func linked(_ pageLink: (String) -> String?) -> [(relation: String, url: String)]? {
        guard exists else { return [] }
        guard urls.count == 1, rule.isUpstreamAddress(urls[0]), let ours = pageLink(urls[0]) else { return nil }
        return [("next", ours)]
    }
}
