import Foundation
import ParserProperties

/// The property that the environment names; a wrong name ends the run at once.
private let property: ParserProperty = {
    let name = ProcessInfo.processInfo.environment["FUZZ_PROPERTY"] ?? ""
    guard let property = ParserProperty(rawValue: name) else {
        fatalError("FUZZ_PROPERTY is one of \(ParserProperty.allCases.map(\.rawValue))")
    }
    return property
}()

/// What libFuzzer calls with each input; a violation ends the process, and libFuzzer keeps the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    if let violation = property.violation(by: input) { fatalError("\(property): \(violation)") }
    return 0
}
