import FHIRCore
import RequirementTraits
import Testing

@Suite struct QueryRefusalTests {
    @Test(
        .verifies("attack@ATK-036"),
        arguments: ["patient[]=pB", "patient[0]=pB", "patient%5B%5D=pB", "patient%5b0%5d=pB", "code=a[]"])
    func `array syntax is refused`(query: String) {
        #expect(Ask.refusal("GET", "/Observation?\(query)")?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-037"),
        arguments: ["code=1&;patient=pB", "code=1;patient=pB", "code;patient=pB", "code=1&%3Bpatient=pB"])
    func `a semicolon separates nothing and is refused`(query: String) {
        #expect(Ask.refusal("GET", "/Observation?\(query)")?.status == 400)
    }

    @Test(.verifies("attack@ATK-038"), arguments: ["patient=pA#&patient=pB", "#patient=pB", "patient=pA#"])
    func `a fragment in the request target is refused`(query: String) {
        #expect(Ask.refusal("GET", "/Observation?\(query)")?.status == 400)
    }

    @Test(arguments: [
        "&", "a=1&", "&a=1", "a=1&&b=2", "a", "a&b=1", "=1", "a%=1", "a=%", "a=%2", "a=%zz", "a=%00", "a=%0d%0a",
        "a=%C0%AF",
        "a=%FF", "a=%ED%A0%80", "a=%C2%85", "a=%7F", "a=é", "a= b", "a=\"b\"", "a=<b>", "a={b}", "a=`b`", "a=\u{0}",
    ])
    func `a query with a part that has no one reading is refused`(query: String) {
        #expect(Ask.refusal("GET", "/Observation?\(query)")?.status == 400)
    }

    @Test(arguments: [
        "9a=1", "-a=1", "a b=1", "a%20b=1", "a+b=1", "a..b=1", "a.=1", ".a=1", "a:=1", ":a=1", "a:b:c=1", "a:Foo.b=1",
        "a:patient.b=1", "a:9=1", "a%26b=1", "a%3Db=1", "a$b=1", "a/b=1", "a,b=1", "_has=1", "_has:Observation=1",
        "_has:Observation:patient=1", "_has:Foo:patient:code=1", "_has:Observation:patient:_has=1",
        "_has:Observation:_has:code=1", "a._has=1", "p\u{E4}tient=1", "p%C3%A4tient=1", "a%CC%81=1",
        "a.a.a.a.a.a.a.a.a.a=1", "a:exact.b=1",
    ])
    func `a name that no search parameter can have is refused`(query: String) {
        #expect(Ask.refusal("GET", "/Observation?\(query)")?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-083"),
        arguments: ["_getpages=1&_getpagesoffset=0", "_getpages=1", "_getpages:x=1", "_offset=1"])
    func `an upstream's paging key is refused from a client`(query: String) {
        #expect(Ask.refusal("GET", "/?\(query)")?.status == 400)
        #expect(Ask.refusal("GET", "/Patient?\(query)")?.status == 400)
    }

    @Test(arguments: ["_method=DELETE", "access_token=x", "ct=x", "_bundletype=x", "%5fmethod=DELETE"])
    func `a parameter that would change what the request is or whose it is is refused even leniently`(query: String) {
        let fields = [(name: "Prefer", value: "handling=lenient")]
        #expect(Ask.refusal("GET", "/Patient?\(query)", fields)?.status == 400)
        #expect(Ask.refusal("POST", "/Patient/_search?\(query)", fields)?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-136"),
        arguments: ["_cascade=delete", "_expunge=true", "hardDelete=true", "_cascade%3Adelete=1", "x=1"])
    func `a delete of an instance has no parameters`(query: String) {
        #expect(Ask.refusal("DELETE", "/Observation/obsA?\(query)")?.status == 400)
    }

    @Test(.verifies("attack@ATK-136"))
    func `a cascading delete by header is refused`() {
        #expect(Ask.refusal("DELETE", "/Observation/obsA", [("X-Cascade", "delete")])?.status == 400)
    }

