import FHIRCore

/// Coverage, claims with what was paid and by whom, and prior authorizations of one member.
extension MemberRecords {
    mutating func addFinancialRecords() {
        let coverages = member.plans.enumerated().map { number, plan in addCoverage(number + 1, plan: plan) }
        for number in 1...6 {
            addExplanationOfBenefit(
                number, coverage: coverages[number % coverages.count], plan: member.plans[number % member.plans.count])
        }
        for outcome in PriorAuthorization.allCases {
            addPriorAuthorization(outcome, coverage: coverages[0], plan: member.plans[0])
        }
    }

    private mutating func addCoverage(_ number: Int, plan: String) -> String {
        add(
            "Coverage", "coverage-\(number)",
            [
                ("meta", ["profile": ["http://hl7.org/fhir/us/carin-bb/StructureDefinition/C4BB-Coverage"]]),
                (
                    "identifier",
                    .array([identifier(CodeSystem.memberNumber, "C-\(random.number(in: 100_000...999_999))")])
                ),
                ("status", "active"),
                ("type", concept(CodeSystem.actCode, "HIP", "health insurance plan policy")),
                ("subscriberId", .string("S-\(random.number(in: 100_000...999_999))")),
                ("beneficiary", subject),
                (
                    "relationship",
                    member.isChild
                        ? concept(CodeSystem.relationship, "child", "Child")
                        : concept(CodeSystem.relationship, "self", "Self")
                ),
                ("period", period(CalendarDay(number == 1 ? 2019 : 2024, 1, 1), CalendarDay(2026, 12, 31))),
                ("payor", .array([reference("Organization", plan)])),
            ])
    }

    private func amount(_ system: String, _ code: String, _ display: String, cents: Int) -> JSONValue {
        ["category": concept(system, code, display), "amount": money(cents: cents)]
    }

    private mutating func addExplanationOfBenefit(_ number: Int, coverage: String, plan: String) {
        let date = day(margin: 45)
        let submitted = random.number(in: 8_000...90_000)
        let allowed = submitted * 7 / 10
        let copay = 2_500
        let deductible = number == 1 ? 5_000 : 0
        let paid = max(0, allowed - copay - deductible)
        let amounts = [
            amount(CodeSystem.adjudication, "submitted", "Submitted Amount", cents: submitted),
            amount(CodeSystem.adjudication, "eligible", "Eligible Amount", cents: allowed),
            amount(CodeSystem.adjudication, "deductible", "Deductible", cents: deductible),
            amount(CodeSystem.adjudication, "copay", "CoPay", cents: copay),
            amount(CodeSystem.adjudication, "benefit", "Benefit Amount", cents: paid),
            amount(CodeSystem.carinAdjudication, "paidtoprovider", "Paid to Provider", cents: paid),
            amount(CodeSystem.carinAdjudication, "paidbypatient", "Paid by Patient", cents: copay + deductible),
            amount(CodeSystem.carinAdjudication, "memberliability", "Member Liability", cents: copay + deductible),
            amount(CodeSystem.carinAdjudication, "discount", "Discount", cents: submitted - allowed),
        ]
        _ = add(
            "ExplanationOfBenefit", "eob-\(number)",
            [
                (
                    "meta",
                    [
                        "profile": [
                            "http://hl7.org/fhir/us/carin-bb/StructureDefinition/C4BB-ExplanationOfBenefit-Professional-NonClinician"
                        ]
                    ]
                ),
                (
                    "identifier",
                    .array([identifier("https://meadow.example/claim-number", "CL-\(member.id)-\(number)")])
                ),
                ("status", "active"),
                ("type", concept(CodeSystem.claimType, "professional", "Professional")),
                ("use", "claim"),
                ("patient", subject),
                ("billablePeriod", period(date, date)),
                ("created", .string((date + 9).text)),
                ("insurer", reference("Organization", plan)),
                ("provider", reference("Organization", "clinic-oak")),
                ("payee", ["type": concept("http://terminology.hl7.org/CodeSystem/payeetype", "provider", "Provider")]),
                ("outcome", "complete"),
                ("careTeam", .array([["sequence": 1, "provider": clinician]])),
                (
                    "diagnosis",
                    .array([
                        [
                            "sequence": 1,
                            "diagnosisCodeableConcept": concept(CodeSystem.icd10, "Z00.00", "General examination"),
                        ]
                    ])
                ),
                ("insurance", .array([["focal": .bool(true), "coverage": reference("Coverage", coverage)]])),
                (
                    "item",
                    .array([
                        [
                            "sequence": 1, "productOrService": concept(CodeSystem.cpt, "99213", "Office visit"),
                            "servicedDate": .string(date.text), "adjudication": .array(amounts),
                        ]
                    ])
                ),
                ("total", .array(Array(amounts.prefix(5)))),
                (
                    "payment",
                    [
                        "type": concept("http://terminology.hl7.org/CodeSystem/ex-paymenttype", "complete", "Complete"),
                        "date": .string((date + 20).text), "amount": money(cents: paid),
                    ]
                ),
            ])
    }

