import FHIRCore
import Testing

/// What can be a number, and so be written without quotes.
@Suite struct JSONNumberTests {
    @Test(arguments: [
        "", " 1", "1 ", "01", "+1", "-", "1.", ".5", "1e", "0x1", "NaN", "inf", "true", "null", "\"1\"", "1,2", "1}",
        "[1]", "{}", #"1},{"name":"x""#, "1\n", "١",
    ])
    func `what is no number of JSON cannot become one`(text: String) {
        #expect(JSONNumber(text) == nil)
    }

    @Test(arguments: ["0", "-0", "12", "-1.50", "1e5", "1E+05", "0.0e-0", "123456789012345678901234567890"])
    func `a number is written as it was read`(text: String) throws {
        let number = try #require(JSONNumber(text))

        #expect(JSONValue.number(number).text == text)
        #expect(try JSONValue(parsing: Array(text.utf8)).text == text)
    }
}
