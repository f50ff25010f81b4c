/// Dates and instants of FHIR as ranges of milliseconds since 1970, and their printed forms.
enum FHIRTime {
    /// The bounds of an open-ended period; far outside what a date of FHIR can say.
    static let distantPast: Int64 = -1 << 53
    static let distantFuture: Int64 = 1 << 53

    /// The half-open range of milliseconds that a `date`, `dateTime` or `instant` means.
    ///
    /// A shorter text means a longer range: a year, a month, a day, a minute, a second. Without a zone UTC is meant.
    static func range(_ text: some StringProtocol) -> Range<Int64>? {
        var reader = DigitReader(Array(text.utf8))
        guard let year = reader.number(4), year > 0 else { return nil }
        if reader.atEnd { return days(year, 1, 1)..<days(year + 1, 1, 1) }
        guard reader.skip("-"), let month = reader.number(2), (1...12).contains(month) else { return nil }
        if reader.atEnd {
            return days(year, month, 1)..<(month == 12 ? days(year + 1, 1, 1) : days(year, month + 1, 1))
        }
        guard reader.skip("-"), let day = reader.number(2), (1...daysInMonth(year, month)).contains(day) else {
            return nil
        }
        let midnight = days(year, month, day)
        if reader.atEnd { return midnight..<(midnight + 86_400_000) }
        return timeOfDay(&reader, after: midnight)
    }

    private static func timeOfDay(_ reader: inout DigitReader, after midnight: Int64) -> Range<Int64>? {
        guard reader.skip("T"), let hour = reader.number(2), hour < 24, reader.skip(":"),
            let minute = reader.number(2), minute < 60
        else { return nil }
        var start = midnight + Int64(hour * 60 + minute) * 60_000
        var width: Int64 = 60_000
        if reader.skip(":") {
            guard let second = reader.number(2), second <= 60 else { return nil }
            start += Int64(second) * 1000
            width = 1000
            if reader.skip(".") {
                guard let (fraction, digits) = reader.fraction() else { return nil }
                start += fraction
                width = digits >= 3 ? 1 : (digits == 2 ? 10 : 100)
            }
        }
        if reader.atEnd { return start..<(start + width) }
        guard let offset = zone(&reader), reader.atEnd else { return nil }
        return (start - offset)..<(start - offset + width)
    }

    private static func zone(_ reader: inout DigitReader) -> Int64? {
        if reader.skip("Z") { return 0 }
        let sign: Int64
        if reader.skip("+") { sign = 1 } else if reader.skip("-") { sign = -1 } else { return nil }
        guard let hour = reader.number(2), hour <= 14, reader.skip(":"), let minute = reader.number(2), minute < 60
        else { return nil }
        return sign * Int64(hour * 60 + minute) * 60_000
    }

    private static func daysInMonth(_ year: Int, _ month: Int) -> Int {
        switch month {
        case 4, 6, 9, 11: return 30
        case 2: return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        default: return 31
        }
    }

    /// Milliseconds at midnight UTC of a day of the Gregorian calendar.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
        // Counts days from 1 March of year 0, so that the leap day is a year's last.
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int64(era * 146_097 + dayOfEra - 719_468) * 86_400_000
    }

    /// A moment taken apart, for printing.
    private struct Civil {
        let year, month, day, hour, minute, second, millisecond, weekday: Int

        init(_ milliseconds: Int64) {
            let dayNumber = Int((milliseconds - (milliseconds % 86_400_000 + 86_400_000) % 86_400_000) / 86_400_000)
            let inDay = Int((milliseconds % 86_400_000 + 86_400_000) % 86_400_000)
            let shifted = dayNumber + 719_468
            let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
            let dayOfEra = shifted - era * 146_097
            let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
            let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
            let monthIndex = (5 * dayOfYear + 2) / 153
            day = dayOfYear - (153 * monthIndex + 2) / 5 + 1
            month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
            year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
            hour = inDay / 3_600_000
            minute = inDay / 60_000 % 60
            second = inDay / 1000 % 60
            millisecond = inDay % 1000
            weekday = ((dayNumber + 4) % 7 + 7) % 7
        }
    }

    /// An `instant` in UTC with milliseconds, as written into `meta.lastUpdated`.
    static func instant(_ milliseconds: Int64) -> String {
        let civil = Civil(milliseconds)
        return "\(pad(civil.year, 4))-\(pad(civil.month))-\(pad(civil.day))T\(pad(civil.hour)):"
            + "\(pad(civil.minute)):\(pad(civil.second)).\(pad(civil.millisecond, 3))Z"
    }

    /// An IMF-fixdate for `Last-Modified` (RFC 9110 §5.6.7).
    static func httpDate(_ milliseconds: Int64) -> String {
        let civil = Civil(milliseconds)
        let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        return "\(weekdays[civil.weekday]), \(pad(civil.day)) \(months[civil.month - 1]) \(pad(civil.year, 4)) "
            + "\(pad(civil.hour)):\(pad(civil.minute)):\(pad(civil.second)) GMT"
    }

    /// Reads an IMF-fixdate, the one form that senders may generate today; others are not understood.
    static func parseHTTPDate(_ text: String) -> Int64? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", parts[0].hasSuffix(","), let day = Int(parts[1]),
            let month = months.firstIndex(of: String(parts[2])), let year = Int(parts[3])
        else { return nil }
        return range("\(pad(year, 4))-\(pad(month + 1))-\(pad(day))T\(parts[4])Z")?.lowerBound
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func pad(_ number: Int, _ width: Int = 2) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}

/// A cursor over ASCII text that reads numbers of a fixed width.
private struct DigitReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var atEnd: Bool { position == bytes.count }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, UInt32(bytes[position]) == character.value else { return false }
        position += 1
        return true
    }

    mutating func number(_ width: Int) -> Int? {
        guard position + width <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[position..<position + width] {
            guard (0x30...0x39).contains(byte) else { return nil }
            value = value * 10 + Int(byte - 0x30)
        }
        position += width
        return value
    }

    /// The digits after a decimal point as whole milliseconds (finer ones are cut), and how many there were.
    mutating func fraction() -> (milliseconds: Int64, digits: Int)? {
        var value: Int64 = 0
        var digits = 0
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
            if digits < 3 { value = value * 10 + Int64(bytes[position] - 0x30) }
            digits += 1
            position += 1
        }
        guard digits > 0 else { return nil }
        for _ in digits..<max(digits, 3) { value *= 10 }
        return (value, digits)
    }
}
