internal import FHIRCore

/// Judges a whole upstream answer under a permit and puts together what may be answered instead.
///
/// The envelope is built anew: links are ours, totals are passed on only where they count what may be seen, and every
/// resource in it was admitted. An answer that cannot be read as what was asked for is refused; error bodies of the
/// upstream are never passed on.
///
/// - Parameter pageLink: turns the upstream's address of the next page into an address of ours, or nil.
public func admitAnswer(
    _ answer: UpstreamAnswer, under permit: Permit, pageLink: (String) -> String?
) -> AnswerAdmission {
    if let call = permit.rule.operation { return OperationAnswer(permit, call).admit(answer) }
    if let denial = UpstreamStatus.denial(answer.status, for: permit.request.interaction) { return .refuse(denial) }
    switch permit.upstreamInteraction {
    case .read, .vread:
        return SingleAnswer(permit).admit(answer)
    case .search(let type):
        guard let bundle = bundle(answer, type: "searchset") else { return .refuse(Denial(.upstreamUnverifiable)) }
        return SearchAnswer(permit, bundle, type).admit(pageLink)
    case .instanceHistory(let key):
        guard let bundle = bundle(answer, type: "history") else { return .refuse(Denial(.upstreamUnverifiable)) }
        return HistoryAnswer(permit, bundle, key).admit(pageLink)
    case .create, .update, .delete:
        return WriteAnswer(permit).admit(answer)
    case .capabilities, .typeHistory, .systemHistory, .searchSystem, .searchCompartment, .conditionalCreate,
        .conditionalUpdate, .patch, .conditionalPatch, .conditionalDelete, .batch, .transaction, .operation, .page:
        return .refuse(Denial(.upstreamUnverifiable))
    }
}

/// The Bundle of a type that an answer is; nil for anything else.
func bundle(_ answer: UpstreamAnswer, type: String) -> BundleView? {
    guard let view = resource(of: answer), let bundle = BundleView(view), bundle.type == type else { return nil }
    return bundle
}

/// The one resource that an answer is, strictly read; nil for anything else.
func resource(of answer: UpstreamAnswer) -> ResourceView? {
    guard answer.isJSON, let document = try? JSONDocument(answer.body) else { return nil }
    return try? ResourceView(document.root)
}

/// What an upstream status other than success comes to (enforcer digest b.3).
enum UpstreamStatus {
    /// The refusal for a status; nil when the body is to be judged.
    static func denial(_ status: Int, for interaction: FHIRInteraction) -> Denial? {
        switch status {
        case 200: return nil
        case 201: return isStoring(interaction) ? nil : Denial(.upstreamUnverifiable)
        case 202, 204: return isDelete(interaction) ? nil : Denial(.upstreamUnverifiable)
        case 404, 410: return interaction.instance == nil ? Denial(.upstreamFailed) : Denial(.notFound)
        case 400: return Denial(interaction.isWrite ? .upstreamRefusedBody : .upstreamRejected)
        case 422: return Denial(interaction.isWrite ? .upstreamRefusedBody : .upstreamRejected)
        case 409: return Denial(.upstreamConflict)
        case 412: return Denial(interaction.isWrite ? .versionConflict : .upstreamFailed)
        case 429, 503: return Denial(.upstreamBusy)
        // A redirect is never followed, and a 304 answers a condition that was never sent.
        default: return Denial(.upstreamFailed)
        }
    }

    private static func isStoring(_ interaction: FHIRInteraction) -> Bool {
        switch interaction {
        case .create, .update: true
        default: false
        }
    }

    private static func isDelete(_ interaction: FHIRInteraction) -> Bool {
        if case .delete = interaction { true } else { false }
    }
}

/// The headers of an answer that are made anew or not passed on.
enum AnswerHeaders {
    /// `W/"version"` of a resource (FHIR R4 http.html), from the resource itself where it says one.
    static func etag(_ resource: ResourceView?, _ header: String?) -> String? {
        (resource?.versionID ?? header.flatMap(EntityTag.version)).map(EntityTag.text)
    }

    /// An HTTP date has letters, digits, spaces, commas, colons and signs; nothing else goes out under its name.
    static func date(_ header: String?) -> String? {
        guard let header, header.utf8.count <= 64,
            header.utf8.allSatisfy({ byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x20, UInt8(ascii: ","), UInt8(ascii: ":"),
                    UInt8(ascii: "+"), UInt8(ascii: "-"):
                    true
                default: false
                }
            })
        else { return nil }
        return header
    }
}
