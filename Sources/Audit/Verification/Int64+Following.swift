extension Int64 {
    /// The number after this one. The last has none after it and stays: numbers that are read from a log may be forged, and
    /// a forged number is a finding, never a crash.
    package var following: Int64 { self == .max ? .max : self + 1 }
}
