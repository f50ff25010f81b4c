/// Whether a token that was good when its request came in is good at this moment.
///
/// An answer can take a minute to come; a grant that is revoked meanwhile gets none of it.
public struct AccessStanding: Sendable {
    /// Why it has ended; nil while it holds.
    let end: GatewayRefusal?

    init(end: GatewayRefusal? = nil) { self.end = end }
}
