import RequirementTraits
import Testing

// Rows of the catalogue beyond what a single search or read can try; see `AttackTests` for how each is run.

/// Joins as an oracle or a bypass.
@Suite(.underMutation) struct JoinsAttackTests {
    @Test(.verifies("attack@ATK-064"))
    func `a reverse chain over a type that is not granted is refused unasked`() async throws {
        try await AttackTests.attack("ATK-064")
    }

    @Test(.verifies("attack@ATK-065"))
    func `a reverse chain over a type that is granted in part is refused unasked`() async throws {
        try await AttackTests.attack("ATK-065")
    }

    @Test(.verifies("attack@ATK-066"))
    func `membership in a group is no oracle`() async throws {
        try await AttackTests.attack("ATK-066")
    }

    @Test(.verifies("attack@ATK-067"))
    func `a reverse chain from provenance is refused`() async throws {
        try await AttackTests.attack("ATK-067")
    }

    @Test(.verifies("attack@ATK-068"))
    func `a chain into a type that is not granted is refused`() async throws {
        try await AttackTests.attack("ATK-068")
    }

    @Test(.verifies("attack@ATK-069"))
    func `a chain through a patient's own type is refused`() async throws {
        try await AttackTests.attack("ATK-069")
    }

    @Test(.verifies("attack@ATK-070"))
    func `a chain to a type that belongs to nobody works`() async throws {
        try await AttackTests.attack("ATK-070")
    }

    @Test(.verifies("attack@ATK-071"))
    func `a chain of several hops is refused`() async throws {
        try await AttackTests.attack("ATK-071")
    }

    @Test(.verifies("attack@ATK-072"))
    func `contained resources are no hits`() async throws {
        try await AttackTests.attack("ATK-072")
    }

    @Test(.verifies("attack@ATK-073"))
    func `second query engines are refused`() async throws {
        try await AttackTests.attack("ATK-073")
    }

    @Test(.verifies("attack@ATK-074"))
    func `a sort key is a parameter like any other`() async throws {
        try await AttackTests.attack("ATK-074")
    }
}

/// Counts, totals, projection, paging.
@Suite(.underMutation) struct CountsAttackTests {
    @Test(.verifies("attack@ATK-076"))
    func `a total never counts what was filtered`() async throws {
        try await AttackTests.attack("ATK-076")
    }

    @Test(.verifies("attack@ATK-077"))
    func `a page size of nothing is a count`() async throws {
        try await AttackTests.attack("ATK-077")
    }

    @Test(.verifies("attack@ATK-079"))
    func `a projection takes nothing from the judge`() async throws {
        try await AttackTests.attack("ATK-079")
    }

    @Test(.verifies("attack@ATK-080"))
    func `a text summary is cut after the judgement`() async throws {
        try await AttackTests.attack("ATK-080")
    }

    @Test(.verifies("attack@ATK-081"))
    func `a summary is cut after the judgement`() async throws {
        try await AttackTests.attack("ATK-081")
    }

    @Test(.verifies("attack@ATK-082"))
    func `a projection of another make is refused`() async throws {
        try await AttackTests.attack("ATK-082")
    }

    @Test(.verifies("attack@ATK-083"))
    func `the upstream's paging keys are refused`() async throws {
        try await AttackTests.attack("ATK-083")
    }

    @Test(.verifies("attack@ATK-088"))
    func `a page has a largest size`() async throws {
        try await AttackTests.attack("ATK-088")
    }
}

/// System level, compartment and history.
@Suite(.underMutation) struct CompartmentsAttackTests {
    @Test(.verifies("attack@ATK-091"))
    func `a search of the whole server by id finds nobody else`() async throws {
        try await AttackTests.attack("ATK-091")
    }

    @Test(.verifies("attack@ATK-092"))
    func `a foreign compartment is refused`() async throws {
        try await AttackTests.attack("ATK-092")
    }

    @Test(.verifies("attack@ATK-093"))
    func `a whole compartment is what is granted of it`() async throws {
        try await AttackTests.attack("ATK-093")
    }

    @Test(.verifies("attack@ATK-094"))
    func `a compartment does not replace the grant of a type`() async throws {
        try await AttackTests.attack("ATK-094")
    }

