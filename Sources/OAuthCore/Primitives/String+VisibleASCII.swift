extension String {
    /// Whether the text has only visible ASCII characters and blanks (VSCHAR of RFC 6749 Appendix A).
    var isVisibleASCII: Bool { utf8.allSatisfy { (0x20...0x7E).contains($0) } }
}
