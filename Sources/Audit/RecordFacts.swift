public import AccessPolicy

/// What a record says beside the request and its decision: under whose obligation it counts, on which rule of law it
/// rests, for which organisation the client acts and why. The one source of these facts, for accesses and for steps of
/// authorization.
public struct RecordFacts: Sendable {
    /// Under whose obligation to report accesses to this server count.
    public var reportingEntity: String?
    /// The organisation for which a client acts.
    public var organization: @Sendable (ClientID) -> String?

    /// Why a client asks, as HL7 v3 ActReason codes; nil where it is what its program stands for.
    public var purposes: @Sendable (ClientID) -> [String]?

    /// Facts about one protected server.
    public init(
        reportingEntity: String? = nil, organization: @escaping @Sendable (ClientID) -> String? = { _ in nil },
        purposes: @escaping @Sendable (ClientID) -> [String]? = { _ in nil }
    ) {
        self.reportingEntity = reportingEntity
        self.organization = organization
        self.purposes = purposes
    }

    /// The rule of law that an access under a program rests on (CMS-0057-F; HIPAA where no program binds).
    public static func legalBasis(_ program: APIProgram) -> String {
        switch program {
        case .patientAccess: "42 CFR 422.119(a); 431.60(a); 457.730(a); 45 CFR 156.221(a)"
        case .providerAccess: "42 CFR 422.121(a); 431.61(a); 457.731(a); 45 CFR 156.222(a)"
        case .payerToPayer: "42 CFR 422.121(b); 431.61(b); 457.731(b); 45 CFR 156.222(b)"
        case .priorAuthorization: "42 CFR 422.122(b); 431.80(b); 457.732(b); 45 CFR 156.223(b)"
        case .general: "45 CFR 164.506"
        }
    }

    /// The purpose of use that a program stands for, as HL7 v3 ActReason codes; none where only the token could tell.
    public static func purposeOfUse(_ program: APIProgram) -> [String] {
        switch program {
        case .patientAccess: ["PATRQT"]
        case .providerAccess: ["TREAT"]
        case .payerToPayer: ["HOPERAT"]
        case .priorAuthorization: ["COVAUTH"]
        case .general: []
        }
    }

    /// The record of a step with what is known about its client and its program; what the step said itself stays.
    ///
    /// - Parameter program: the program of the client's approval, where the record names a client and no program.
    public func completing(_ record: AuthorizationRecord, program: APIProgram? = nil) -> AuthorizationRecord {
        var record = record
        record.program = record.program ?? program?.rawValue
        record.reportingEntity = record.reportingEntity ?? reportingEntity
        guard let client = record.clientID else { return record }
        let program = record.program.flatMap { APIProgram(rawValue: $0) }
        record.organization = record.organization ?? organization(client)
        if record.purposeOfUse.isEmpty {
            record.purposeOfUse = purposes(client) ?? program.map { Self.purposeOfUse($0) } ?? []
        }
        record.legalBasis = record.legalBasis ?? program.map { Self.legalBasis($0) }
        return record
    }
}
