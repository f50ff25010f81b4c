internal import NIOCore

/// What takes an answer that comes in pieces, on the event loop of its exchange. After `end` or `cut` nothing more comes.
protocol AnswerPieces: AnyObject {
    /// Sends a part; the first one brings status and header fields.
    func send(_ part: consuming StreamedPart)
    /// Sends the last part, and with it the sign that the answer is whole.
    ///
    /// - Parameter notWritten: to be called when the connection ends before all of it was written.
    func end(_ part: consuming StreamedPart, notWritten: (() -> Void)?)
    /// Closes the connection without that sign.
    func cut()
}
