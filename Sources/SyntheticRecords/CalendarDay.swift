/// A day of the Gregorian calendar, enough to date synthetic records without a clock.
struct CalendarDay: Hashable, Comparable {
    /// Days since 1970-01-01.
    let ordinal: Int

    init(ordinal: Int) { self.ordinal = ordinal }

    init(_ year: Int, _ month: Int, _ day: Int) {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        ordinal = era * 146_097 + dayOfEra - 719_468
    }

    /// The day as `YYYY-MM-DD`, a FHIR `date`.
    var text: String {
        let shifted = ordinal + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9)
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(day, 2))"
    }

    /// The day at an hour, as a FHIR `instant` in UTC.
    func at(hour: Int, minute: Int = 0) -> String {
        "\(text)T\(Self.padded(hour, 2)):\(Self.padded(minute, 2)):00Z"
    }

    static func + (day: CalendarDay, days: Int) -> CalendarDay { CalendarDay(ordinal: day.ordinal + days) }
    static func - (day: CalendarDay, days: Int) -> CalendarDay { CalendarDay(ordinal: day.ordinal - days) }
    static func < (left: CalendarDay, right: CalendarDay) -> Bool { left.ordinal < right.ordinal }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
