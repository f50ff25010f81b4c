import AccessPolicy
import Authorization
import OAuthCore
import Testing

/// When a browser's session began, for its owner to read.
@Suite struct BrowserSessionTests {
    @Test(arguments: [(BrowserSession.SignIn.unknownMoment, 700), (500, 500), (nil, 700)] as [(Int64?, Int64)])
    func `a sign-in of which nobody knows when it was began with its session, and not in 1970`(
        signedInAt: Int64?, begunAt: Int64
    ) {
        let signIn = signedInAt.map { BrowserSession.SignIn(subject: SubjectID("anna"), authenticatedAt: $0) }
        let session = BrowserSession(
            id: SessionID(presented: Secret("s")), signIn: signIn, createdAt: 700, expiresAt: 900, lastSeenAt: 800)
        #expect(session.begunAt == begunAt)
    }
}
