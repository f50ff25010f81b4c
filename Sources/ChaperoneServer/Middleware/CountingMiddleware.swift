internal import HTTPTypes
internal import Hummingbird
internal import Logging

/// Counts the answers of a listener by their status, and logs what failed.
struct CountingMiddleware: RouterMiddleware {
    typealias Context = SideContext
    let listener: String
    let metrics: Metrics

    func handle(
        _ request: Request, context: SideContext, next: (Request, SideContext) async throws -> Response
    ) async throws -> Response {
        do {
            let response = try await next(request, context)
            metrics.count(Metrics.requests, listener, String(response.status.code))
            return response
        } catch let error as HTTPError {
            metrics.count(Metrics.requests, listener, String(error.status.code))
            throw error
        } catch {
            metrics.count(Metrics.requests, listener, "500")
            context.logger.error("a request failed", metadata: ["error": "\(error)", "listener": "\(listener)"])
            throw error
        }
    }
}
