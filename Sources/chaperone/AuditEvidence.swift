internal import Audit
internal import FHIRCore
internal import OAuthCore

/// What was kept elsewhere, and what was given away to be checked: files of anchors and of proofs.
enum AuditEvidence {
    /// The copies of checkpoints in files; a file that has none proves nothing and is refused.
    static func anchors(in files: [String]) throws -> [String] {
        try files.flatMap { file in
            let lines = try TextFile.read(file, limit: 1 << 30).split(whereSeparator: \.isNewline).map(String.init)
            let found = AnchorLines.checkpoints(lines)
            guard !found.isEmpty else { throw CommandFailure("`\(file)` has no checkpoint, so it proves nothing") }
            return found
        }
    }

    /// Works out the proofs of a file and says what they show, one line each.
    static func verifyProofs(in file: String, keys: JWKSet, anchors files: [String]) throws {
        let anchors = Set(try anchors(in: files))
        let bytes = Array(try TextFile.read(file, limit: 256 << 20).utf8)
        guard let proofs = try? JSONValue(parsing: bytes)["proofs"]?.array, !proofs.isEmpty else {
            throw CommandFailure("`\(file)` has no proof")
        }
        for value in proofs {
            let proof: AuditInclusionProof
            let shown: AuditInclusionProof.Shown
            do throws(AuditFormatError) {
                proof = try AuditInclusionProof(json: value)
                shown = try proof.verify(keys: keys, anchors: anchors)
            } catch {
                throw CommandFailure("`\(file)` proves nothing: \(error.detail)")
            }
            if !files.isEmpty, !shown.isAnchored {
                throw CommandFailure(
                    "checkpoint \(shown.checkpoint.number) of `\(proof.node)`, by which `\(file)` proves entry "
                        + "\(proof.sequence), is not among the copies from outside")
            }
            Swift.print(String(decoding: proof.body, as: UTF8.self))
            Swift.print(
                "Entry \(proof.node)/\(proof.sequence) (\(shown.hash)) stood in the log when checkpoint "
                    + "\(shown.checkpoint.number) was made, \(shown.checkpoint.madeAt)"
                    + (shown.isAnchored ? ", which was kept outside." : "."))
        }
        Swift.print(AuditInclusionProof.notShown)
    }
}
