public import FHIRCore

/// What the decision must know about one protected FHIR server and the address it is published under.
public struct ServerPolicy: Hashable, Sendable {
    /// What is known. A class so that handing a policy on costs one reference count; nothing in it changes.
    private final class Facts: Sendable {
        let values: Values
        /// Turns the addresses of the protected server into ours; made once from the two bases.
        let addresses: AddressMap
        /// The protected server's base, read once.
        let upstreamAddress: ServerAddress?

        init(_ values: Values) {
            self.values = values
            upstreamAddress = ServerAddress(base: values.upstreamBase)
            addresses = AddressMap(publicBase: values.publicBase, upstreamBase: values.upstreamBase)
        }
    }

    private struct Values: Hashable {
        let publicBase: String
        let upstreamBase: String
        let types: TypeTable
        var supportedParameters: [ResourceType: Set<String>]?
        var distrusted: Set<ResourceType> = []
        let maxCount: Int
        let maxIncludes: Int
        let maxPatientsInQuery: Int
        var allowsReverseChaining = false
        var maxPageBytes = 8 << 20
        var operations = OperationTable.builtIn
    }

    private var facts: Facts

    /// The FHIR base that clients see, without a slash at the end.
    public var publicBase: String { facts.values.publicBase }
    /// The FHIR base of the protected server, without a slash at the end.
    public var upstreamBase: String { facts.values.upstreamBase }
    /// The same base, read; nil when it is no address, and then no link of the server is followed.
    var upstreamAddress: ServerAddress? { facts.upstreamAddress }
    /// What each type is to the policy.
    public var types: TypeTable { facts.values.types }
    /// The search parameters that the server supports by type, as its CapabilityStatement lists them; nil when nobody
    /// knows: then a client may use all of R4, and no count is believed.
    public var supportedParameters: [ResourceType: Set<String>]? { facts.values.supportedParameters }
    /// Types on which the server has answered with rows that its own parameters exclude: whatever it declares, what it
    /// counts there is not believed.
    public var distrusted: Set<ResourceType> { facts.values.distrusted }
    /// The largest page that a client may ask for; larger wishes are cut to it.
    public var maxCount: Int { facts.values.maxCount }
    /// The most `_include` and `_revinclude` parameters in one search.
    public var maxIncludes: Int { facts.values.maxIncludes }
    /// The most patients that are written into one upstream query; under a larger panel a search names its patient.
    public var maxPatientsInQuery: Int { facts.values.maxPatientsInQuery }
    /// The most upstream searches that one search of a client is taken apart into.
    public var maxSearches: Int { 64 }
    /// The most types that one search names, or reaches where it names none.
    public var maxTypesPerSearch: Int { 32 }
    /// The most calls for one page of such a search; what is left comes with the next page.
    public var maxCallsPerPage: Int { 32 }
    /// Rows on a page that is put together from several upstream pages, where the client does not say how many.
    public var pageSize: Int { 50 }
    /// The most bytes of resources on a page that is put together from several upstream answers; what is left comes with
    /// the next page. A page has one row at least, and what comes along with the rows of one upstream page stays together.
    public var maxPageBytes: Int {
        get { facts.values.maxPageBytes }
        set { change { $0.maxPageBytes = max(1, newValue) } }
    }
    var addresses: AddressMap { facts.addresses }

    /// Whether `_has` may be asked, in the one form in which it tells nothing about hidden rows.
    public var allowsReverseChaining: Bool {
        get { facts.values.allowsReverseChaining }
        set { change { $0.allowsReverseChaining = newValue } }
    }

    /// The operations that are let through.
    public var operations: OperationTable {
        get { facts.values.operations }
        set { change { $0.operations = newValue } }
    }

    /// Makes a policy; slashes at the end of the bases are dropped.
    public init(
        publicBase: String, upstreamBase: String, types: TypeTable,
        supportedParameters: [ResourceType: Set<String>]? = nil, maxCount: Int = 1_000, maxIncludes: Int = 8,
        maxPatientsInQuery: Int = 50
    ) {
        facts = Facts(
            Values(
                publicBase: ServerPolicy.trimmed(publicBase), upstreamBase: ServerPolicy.trimmed(upstreamBase),
                types: types, supportedParameters: supportedParameters, maxCount: max(1, maxCount),
                maxIncludes: max(0, maxIncludes), maxPatientsInQuery: max(1, maxPatientsInQuery)))
    }

    private mutating func change(_ edit: (inout Values) -> Void) {
        var values = facts.values
        edit(&values)
        facts = Facts(values)
    }

    /// Policies are equal when all that they say is.
    public static func == (left: ServerPolicy, right: ServerPolicy) -> Bool {
        left.facts === right.facts || left.facts.values == right.facts.values
    }

    /// Hashes the two bases.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(publicBase)
        hasher.combine(upstreamBase)
    }

    /// The same policy with what the server says of itself now, and the types on which it was seen to act otherwise.
    public func knowing(
        _ supportedParameters: [ResourceType: Set<String>]?, distrusting types: Set<ResourceType> = []
    ) -> ServerPolicy {
        var policy = self
        policy.change {
            $0.supportedParameters = supportedParameters
            $0.distrusted = types
        }
        return policy
    }

    /// The parameter that a client may search a type by, if R4 defines it and the server supports it.
    func searchParameter(_ code: String, for type: ResourceType) -> SearchParameter? {
        guard let parameter = R4.searchParameter(code, for: type) else { return nil }
        guard let supportedParameters else { return parameter }
        return supportedParameters[type]?.contains(code) == true ? parameter : nil
    }

    /// Whether the server itself says that it knows these parameters, and was not seen to pass over them.
    ///
    /// A count has no rows that could be judged, so this is all the evidence there is (ADR 0018).
    func declares(_ names: [String], for type: ResourceType) -> Bool {
        guard let declared = supportedParameters?[type], !distrusted.contains(type) else { return names.isEmpty }
        return names.allSatisfy(declared.contains)
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while text.last == "/" { text.removeLast() }
        return String(text)
    }
}