    @Test(arguments: [
        "/Patient/pA?name=x", "/Patient/pA/_history/1?_count=1", "/metadata?mode=full", "/_page/abc?_count=9",
        "/Patient/pA/_history?name=x", "/_history?_type=Patient", "/Patient/pA/_history?_since:x=1",
    ])
    func `a parameter that an interaction has not is refused`(target: String) {
        #expect(Ask.refusal("GET", target)?.status == 400)
    }

    @Test func `a query beyond the limits is refused as too long`() {
        let many = (0..<201).map { "a=\($0)" }.joined(separator: "&")
        let long = "a=" + String(repeating: "x", count: 65 << 10)

        #expect(Ask.refusal("GET", "/Patient?\(many)")?.status == 413)
        #expect(Ask.refusal("GET", "/Patient?\(long)")?.status == 413)
        #expect(
            Ask.refusal(
                "POST", "/Patient/_search", [("Content-Type", "application/x-www-form-urlencoded")], body: long)?.status
                == 413)
    }
}

@Suite struct SearchTermTests {
    private func term(_ query: String) throws -> SearchTerm { try SearchQuery(parsing: query).terms[0] }

    @Test func `a name is taken apart into parameter, chain and modifier`() throws {
        let plain = try term("patient=pA")
        #expect(plain == SearchTerm(name: "patient", rawValue: "pA"))

        let typed = try term("subject:Patient=pA")
        #expect((typed.name, typed.modifier, typed.chain) == ("subject", "Patient", []))

        let chained = try term("subject:Patient.name:exact=Bob")
        #expect(chained.name == "subject")
        #expect(chained.modifier == "exact")
        #expect(chained.chain == [.forward(to: .patient, parameter: "name")])

        let long = try term("encounter.subject.name=x")
        #expect(long.chain == [.forward(to: nil, parameter: "subject"), .forward(to: nil, parameter: "name")])
        #expect(long.modifier == nil)
    }

    @Test func `a reverse chain is a term with structure`() throws {
        let has = try term("_has:Observation:patient:code=1")
        #expect(has.name == "_has")
        #expect(has.chain == [.reverse(from: .observation, reference: "patient", parameter: "code")])

        let nested = try term("_has:Observation:patient:_has:AuditEvent:entity:agent=x")
        #expect(
            nested.chain == [
                .reverse(from: .observation, reference: "patient", parameter: "_has"),
                .reverse(from: .auditEvent, reference: "entity", parameter: "agent"),
            ])