    /// The three states that a prior authorization can be in when a member looks.
    private enum PriorAuthorization: String, CaseIterable {
        case approved, denied, pending

        var service: (code: String, display: String) {
            switch self {
            case .approved: ("70551", "MRI of the brain")
            case .denied: ("97110", "Physical therapy, 40 sessions")
            case .pending: ("27447", "Total knee replacement")
            }
        }
        var review: JSONValue {
            switch self {
            case .approved: concept("https://codesystem.x12.org/005010/306", "A1", "Certified in total")
            case .denied: concept("https://codesystem.x12.org/005010/306", "A3", "Not Certified")
            case .pending: concept("https://codesystem.x12.org/005010/306", "A4", "Pended")
            }
        }
    }

    private mutating func addPriorAuthorization(_ outcome: PriorAuthorization, coverage: String, plan: String) {
        let asked = Self.lastDay - random.number(in: 10...200)
        let service = concept(CodeSystem.cpt, outcome.service.code, outcome.service.display)
        let type = concept(CodeSystem.claimType, "professional", "Professional")
        let insurance = JSONValue.array([
            ["sequence": 1, "focal": .bool(true), "coverage": reference("Coverage", coverage)]
        ])
        let claim = add(
            "Claim", "prior-auth-\(outcome.rawValue)",
            [
                ("status", "active"), ("type", type), ("use", "preauthorization"), ("patient", subject),
                ("created", .string(asked.text)),
                ("insurer", reference("Organization", plan)),
                ("provider", reference("Organization", "clinic-oak")),
                ("priority", concept("http://terminology.hl7.org/CodeSystem/processpriority", "normal", "Normal")),
                ("insurance", insurance),
                ("item", .array([["sequence": 1, "productOrService": service]])),
            ])
        let review = JSONValue.array([
            [
                "url": "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-reviewAction",
                "extension": .array([
                    [
                        "url": "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-reviewActionCode",
                        "valueCodeableConcept": outcome.review,
                    ]
                ]),
            ]
        ])
        var answer: [(String, JSONValue)] = [
            ("status", "active"), ("type", type), ("use", "preauthorization"), ("patient", subject),
            ("created", .string((asked + 3).text)),
            ("insurer", reference("Organization", plan)),
            ("requestor", reference("Organization", "clinic-oak")),
            ("request", reference("Claim", claim)),
            ("outcome", outcome == .pending ? "queued" : "complete"),
        ]
        if outcome == .denied { answer.append(("disposition", "Conservative treatment has not been tried.")) }
        if outcome == .approved {
            answer.append(("preAuthRef", .string("PA-\(random.number(in: 100_000...999_999))")))
            answer.append(("preAuthPeriod", period(asked + 3, asked + 93)))
        }
        let submitted: JSONValue = ["category": concept(CodeSystem.adjudication, "submitted", "Submitted Amount")]
        answer.append(
            (
                "item",
                .array([
                    [
                        "itemSequence": 1,
                        "adjudication": .array([
                            .object(
                                [JSONMemberValue("extension", review)] + (submitted.object ?? []))
                        ]),
                    ]
                ])
            ))
        _ = add("ClaimResponse", "prior-auth-\(outcome.rawValue)-answer", answer)
    }
}
