internal import FHIRCore
internal import OAuthCore

/// The SMART style document (SMART 2.2 scopes, `smart_style_url`) for launches whose EHR brings none: the colours of
/// our own pages. Its address holds its digest, so that it changes with the content.
enum StyleDocument {
    static let content: [UInt8] = JSONValue.object([
        .init("color_background", "#f2f6f6"), .init("color_error", "#8a1c1c"), .init("color_highlight", "#0b5d66"),
        .init("color_modal_backdrop", "#17252a"), .init("color_success", "#1d6b3a"), .init("color_text", "#17252a"),
        .init("dim_border_radius", "10px"), .init("dim_font_size", "16px"), .init("dim_spacing_size", "16px"),
        .init("font_family_body", "system-ui, sans-serif"), .init("font_family_heading", "system-ui, sans-serif"),
    ]).serialized

    static let path = "/smart-style/" + Base64URL.encode(SHA256Hash.of(content)).prefix(16) + ".json"
}
