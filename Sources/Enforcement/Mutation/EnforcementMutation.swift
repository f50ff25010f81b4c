/// The rules of the gateway that a run can break on purpose; see `PolicyMutation` of AccessPolicy (ADR 0050).
enum EnforcementMutation: String, Hashable, Sendable, CaseIterable {
    // MARK: Tokens
    /// b.2.4: a token counts after its end.
    case expiryIgnored
    /// b.2.4: a revoked token counts.
    case revocationIgnored
    /// RFC 8705 §3: a token counts that is bound to a withdrawn certificate.
    case withdrawalIgnored
    /// House rule: a token counts whose person signed in with less than is demanded by now.
    case weakSignInTaken

    // MARK: Users' panels
    /// b.10.4: a row counts for a panel that does not name the user.
    case panelRowsBelieved
    /// b.10.4: a row counts for a panel that is over or void.
    case endedPanelRows
    /// b.10.4: a panel that cannot be had is everybody.
    case failedPanelIsEveryone

    // MARK: Links
    /// b.4 row 27: a page link holds after its end.
    case pageLinksForEver
    /// b.4 row 27: a page link is anybody's.
    case pageLinksUnbound
    /// b.4 row 27: a page link counts under another narrowing.
    case pageLinksOfOtherQueries
    /// b.9: an export's job is anybody's.
    case jobsUnbound
    /// b.9: an export's file is fetched through another job.
    case filesOfOtherJobs

    // MARK: What is stored
    /// b.3: a write goes through under an `If-Match` that no longer holds.
    case staleIfMatchTaken
    /// b.4 row 14: an update is not tied to the version that was judged.
    case writesUntied
    /// b.8: whatever is there counts as visible to a body.
    case referenceReadsUnjudged
    /// b.4 row 17: a patch may test a version that the token may not read.
    case patchTestsUnread
    /// b.4 row 16: of several matches of a condition the first is written.
    case firstOfSeveralTaken
    /// b.4 row 10: what a request hangs on is read and not judged.
    case proofsUnjudged
    /// b.3: what cannot be judged has another face than what is not there.
    case uncheckableShown

    // MARK: Transactions
    /// b.4 row 22: a transaction is sent without the entries that are refused.
    case transactionsInPart
    /// b.4 row 22: two entries of a transaction write one instance.
    case instancesWrittenTwice
    /// b.4 row 21: answers to entries are taken in whatever order they come.
    case transactionAnswersMixed

    #if POLICY_MUTANTS
        /// The rule that this task breaks; nil outside the tests of the tests.
        @TaskLocal static var active: Self?
    #endif
}

/// Whether this run breaks a rule on purpose. False in the product, where the compiler leaves nothing of it.
@inline(__always)
func mutated(_ rule: EnforcementMutation) -> Bool {
    #if POLICY_MUTANTS
        return EnforcementMutation.active == rule
    #else
        return false
    #endif
}
