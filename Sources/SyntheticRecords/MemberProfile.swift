/// One synthetic member: who they are and how they are insured. Nobody here exists.
struct MemberProfile {
    let id: String
    let family: String
    let given: String
    let gender: String
    let birthDate: CalendarDay
    let city: String
    let state: String
    /// Health plans, by the id of their Organization; a member of two plans has two.
    let plans: [String]
    /// Conditions as indexes into `ConditionCatalogue`.
    let conditions: [Int]

    var isChild: Bool { birthDate > CalendarDay(2013, 1, 1) }
}

extension MemberProfile {
    /// The members of the demo: the people of the published surface first, then nine more.
    static let all: [MemberProfile] = [
        MemberProfile(
            id: "patient-a", family: "Rivera", given: "Ana", gender: "female", birthDate: CalendarDay(1979, 4, 12),
            city: "Madison", state: "WI", plans: ["payer-meadow"], conditions: [0, 1, 4]),
        MemberProfile(
            id: "patient-b", family: "Baptiste", given: "Bernard", gender: "male", birthDate: CalendarDay(1962, 11, 3),
            city: "Dubuque", state: "IA", plans: ["payer-meadow"], conditions: [1, 2, 5]),
        MemberProfile(
            id: "patient-c", family: "Castellan", given: "Cleo", gender: "female", birthDate: CalendarDay(2017, 6, 21),
            city: "Madison", state: "WI", plans: ["payer-meadow"], conditions: [3]),
        MemberProfile(
            id: "patient-d", family: "Dubrow", given: "Dmitri", gender: "male", birthDate: CalendarDay(1991, 1, 30),
            city: "Rockford", state: "IL", plans: ["payer-meadow"], conditions: [3, 4]),
        MemberProfile(
            id: "patient-e", family: "Eriksen", given: "Edda", gender: "female", birthDate: CalendarDay(1951, 9, 9),
            city: "Duluth", state: "MN", plans: ["payer-meadow", "payer-harbor"], conditions: [0, 1, 2]),
        MemberProfile(
            id: "patient-f", family: "Farrow", given: "Felix", gender: "male", birthDate: CalendarDay(1985, 12, 1),
            city: "Peoria", state: "IL", plans: ["payer-harbor"], conditions: [4, 5]),
        MemberProfile(
            id: "patient-g", family: "Galanis", given: "Gaia", gender: "female", birthDate: CalendarDay(1970, 2, 17),
            city: "Ames", state: "IA", plans: ["payer-meadow"], conditions: [2]),
        MemberProfile(
            id: "patient-h", family: "Hollis", given: "Hugo", gender: "male", birthDate: CalendarDay(1999, 8, 8),
            city: "Eau Claire", state: "WI", plans: ["payer-meadow"], conditions: [3]),
        MemberProfile(
            id: "patient-i", family: "Ibarra", given: "Iris", gender: "female", birthDate: CalendarDay(1966, 5, 5),
            city: "Winona", state: "MN", plans: ["payer-harbor"], conditions: [1, 4]),
        MemberProfile(
            id: "patient-j", family: "Jansson", given: "Jonas", gender: "male", birthDate: CalendarDay(1957, 10, 27),
            city: "Moline", state: "IL", plans: ["payer-meadow"], conditions: [0, 2, 5]),
        MemberProfile(
            id: "patient-k", family: "Kessler", given: "Kai", gender: "other", birthDate: CalendarDay(1994, 3, 14),
            city: "La Crosse", state: "WI", plans: ["payer-meadow"], conditions: [4]),
        MemberProfile(
            id: "patient-l", family: "Laurent", given: "Lucie", gender: "female", birthDate: CalendarDay(1942, 7, 19),
            city: "Davenport", state: "IA", plans: ["payer-harbor"], conditions: [0, 1, 5]),
    ]
}
