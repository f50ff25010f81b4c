internal import FHIRCore

extension JSONNode {
    /// The edit that cuts the member with this name out of an object, with the comma that goes with it.
    func cut(member name: String) -> ByteEdit? { cut(members: { $0.isNamed(name) }).first }

    /// The edits that cut every member that a test names, each with the comma that goes with it.
    ///
    /// Neighbouring cuts never overlap: a member takes the comma behind it, and only the last run takes the one before.
    func cut(members isCut: (JSONMember) -> Bool) -> [ByteEdit] {
        let all = members
        let cuts = all.map(isCut)
        var edits: [ByteEdit] = []
        let lastKept = cuts.lastIndex(of: false)
        for (place, member) in all.enumerated() where cuts[place] {
            if let lastKept, place < lastKept {
                edits.append(
                    ByteEdit(range: member.range.lowerBound..<all[place + 1].range.lowerBound, replacement: []))
            } else if place == (lastKept ?? -1) + 1 {
                // The run at the end goes in one piece, from behind the last kept member.
                let start = lastKept.map { all[$0].range.upperBound } ?? member.range.lowerBound
                edits.append(ByteEdit(range: start..<all[all.count - 1].range.upperBound, replacement: []))
            }
        }
        return edits
    }

    /// The bytes of the value with edits made, of which those elsewhere in its document do not matter.
    func bytes(with edits: [ByteEdit]) -> [UInt8] { applying(edits, to: document.bytes, in: range) }

    /// The edit that puts a member first into an object.
    func insertion(firstMember text: String) -> ByteEdit {
        let place = range.lowerBound + 1
        return ByteEdit(range: place..<place, replacement: Array((text + (count == 0 ? "" : ",")).utf8))
    }

    /// The edit that puts an element first into an array.
    func insertion(firstElement text: String) -> ByteEdit { insertion(firstMember: text) }
}

extension ResourceView {
    /// The edit that marks the resource as not being the whole of what is stored (FHIR R4 `SUBSETTED`).
    var subsetMark: ByteEdit {
        let tag = #"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#
        guard let meta = node["meta"] else {
            // Before `resourceType`, which is never cut, so that no other edit touches the place.
            let place = node.members.first { $0.isNamed("resourceType") }?.range.lowerBound ?? node.range.lowerBound + 1
            return ByteEdit(range: place..<place, replacement: Array(#""meta":{"tag":[\#(tag)]},"#.utf8))
        }
        guard let tags = meta["tag"], tags.kind == .array else {
            return meta.insertion(firstMember: #""tag":[\#(tag)]"#)
        }
        return tags.insertion(firstElement: tag)
    }

    /// The resources in `contained`; nil when one of them is none, or contains others itself (FHIR R4, dom-2).
    var containedResources: [ResourceView]? {
        guard let list = node["contained"] else { return [] }
        guard list.kind == .array else { return nil }
        var result: [ResourceView] = []
        for element in list.elements {
            guard let view = try? ResourceView(element), element["contained"] == nil else { return nil }
            result.append(view)
        }
        return result
    }
}