    @Test(.verifies("attack@ATK-095"))
    func `another compartment has to be proven first`() async throws {
        try await AttackTests.attack("ATK-095")
    }

    @Test(.verifies("attack@ATK-097"))
    func `each version is judged on its own`() async throws {
        try await AttackTests.attack("ATK-097")
    }

    @Test(.verifies("attack@ATK-098"))
    func `a version that was somebody else's is not there`() async throws {
        try await AttackTests.attack("ATK-098")
    }

    @Test(.verifies("attack@ATK-099"))
    func `a resource that has moved away takes its versions along`() async throws {
        try await AttackTests.attack("ATK-099")
    }

    @Test(.verifies("attack@ATK-101"))
    func `the history of everything is not for a patient or a user`() async throws {
        try await AttackTests.attack("ATK-101")
    }

    @Test(.verifies("attack@ATK-102"))
    func `the history of a type is filtered entry by entry`() async throws {
        try await AttackTests.attack("ATK-102")
    }

    @Test(.verifies("attack@ATK-103"))
    func `a history's pages are ours`() async throws {
        try await AttackTests.attack("ATK-103")
    }
}

/// Operations.
@Suite(.underMutation) struct OperationsAttackTests {
    @Test(.verifies("attack@ATK-232"))
    func `everything of another patient is not there`() async throws {
        try await AttackTests.attack("ATK-232")
    }

    @Test(.verifies("attack@ATK-233"))
    func `everything means everything of the own patient`() async throws {
        try await AttackTests.attack("ATK-233")
    }

    @Test(.verifies("attack@ATK-234"))
    func `everything does not widen the grant`() async throws {
        try await AttackTests.attack("ATK-234")
    }

    @Test(.verifies("attack@ATK-235"))
    func `everything of a type that is not granted is refused`() async throws {
        try await AttackTests.attack("ATK-235")
    }

    @Test(.verifies("attack@ATK-236"))
    func `bulk export is for systems`() async throws {
        try await AttackTests.attack("ATK-236")
    }

    @Test(.verifies("attack@ATK-238"))
    func `an export beyond the grant is refused`() async throws {
        try await AttackTests.attack("ATK-238")
    }

    @Test(.verifies("attack@ATK-239"))
    func `an export under a constraint is refused or filtered line by line`() async throws {
        try await AttackTests.attack("ATK-239")
    }

    @Test(.verifies("attack@ATK-240"))
    func `a filter inside an export is a search`() async throws {
        try await AttackTests.attack("ATK-240")
    }

    @Test(.verifies("attack@ATK-241"))
    func `a job of somebody else is not there`() async throws {
        try await AttackTests.attack("ATK-241")
    }

    @Test(.verifies("attack@ATK-242"))
    func `a job of somebody else cannot be ended`() async throws {
        try await AttackTests.attack("ATK-242")
    }

    @Test(.verifies("attack@ATK-243"))
    func `looking for people across the population is refused`() async throws {
        try await AttackTests.attack("ATK-243")
    }

    @Test(.verifies("attack@ATK-246"))
    func `statistics over hidden rows are refused`() async throws {
        try await AttackTests.attack("ATK-246")
    }

    @Test(.verifies("attack@ATK-247"))
    func `validation is no oracle`() async throws {
        try await AttackTests.attack("ATK-247")
    }

    @Test(.verifies("attack@ATK-248"))
    func `labels are not changed`() async throws {
        try await AttackTests.attack("ATK-248")
    }

    @Test(.verifies("attack@ATK-249"))
    func `terminology works with parameters of its own only`() async throws {
        try await AttackTests.attack("ATK-249")
    }

    @Test(.verifies("attack@ATK-250"))
    func `dangerous operations are refused whoever asks`() async throws {
        try await AttackTests.attack("ATK-250")
    }

    @Test(.verifies("attack@ATK-251"))
    func `an unknown operation is refused`() async throws {
        try await AttackTests.attack("ATK-251")
    }
}

/// Attachments, documents, bundles.
@Suite(.underMutation) struct DocumentsAttackTests {
    @Test(.verifies("attack@ATK-213"))
    func `an attachment of the own document can be read`() async throws {
        try await AttackTests.attack("ATK-213")
    }

    @Test(.verifies("attack@ATK-214"))
    func `an attachment needs the grant of its document`() async throws {
        try await AttackTests.attack("ATK-214")
    }

