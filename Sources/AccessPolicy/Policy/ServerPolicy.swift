public import FHIRCore

/// What the decision must know about one protected FHIR server and the address it is published under.
public struct ServerPolicy: Hashable, Sendable {
    /// The FHIR base that clients see, without a slash at the end.
    public let publicBase: String
    /// The FHIR base of the protected server, without a slash at the end.
    public let upstreamBase: String
    /// What each type is to the policy.
    public let types: TypeTable
    /// The search parameters that the server supports by type, as its CapabilityStatement lists them; nil when nobody
    /// knows: then a client may use all of R4, and no count is believed.
    public let supportedParameters: [ResourceType: Set<String>]?
    /// The largest page that a client may ask for; larger wishes are cut to it.
    public let maxCount: Int
    /// The most `_include` and `_revinclude` parameters in one search.
    public let maxIncludes: Int
    /// The most patients that are written into one upstream query; under a larger panel a search names its patient.
    public let maxPatientsInQuery: Int
    /// The most upstream searches that one search of a client is taken apart into.
    public let maxSearches = 64
    /// The most types that one search names, or reaches where it names none.
    public let maxTypesPerSearch = 32
    /// The most calls for one page of such a search; what is left comes with the next page.
    public let maxCallsPerPage = 32
    /// Rows on a page that is put together from several upstream pages, where the client does not say how many.
    public let pageSize = 50
    /// Whether `_has` may be asked, in the one form in which it tells nothing about hidden rows.
    public var allowsReverseChaining = false
    /// The operations that are let through.
    public var operations = OperationTable.builtIn

    /// Makes a policy; slashes at the end of the bases are dropped.
    public init(
        publicBase: String, upstreamBase: String, types: TypeTable,
        supportedParameters: [ResourceType: Set<String>]? = nil, maxCount: Int = 1_000, maxIncludes: Int = 8,
        maxPatientsInQuery: Int = 50
    ) {
        self.publicBase = ServerPolicy.trimmed(publicBase)
        self.upstreamBase = ServerPolicy.trimmed(upstreamBase)
        self.types = types
        self.supportedParameters = supportedParameters
        self.maxCount = max(1, maxCount)
        self.maxIncludes = max(0, maxIncludes)
        self.maxPatientsInQuery = max(1, maxPatientsInQuery)
    }

    /// The parameter that a client may search a type by, if R4 defines it and the server supports it.
    func searchParameter(_ code: String, for type: ResourceType) -> SearchParameter? {
        guard let parameter = R4.searchParameter(code, for: type) else { return nil }
        guard let supportedParameters else { return parameter }
        return supportedParameters[type]?.contains(code) == true ? parameter : nil
    }

    /// Whether the server itself says that it knows these parameters, so that it does not pass over them in a count.
    func declares(_ names: [String], for type: ResourceType) -> Bool {
        guard let declared = supportedParameters?[type] else { return names.isEmpty }
        return names.allSatisfy(declared.contains)
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while text.last == "/" { text.removeLast() }
        return String(text)
    }
}
