extension Unicode.Scalar {
    /// Whether the scalar can be seen, or is a blank: no control or format character, no line end, nothing unassigned.
    public var isVisible: Bool {
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
