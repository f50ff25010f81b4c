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
        let lists: [String] = request.headers[values: .ifNoneMatch]
        let known: [String] = lists.flatMap { list in
            list.split(separator: ",").map { String($0.filter { $0 != " " }) }
        }
        let tag = String(brands.entityTag.dropFirst(2))
        // RFC 9110 §13.1.2: the comparison is weak.
        let isKnown = known.contains { (each: String) in each == "*" || each == tag || each == brands.entityTag }
        var response =
            isKnown
            ? Response(status: .notModified)
            : Answers.bytes(brands.bytes, "application/fhir+json", cacheControl: "public, max-age=300")
        response.headers[HTTPField.Name.eTag] = brands.entityTag
        CrossOrigin.documents.apply(to: &response.headers)
        return response
    }
}