        let mixed = try term("patient._has:Group:member:_id=1")
        #expect(mixed.name == "patient")
        #expect(
            mixed.chain == [
                .forward(to: nil, parameter: "_has"), .reverse(from: .group, reference: "member", parameter: "_id"),
            ])
    }

    @Test(arguments: [
        "patient", "subject:Patient", "code:of-type", "subject:Patient.name:exact", "a.b.c",
        "_has:Observation:patient:code",
        "patient._has:Group:member:_id", "_has:Observation:subject:encounter:Encounter.class:not", "_include:iterate",
    ])
    func `a name prints as it was read`(name: String) throws {
        #expect(try term("\(name)=1").fullName == name)
    }

    @Test func `an encoded comma separates like a plain one`() throws {
        #expect(try term("patient=pA%2CpB").values == ["pA", "pB"])
        #expect(try term("patient=pA,pB").values == ["pA", "pB"])
    }

    @Test func `a separator with a combining mark after it still separates`() throws {
        #expect(try term("patient=pA,%CC%81pB").values == ["pA", "\u{301}pB"])
    }

    @Test func `an escaped comma does not separate`() throws {
        let value = try term("code=a%5C,b,c%5C%5C,d%5C%7Ce")
        #expect(value.rawValues == ["a\\,b", "c\\\\", "d\\|e"])
        #expect(value.values == ["a,b", "c\\", "d|e"])
        #expect(try term("code=a\\,b").values == ["a,b"])
    }

    @Test func `a value is decoded once, with + for a space`() throws {
        #expect(try term("name=a%2520b").rawValue == "a%20b")
        #expect(try term("name=a+b%2Bc").rawValue == "a b+c")
        #expect(try term("name=%3B%5B%5D%23%26%3D").rawValue == ";[]#&=")
        #expect(try term("code=http://loinc.org|1=2").rawValue == "http://loinc.org|1=2")
        #expect(try term("%70atient=pA").name == "patient")
        #expect(try term("name=").rawValue == "")
    }

    @Test func `duplicates are kept in their order`() throws {
        let query = try SearchQuery(parsing: "patient=pA&code=1&patient=pB")
        #expect(query.terms.map(\.rawValue) == ["pA", "1", "pB"])
        #expect(query.terms(named: "patient").count == 2)
    }

    @Test func `names are told apart by letter case`() throws {
        let query = try SearchQuery(parsing: "Patient=pB&patient=pA")
        #expect(query.terms(named: "patient").map(\.rawValue) == ["pA"])
        #expect(R4.searchParameter("Patient", for: .observation) == nil)
    }

    @Test func `an unknown parameter is a term like any other, for the parameter gate to judge`() throws {
        #expect(try Ask.canonical("GET", "/Observation?foo=bar").query.terms.map(\.name) == ["foo"])
    }

    @Test(arguments: 0..<8)
    func `what is printed reads back as the same terms`(block: Int) throws {
        var random = SplitMix64(seed: 0x5EA4C4 + UInt64(block))
        let names = [
            "patient", "code", "subject:Patient", "subject:Patient.name:exact", "_has:Observation:patient:code",
            "a-b_c",
            "_include:iterate", "encounter.subject:Patient._has:Group:member:_id",
        ]
        let pieces = [
            "a", "Z9", "|", ",", "\\,", "\\\\", "$", " ", "+", "%", "%20", "&", "=", ";", "#", "[", "]", "\"", "é", "😀",
            "http://x/y?z=1", "~", "'", "\u{301}", "/", ":", "Patient/p",
        ]
        for _ in 0..<500 {
            var query = SearchQuery()
            for _ in 0..<random.below(6) {
                let name = random.pick(names)
                let value = (0..<random.below(6)).map { _ in random.pick(pieces) }.joined()
                var term = try SearchQuery(parsing: "\(name)=").terms[0]
                if term.chain.isEmpty { term = SearchTerm(name: term.name, modifier: term.modifier, rawValue: value) }
                query.terms.append(term)
            }

            let printed = query.encoded
            let read = try SearchQuery(parsing: printed)

            #expect(read == query)
            #expect(read.encoded == printed)
            #expect(
                printed.utf8.allSatisfy {
                    (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: ";")
                })
        }
    }
}

@Suite struct TokenPatternTests {
    @Test(arguments: ["", "|", "a|b|c", "||"])
    func `a value that is no token is no pattern`(text: String) {
        #expect(TokenPattern(rawValue: text) == nil)
    }

    @Test func `each form of token matches what it asks for`() throws {
        let both = TokenValue(system: "s", code: "c")
        let bare = TokenValue(system: nil, code: "c")

        #expect(TokenPattern(rawValue: "c") == .code("c"))
        #expect(TokenPattern(rawValue: "s\\|x|c") == .systemAndCode(system: "s|x", code: "c"))
        #expect(try #require(TokenPattern(rawValue: "c")).matches(both))
        #expect(try #require(TokenPattern(rawValue: "c")).matches(bare))
        #expect(try #require(TokenPattern(rawValue: "s|c")).matches(both))
        #expect(try !#require(TokenPattern(rawValue: "s|c")).matches(bare))
        #expect(try #require(TokenPattern(rawValue: "|c")).matches(bare))
        #expect(try !#require(TokenPattern(rawValue: "|c")).matches(both))
        #expect(try #require(TokenPattern(rawValue: "s|")).matches(both))
        #expect(try !#require(TokenPattern(rawValue: "s|")).matches(bare))
        #expect(try !#require(TokenPattern(rawValue: "C")).matches(both))
        #expect(!TokenPattern.code("\u{E9}").matches(TokenValue(system: nil, code: "e\u{301}")))
    }
}
