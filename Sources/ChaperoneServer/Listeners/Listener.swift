internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore

/// One address that the server listens on, with its routes.
struct Listener {
    let name: String
    let address: ListenAddress
    let router: Router<SideContext>
    let server: HTTPServerBuilder

    /// The listener as a service of the group.
    func application(board: ListenerBoard, logger: Logger) -> some ApplicationProtocol {
        let name = name
        return Application(
            router: router, server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port), serverName: nil),
            onServerRunning: { channel in board.up(name, port: channel.localAddress?.port ?? 0) },
            logger: logger)
    }
}

extension Router<SideContext> {
    /// A router whose every answer has the security headers and whose errors have a face of ours.
    static func side(
        headers: SecurityHeaders = SecurityHeaders(), face: @escaping @Sendable (HTTPError, Request) throws -> Response
    ) -> Router<SideContext> {
        let router = Router(context: SideContext.self, options: .autoGenerateHeadEndpoints)
        router.middlewares.add(SecurityHeadersMiddleware<SideContext>(headers: headers))
        router.middlewares.add(ErrorMiddleware(face: face))
        return router
    }
}

extension Router<SideContext> {
    /// Answers every method that an address does not take with 405 and the list of those that it takes (RFC 9110 §15.5.6).
    func refuseOthers(on path: String, than allowed: HTTPRequest.Method...) {
        let isRead = allowed.contains(.get)
        let names = allowed.map(\.rawValue) + (isRead ? ["HEAD"] : [])
        let list = names.joined(separator: ", ")
        for method in [HTTPRequest.Method.get, .head, .post, .put, .patch, .delete, .trace, .connect]
        where !names.contains(method.rawValue) {
            on(RouterPath(path), method: method) { _, _ in Answers.methodNotAllowed(list) }
        }
    }
}

/// Gives errors that no route answered a face of ours.
struct ErrorMiddleware: RouterMiddleware {
    typealias Context = SideContext
    let face: @Sendable (HTTPError, Request) throws -> Response

    func handle(
        _ request: Request, context: SideContext, next: (Request, SideContext) async throws -> Response
    ) async throws -> Response {
        do {
            // The router would pass over an empty segment, and one document would have many addresses.
            guard !request.uri.path.contains("//") else { throw HTTPError(.notFound) }
            return try await next(request, context)
        } catch let error as HTTPError {
            return try face(error, request)
        } catch {
            context.logger.error("a request failed", metadata: ["error": "\(error)"])
            return try face(HTTPError(.internalServerError), request)
        }
    }
}
