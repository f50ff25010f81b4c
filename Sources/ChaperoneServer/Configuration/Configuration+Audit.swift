extension Configuration {
    /// How the audit trail is kept, proved and passed on.
    public struct AuditSettings: Hashable, Sendable {
        /// The name of this process's chain; entries, checkpoints and events bear it.
        public var node: String
        /// Seconds between signed checkpoints, where anything was written.
        public var checkpointInterval: Int

        /// What holds when nothing is said.
        public static let standard = AuditSettings(node: "local", checkpointInterval: 60)
    }

    static func audit(_ top: inout SettingReader) -> AuditSettings {
        var map = top.map("audit")
        var settings = AuditSettings.standard
        settings.node = map.text("node", default: settings.node)
        if !(1...64).contains(settings.node.utf8.count) || !settings.node.utf8.allSatisfy(isNodeByte) {
            map.fail("node", "must be 1 to 64 letters, digits, points and hyphens, not `\(settings.node)`")
        }
        settings.checkpointInterval = map.integer(
            "checkpoint-interval", default: settings.checkpointInterval, in: 1...86_400)
        map.finish()
        return settings
    }

    private static func isNodeByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E: true
        default: false
        }
    }
}
