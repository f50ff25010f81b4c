/// Milliseconds since 1970 UTC as FHIR writes instants, and FHIR dates as spans of milliseconds.
enum FHIRTime {
    /// The instant in UTC with milliseconds, such as `2026-01-31T09:49:00.000Z`.
    static func instant(_ milliseconds: Int64) -> String {
        let (days, inDay) = floorDivide(milliseconds, 86_400_000)
        let date = civil(fromDays: days)
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))"
            + "T\(padded(inDay / 3_600_000, 2)):\(padded(inDay / 60_000 % 60, 2)):\(padded(inDay / 1000 % 60, 2))"
            + ".\(padded(inDay % 1000, 3))Z"
    }

    /// The span that a FHIR date, of whatever precision, stands for; nil if the text is none.
    ///
    /// A date without an offset is read as UTC.
    static func span(_ text: String) -> Range<Int64>? {
        var rest = text[...]
        guard let year = digits(&rest, 4) else { return nil }
        guard !rest.isEmpty else { return days(year, 1, 1)..<days(year + 1, 1, 1) }
        guard take(&rest, "-"), let month = digits(&rest, 2), (1...12).contains(month) else { return nil }
        guard !rest.isEmpty else {
            return days(year, month, 1)..<(month == 12 ? days(year + 1, 1, 1) : days(year, month + 1, 1))
        }
        guard take(&rest, "-"), let day = digits(&rest, 2), (1...31).contains(day) else { return nil }
        let start = days(year, month, day)
        guard civil(fromDays: floorDivide(start, 86_400_000).0) == (year, month, day) else { return nil }
        guard !rest.isEmpty else { return start..<start + 86_400_000 }
        return time(&rest, on: start)
    }

    private static func time(_ rest: inout Substring, on day: Int64) -> Range<Int64>? {
        guard take(&rest, "T"), let hour = digits(&rest, 2), hour < 24, take(&rest, ":"),
            let minute = digits(&rest, 2), minute < 60
        else { return nil }
        var start = day + hour * 3_600_000 + minute * 60_000
        var width: Int64 = 60_000
        if take(&rest, ":") {
            guard let second = digits(&rest, 2), second < 60 else { return nil }
            start += second * 1000
            width = 1000
            if take(&rest, ".") {
                let fraction = rest.prefix { $0.isASCII && $0.isNumber }
                rest = rest[fraction.endIndex...]
                guard !fraction.isEmpty, let value = Int64((fraction + "00").prefix(3)) else { return nil }
                start += value
                width = 1
            }
        }
        guard let offset = offset(&rest), rest.isEmpty else { return nil }
        return (start - offset)..<(start - offset + width)
    }

    private static func offset(_ rest: inout Substring) -> Int64? {
        if rest.isEmpty || take(&rest, "Z") { return 0 }
        let sign: Int64
        if take(&rest, "+") { sign = 1 } else if take(&rest, "-") { sign = -1 } else { return nil }
        guard let hour = digits(&rest, 2), hour <= 14, take(&rest, ":"), let minute = digits(&rest, 2), minute < 60
        else { return nil }
        return sign * (hour * 3_600_000 + minute * 60_000)
    }

    private static func digits(_ rest: inout Substring, _ count: Int) -> Int64? {
        let found = rest.prefix(count)
        guard found.utf8.count == count, found.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        rest = rest.dropFirst(count)
        return Int64(found)
    }

    private static func take(_ rest: inout Substring, _ character: Character) -> Bool {
        guard rest.first == character else { return false }
        rest = rest.dropFirst()
        return true
    }

    /// Milliseconds at the beginning of a day of the Gregorian calendar.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let (era, inEra) = floorDivide(shifted, 400)
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = inEra * 365 + inEra / 4 - inEra / 100 + dayOfYear
        return (era * 146_097 + dayOfEra - 719_468) * 86_400_000
    }

    private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        )
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
