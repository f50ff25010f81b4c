/// The rules of the policy that a run can break on purpose, to show that some test sees it (ADR 0050).
///
/// Each case stands for one mistake, with the place of the enforcer digest that it goes against. The switch is a task's
/// own, so that tests can run beside one another, and exists in debug builds only: a release has no such thing, which
/// `Tests/Mutants/run.py --product` shows. `Tests/Mutants/run.py` reads the list from here.
enum PolicyMutation: String, Hashable, Sendable, CaseIterable {
    // MARK: Scopes and what they grant
    /// d.1: letters of a scope are read in any order.
    case outOfOrderLetters
    /// d.1: the valid beginning of a malformed scope counts.
    case scopePrefix
    /// d.9: a constraint is compared by its code alone.
    case systemIgnored
    /// b.10.3: a constraint that nobody can evaluate is dropped from its scope.
    case unevaluableIgnored
    /// b.1: a resource is not held against the constraint.
    case constraintNotHeld
    /// b.1: any letter grants every letter.
    case letterIgnored
    /// b.4: `r` opens searches and `s` opens reads.
    case readAndSearchSwapped
    /// b.1: a scope on one type grants all types.
    case typeIgnored
    /// d.3: of several scopes on a type the first alone is looked at.
    case onlyFirstScope
    /// d.6: the patient's scopes reach as far as the user's.
    case boundariesMerged
    /// b.10.4: without a patient in context there is no boundary.
    case missingPatientIsEveryone
    /// b.10.4: without a user in the token the user's panel holds all the same.
    case missingUserIgnored
    /// b.10.4: an empty panel is read as no filter.
    case emptyPanelIsEveryone
    /// b.10.1: Bundles and Parameters are reached like any other type.
    case wrappersReached
    /// b.4 row 30: what decides about access is written like any record.
    case policyWritten
    /// b.4 row 30: what belongs to nobody is written under any boundary.
    case sharedWritten
    /// b.10.1: types that name many patients are reached under any boundary.
    case restrictedReached
    /// b.10.1: CareTeam is missing from the compartment and counts as nobody's.
    case compartmentTypeForgotten

    // MARK: Before anything is asked
    /// b.2.5: the type gate lets everything through.
    case typeGateDropped
    /// b.3: the upstream is asked about patients outside the boundary.
    case foreignPatientAsked
    /// b.4 row 2: a version is shown whatever the current one says.
    case vreadWithoutCurrent
    /// b.4 rows 3 and 4: a history is shown whatever the current version says.
    case historyWithoutCurrent
    /// b.4 row 4: a patient's token gets the history of a type.
    case typeHistoryForPatients
    /// b.4 row 9: the compartment of any patient is searched.
    case compartmentOfAnybody
    /// b.4 row 10: the compartment of an encounter is searched without reading the encounter.
    case encounterUnproven
    /// b.4 row 11: the compartment of any practitioner is searched.
    case associationsOpen
    /// b.4 row 12: a token within a boundary makes patients.
    case patientMakesPatients
    /// b.4 row 19: a patient's token deletes the patient.
    case patientDeletesItself
    /// b.4 row 17: a patch that tests what is stored needs no letter for reading.
    case patchTestsWithoutLetter
    /// b.4 row 16: a condition may have terms that nobody can evaluate.
    case conditionsNotVouchedFor
    /// b.6.2: a search may name a patient outside the boundary.
    case otherPatientNamed
    /// b.5: a modifier on a membership parameter is let through.
    case membershipModifiers
    /// b.10.2: a parameter that nobody knows is passed on.
    case unknownParametersForwarded
    /// b.5: `_filter`, `_query` and their like are passed on.
    case controlParametersForwarded
    /// b.5: other reference parameters may name patients outside the boundary.
    case peopleInReferences
    /// b.5: a chain may lead into a type that is not granted.
    case chainsUngranted
    /// b.5: a chain may lead through patients' own records.
    case chainsIntoCompartments
    /// b.5: `_has` asks about rows that are not granted, or not whole.
    case reverseChainsUngranted
    /// b.5: an include may lead to a type that is not granted.
    case includesUngranted
    /// b.5: a reverse include starts at what is everybody's.
    case reverseIncludesFromShared

    // MARK: Narrowing
    /// b.6.2: a search leaves without the boundary's patients.
    case patientsNotAdded
    /// b.6.3: a search leaves without the scopes' constraints.
    case constraintsNotAdded
    /// b.6.5: a panel too large for a query is left out of it.
    case largePanelNotAdded
    /// b.6.1: a count is taken where narrowing is not exact.
    case countsBelieved
    /// b.6.8: pages are not filled where rows can be hidden.
    case hiddenRowsForgotten

