/// Converts resources of FHIR R4 (4.0.1) between their two formats (FHIR R4 json.html, xml.html).
///
/// Nothing is lost on the way and nothing added: order among members, white space and comments outside of narratives
/// apart, either format turned into the other and back is what it was. Decimals and narratives keep their characters.
/// It does not validate: whether required elements are there, codes are bound or references lead anywhere is not asked.
public enum ResourceXML {
    /// The namespace of FHIR elements.
    public static let namespace = "http://hl7.org/fhir"
    /// The namespace of narratives.
    public static let narrativeNamespace = "http://www.w3.org/1999/xhtml"

    /// The JSON of a resource in XML.
    ///
    /// - Throws: what is not XML that FHIR R4 knows, and where.
    public static func json(
        fromXML bytes: [UInt8], limits: XMLLimits = .default
    ) throws(XMLConversionError) -> [UInt8] {
        let tape = try XMLReader.read(bytes, limits: limits)
        return try JSONFromXML.resource(tape, limits: limits)
    }

    /// The XML of a resource in JSON.
    ///
    /// - Throws: what is not JSON that FHIR R4 knows, or what XML cannot say, and where.
    public static func xml(
        fromJSON bytes: [UInt8], limits: XMLLimits = .default
    ) throws(XMLConversionError) -> [UInt8] {
        try XMLFromJSON.document(bytes, limits: limits)
    }
}