    @Test(.verifies("attack@ATK-216"))
    func `an attachment is tied to the token`() async throws {
        try await AttackTests.attack("ATK-216")
    }

    @Test(.verifies("attack@ATK-219"))
    func `a document that is stored by being asked for is refused`() async throws {
        try await AttackTests.attack("ATK-219")
    }

    @Test(.verifies("attack@ATK-220"))
    func `a list never opens what it lists`() async throws {
        try await AttackTests.attack("ATK-220")
    }

    @Test(.verifies("attack@ATK-222"))
    func `an account of several people is withheld`() async throws {
        try await AttackTests.attack("ATK-222")
    }

    @Test(.verifies("attack@ATK-223"))
    func `a coverage shows its subscriber as text only`() async throws {
        try await AttackTests.attack("ATK-223")
    }

    @Test(.verifies("attack@ATK-224"))
    func `a dependant's coverage is not the subscriber's`() async throws {
        try await AttackTests.attack("ATK-224")
    }

    @Test(.verifies("attack@ATK-225"))
    func `an allergy is not its recorder's`() async throws {
        try await AttackTests.attack("ATK-225")
    }

    @Test(.verifies("attack@ATK-226"))
    func `a claim is not its payee's`() async throws {
        try await AttackTests.attack("ATK-226")
    }

    @Test(.verifies("attack@ATK-227"))
    func `a message is not its recipient's`() async throws {
        try await AttackTests.attack("ATK-227")
    }

    @Test(.verifies("attack@ATK-228"))
    func `a roster stays closed`() async throws {
        try await AttackTests.attack("ATK-228")
    }

    @Test(.verifies("attack@ATK-229"))
    func `a provenance is shown where all that it is about may be seen`() async throws {
        try await AttackTests.attack("ATK-229")
    }
}

/// Scopes and tokens.
@Suite(.underMutation) struct ScopesAttackTests {
    @Test(.verifies("attack@ATK-264"))
    func `letters out of order grant nothing`() async throws {
        try await AttackTests.attack("ATK-264")
    }

    @Test(.verifies("attack@ATK-265"))
    func `a scope is never its valid beginning`() async throws {
        try await AttackTests.attack("ATK-265")
    }

    @Test(.verifies("attack@ATK-266"))
    func `a type that does not exist grants nothing`() async throws {
        try await AttackTests.attack("ATK-266")
    }

    @Test(.verifies("attack@ATK-268"))
    func `experimental constraints grant nothing`() async throws {
        try await AttackTests.attack("ATK-268")
    }

    @Test(.verifies("attack@ATK-269"))
    func `a wildcard with a constraint grants nothing where the parameter is not defined`() async throws {
        try await AttackTests.attack("ATK-269")
    }

    @Test(.verifies("attack@ATK-271"))
    func `a row of two granted categories stands there once`() async throws {
        try await AttackTests.attack("ATK-271")
    }

    @Test(.verifies("attack@ATK-272"))
    func `a category that was not granted finds nothing`() async throws {
        try await AttackTests.attack("ATK-272")
    }

    @Test(.verifies("attack@ATK-273"))
    func `a list of categories is cut to the granted one`() async throws {
        try await AttackTests.attack("ATK-273")
    }

    @Test(.verifies("attack@ATK-275"))
    func `a code without a system is still held against the system`() async throws {
        try await AttackTests.attack("ATK-275")
    }

    @Test(.verifies("attack@ATK-277"))
    func `a grant on patients does not widen one on observations`() async throws {
        try await AttackTests.attack("ATK-277")
    }

    @Test(.verifies("attack@ATK-278"))
    func `each grant keeps its own boundary`() async throws {
        try await AttackTests.attack("ATK-278")
    }

    @Test(.verifies("attack@ATK-279"))
    func `a user sees the panel and nobody else`() async throws {
        try await AttackTests.attack("ATK-279")
    }

    @Test(.verifies("attack@ATK-281"))
    func `a user whom nobody knows sees nothing`() async throws {
        try await AttackTests.attack("ATK-281")
    }

    @Test(.verifies("attack@ATK-282"))
    func `an empty panel is nobody`() async throws {
        try await AttackTests.attack("ATK-282")
    }
}