    // MARK: What leaves
    /// b.2.10: what a read or a look-up has found is not judged.
    case readsNotJudged
    /// b.4 rows 2 and 3: old versions are not judged.
    case versionsNotJudged
    /// b.4 row 1: a read is answered with another resource.
    case anyInstanceTaken
    /// b.4 row 2: a version read is answered with another version.
    case anyVersionTaken
    /// b.4 row 3: a history may hold versions of another resource.
    case historiesMixed
    /// b.4 row 4: the history of a type tells of deletions under a boundary.
    case deletionsShown
    /// b.4 row 1: `If-None-Match` is evaluated before the resource is judged.
    case conditionsBeforeJudgement
    /// b.6.7: matches of a search are not judged.
    case matchesNotJudged
    /// b.6.7: what comes along is not judged.
    case includesNotJudged
    /// b.6.7: what comes along need not hang on anything released.
    case includesUnconnected
    /// b.6.1: the upstream's total is passed on.
    case totalsPassedOn
    /// b.6.8: further pages follow one from which rows were taken.
    case gapsInPages
    /// b.1: a resource is not held against the boundary.
    case boundaryNotHeld
    /// b.1: whoever is named anywhere in a record owns it.
    case formalMembersCount
    /// b.1: a patient of another server is the patient in context.
    case anyServersPatient
    /// b.7: a Provenance is shown for one visible target of several.
    case provenanceOfAnyTarget
    /// b.7: other patients are not masked.
    case maskIgnored
    /// b.7: a record of several patients is shown.
    case denyIgnored
    /// b.7: a contained record counts as its container's.
    case containedIsOwn
    /// b.2.11: a page link may lead to another host.
    case pagesElsewhere
    /// b.2.11: addresses of the upstream stay in what leaves.
    case upstreamNamesShown
    /// b.4 row 28: a Binary needs no document that points at it.
    case filesUnproven
    /// b.4 row 28: a linked Binary's security context is not looked at.
    case fileContextIgnored

    // MARK: What is written
    /// b.4 row 12: a body is not judged.
    case bodiesNotJudged
    /// b.4 rows 14 and 19: the stored version is not judged before a write.
    case storedNotJudged
    /// b.4 row 14: an update may move a record to another patient.
    case recordsMoved
    /// b.4 row 12: the echo of a write and resources in answers are not judged.
    case echoesNotJudged
    /// b.2.11: a `Location` on another host is passed on.
    case placesPassedOn
    /// b.4 row 12: nobody looks whose a body is.
    case subjectNotLookedAt
    /// b.4 row 12: a body may name other patients beside its subject.
    case otherPeopleInBodies
    /// b.8: an identifier may stand where membership is decided.
    case identifiersBesideSubjects
    /// b.7: a body may contain somebody else's record.
    case foreignContainedWritten
    /// b.8: a body may refer by a condition.
    case conditionalReferences
    /// b.8: what a body refers to need not be visible.
    case referencesUnproven
    /// ADR 0045: a document may point at any Binary.
    case filesOpenedByPointing
    /// b.8: an entry may belong to a patient that the same transaction makes.
    case siblingPatients
    /// b.4 row 17: a patch may change security labels and profiles.
    case patchChangesLabels
    /// b.4 row 16: a condition selects whatever the upstream answers.
    case conditionsNotEvaluated

    // MARK: Operations and exports
    /// b.9: an operation without a descriptor is let through.
    case undescribedOperations
    /// b.9: an operation that changes something is called by GET.
    case changingByGET
    /// b.9: an operation is open to every context.
    case operationContextsIgnored
    /// b.9: `$everything` is called on any patient.
    case operationsOnAnybody
    /// b.9: the `patient` of an operation may be anybody.
    case operationParameterUnbound
    /// b.9: a value of a parameter may be of any kind of JSON, whatever its name says.
    case operationValueKindsIgnored
    /// b.5, b.7: rows may be ordered by people who are masked in them.
    case orderedByMasked
    /// b.9: records handed to an operation may be anybody's.
    case submittedRecordsUnjudged
    /// b.9: entries that are to be stored keep the addresses that they came under.
    case submittedAddressesKept
    /// b.9: an entry under the server's own address needs no letter to take its place.
    case submittedReplacesUnasked
    /// b.9: resources in an operation's answer are not judged.
    case operationAnswersUnjudged
    /// b.9: values in Parameters may name anybody.
    case operationValuesUnjudged
    /// b.9: an export starts with a patient's or user's scopes.
    case exportForPatients
    /// b.9: lines of an export are not judged.
    case exportLinesUnjudged

    #if POLICY_MUTANTS
        /// The rule that this task breaks; nil outside the tests of the tests.
        @TaskLocal static var active: Self?
    #endif
}

/// Whether this run breaks a rule on purpose. False in the product, where the compiler leaves nothing of it.
@inline(__always)
func mutated(_ rule: PolicyMutation) -> Bool {
    #if POLICY_MUTANTS
        return PolicyMutation.active == rule
    #else
        return false
    #endif
}
