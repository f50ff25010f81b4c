internal import Audit
internal import FHIRCore

extension AuditEventAnswers {
    /// What can be done here, as a CapabilityStatement.
    var capabilities: JSONValue {
        let parameters = AuditEventSearch.parameters.map { parameter in
            var members: [JSONMemberValue] = [.init("name", .string(parameter.name))]
            if let definition = parameter.definition { members.append(.init("definition", .string(definition))) }
            members.append(.init("type", .string(parameter.type)))
            members.append(.init("documentation", .string(parameter.documentation)))
            return JSONValue.object(members)
        }
        let interactions = ["read", "vread", "history-instance", "search-type"].map { code in
            JSONValue.object([.init("code", .string(code))])
        }
        let resource: JSONValue = .object([
            .init("type", .string("AuditEvent")),
            .init(
                "documentation",
                .string(
                    "Sorted by date, newest first, or by _sort=date. A page looks at a bounded number of events: it can be "
                        + "short, and its next link goes on. All pages are of the state in which the first one was read."
                )), .init("interaction", .array(interactions)),
            // Each event has one version.
            .init("versioning", .string("versioned")), .init("readHistory", .bool(true)),
            .init("conditionalRead", .string("not-supported")), .init("searchParam", .array(parameters)),
        ])
        return .object([
            .init("resourceType", .string("CapabilityStatement")), .init("status", .string("active")),
            .init("date", .string("2026-11-26")), .init("kind", .string("instance")),
            .init(
                "implementation",
                .object([
                    .init("description", .string("\(system.name): audit events")), .init("url", .string(fhirBase)),
                ])),
            .init("fhirVersion", .string("4.0.1")), .init("format", .array([.string("json")])),
            .init(
                "rest",
                .array([
                    .object([.init("mode", .string("server")), .init("resource", .array([resource]))])
                ])),
        ])
    }

    private var fhirBase: String {
        base.hasSuffix("/AuditEvent") ? String(base.dropLast("/AuditEvent".count)) : base
    }
}
