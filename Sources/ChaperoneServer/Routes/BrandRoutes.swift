internal import HTTPTypes
internal import Hummingbird

/// The brands Bundle, open to scripts of every origin, with its entity tag (SMART 2.2, brands).
struct BrandRoutes: Sendable {
    let brands: BrandBundle

    func add(to router: Router<SideContext>) {
        router.get("/brands") { request, _ in answer(request) }
        router.on("/brands", method: .options) { _, _ in CrossOrigin.documents.preflight }
        router.refuseOthers(on: "/brands", than: .get)
    }

    private func answer(_ request: Request) -> Response {
        let known = request.headers[values: .ifNoneMatch].flatMap { $0.split(separator: ",") }
            .map { $0.filter { $0 != " " } }
        // RFC 9110 §13.1.2: the comparison is weak.
        let isKnown = known.contains { $0 == "*" || $0.hasSuffix(brands.entityTag.dropFirst(2)) }
        var response =
            isKnown
            ? Response(status: .notModified)
            : Answers.bytes(brands.bytes, "application/fhir+json", cacheControl: "public, max-age=300")
        response.headers[.eTag] = brands.entityTag
        CrossOrigin.documents.apply(to: &response.headers)
        return response
    }
}
