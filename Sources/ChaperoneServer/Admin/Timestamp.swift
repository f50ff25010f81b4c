/// Points in time as text (RFC 3339, UTC), computed without a calendar library.
enum Timestamp {
    /// `2026-01-31T12:00:00.000Z`.
    static func text(milliseconds: Int64) -> String {
        let seconds = milliseconds.floored(by: 1000)
        let rest = milliseconds - seconds * 1000
        let days = seconds.floored(by: 86_400)
        let (year, month, day) = civil(days)
        let clock = seconds - days * 86_400
        return
            "\(year)-\(two(month))-\(two(day))T\(two(clock / 3600)):\(two(clock / 60 % 60)):\(two(clock % 60)).\(three(rest))Z"
    }

    /// `2026-01-31T12:00:00Z`.
    static func text(seconds: Int64) -> String { String(text(milliseconds: seconds * 1000).dropLast(5)) + "Z" }

    /// `Sat, 31 Jan 2026 12:00:00 GMT`, as HTTP writes times (RFC 9110 §5.6.7).
    static func httpDate(milliseconds: Int64) -> String {
        let seconds = milliseconds.floored(by: 1000)
        let days = seconds.floored(by: 86_400)
        let (year, month, day) = civil(days)
        // 1970-01-01 was a Thursday.
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let weekday = Int(days - days.floored(by: 7) * 7)
        let clock = seconds - days * 86_400
        return "\(weekdays[weekday]), \(two(day)) \(months[Int(month) - 1]) \(year) "
            + "\(two(clock / 3600)):\(two(clock / 60 % 60)):\(two(clock % 60)) GMT"
    }

    /// Milliseconds of `2026-01-31`, `2026-01-31T12:00:00Z` or with an offset; nil for anything else.
    static func milliseconds(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 10, bytes[4] == 0x2D, bytes[7] == 0x2D, let year = number(bytes[0..<4]),
            let month = number(bytes[5..<7]), let day = number(bytes[8..<10]), (1...12).contains(month),
            (1...lastDay(year, month)).contains(day)
        else { return nil }
        let midnight = days(year, month, day) * 86_400_000
        if bytes.count == 10 { return midnight }
        guard bytes.count >= 20, bytes[10] == 0x54, bytes[13] == 0x3A, bytes[16] == 0x3A,
            let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]), let second = number(bytes[17..<19]),
            hour < 24, minute < 60, second < 61
        else { return nil }
        var index = 19
        var fraction: Int64 = 0
        if bytes[index] == 0x2E {
            let digits = bytes[(index + 1)...].prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty else { return nil }
            fraction = number(([UInt8](digits.prefix(3)) + [0x30, 0x30])[0..<3]) ?? 0
            index = digits.endIndex
        }
        guard let offset = offset(bytes[index...]) else { return nil }
        return midnight + ((hour * 60 + minute - offset) * 60 + second) * 1000 + fraction
    }

    private static func offset(_ bytes: ArraySlice<UInt8>) -> Int64? {
        if bytes.elementsEqual([0x5A]) { return 0 }
        let start = bytes.startIndex
        guard bytes.count == 6, bytes[start] == 0x2B || bytes[start] == 0x2D, bytes[start + 3] == 0x3A,
            let hours = number(bytes[(start + 1)..<(start + 3)]), let minutes = number(bytes[(start + 4)...]),
            hours <= 14, minutes < 60
        else { return nil }
        return (bytes[start] == 0x2B ? 1 : -1) * (hours * 60 + minutes)
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int64? {
        var value: Int64 = 0
        for byte in bytes {
            guard (0x30...0x39).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - 0x30)
        }
        return value
    }

    private static func lastDay(_ year: Int64, _ month: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01, in the proleptic Gregorian calendar; years begin in March so that leap days come last.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted.floored(by: 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = shifted.floored(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9)
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    private static func three(_ value: Int64) -> String {
        value < 10 ? "00\(value)" : value < 100 ? "0\(value)" : "\(value)"
    }
}

extension Int64 {
    /// Division that rounds down, also below zero.
    fileprivate func floored(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
