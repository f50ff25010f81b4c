public import FHIRCore

/// How entries and checkpoints are written for receivers.
public enum AuditFeedMessage {
    /// The AuditEvents of a batch as one FHIR batch Bundle (IHE ITI-20, RESTful ATNA: Send Audit Bundle).
    public static func bundle(_ batch: AuditFeedBatch, system: AuditSystem) -> JSONValue {
        var entries: [JSONValue] = []
        for item in batch.items {
            guard case .record(let entry) = item else { continue }
            entries.append(
                .object([
                    .init("resource", event(entry, system: system)),
                    .init(
                        "request",
                        .object([.init("method", .string("POST")), .init("url", .string("AuditEvent"))])),
                ]))
        }
        return .object([
            .init("resourceType", .string("Bundle")), .init("type", .string("batch")),
            .init("entry", .array(entries)),
        ])
    }

    /// One line for each item: an AuditEvent as JSON, or a checkpoint as its compact signature.
    public static func lines(_ batch: AuditFeedBatch, system: AuditSystem) -> [String] {
        var lines: [String] = []
        for item in batch.items {
            switch item {
            case .record(let entry): lines.append(event(entry, system: system).text)
            case .checkpoint(let checkpoint): lines.append(checkpoint.compact)
            }
        }
        return lines
    }

    /// The items as syslog messages (RFC 5424), framed by their length in bytes as TLS wants it (RFC 5425 §4.3).
    public static func frames(_ batch: AuditFeedBatch, system: AuditSystem, host: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for item in batch.items {
            let message: String
            switch item {
            case .record(let entry):
                // Facility 13, log audit; severity by outcome.
                let severity = ["refused", "failed", "interrupted"].contains(entry.index.outcome) ? 4 : 5
                message =
                    "<\(13 * 8 + severity)>1 \(FHIRTime.instant(entry.recordedAt)) \(host) chaperone "
                    + "\(name(entry.node)) \(name(entry.index.kind)) - "
                    + event(entry, system: system).text
            case .checkpoint(let checkpoint):
                message =
                    "<\(13 * 8 + 5)>1 - \(host) chaperone \(name(checkpoint.node)) checkpoint - \(checkpoint.compact)"
            }
            let text = Array(message.utf8)
            bytes += Array("\(text.count) ".utf8) + text
        }
        return bytes
    }

    /// The AuditEvent of an entry. One whose body cannot be read any more, because somebody changed it, must not hold back
    /// everything behind it: a stand-in says what it was, and is an alarm at the receiver.
    private static func event(_ entry: AuditEntry, system: AuditSystem) -> JSONValue {
        do throws(AuditFormatError) { return try AuditEventResource.json(entry, system: system) } catch {
            return AuditEventResource.unreadable(entry, system: system)
        }
    }

    /// A text as PROCID or MSGID may be: visible ASCII, at most 32 bytes (RFC 5424 §6.2.7); `-` for nothing.
    private static func name(_ text: String) -> String {
        let kept = text.unicodeScalars.filter { (0x21...0x7E).contains($0.value) }.prefix(32)
        return kept.isEmpty ? "-" : String(String.UnicodeScalarView(kept))
    }
}
