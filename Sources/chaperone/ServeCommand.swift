internal import ArgumentParser
internal import ChaperoneServer
internal import Logging

#if canImport(Glibc)
    internal import Glibc
#endif

/// `chaperone serve`: everything, until Ctrl-C.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Starts the server and stays until it is told to stop.",
        discussion: """
            Example: chaperone serve --demo
                     chaperone serve --config /etc/chaperone/chaperone.yaml
            """)

    @OptionGroup var options: ConfigurationOptions

    @Flag(help: "Wipes the state directory first: databases, keys, audit trail. Only with --demo.")
    var fresh = false

    @Flag(
        help: ArgumentHelp(
            "Suspends the clients that the configuration lacks, however many they are.",
            discussion: "Without it the server does not start when more than half of the active clients, and more than "
                + "one, would be suspended."))
    var suspendAbsentClients = false

    func validate() throws {
        if fresh && !options.demo { throw ValidationError("--fresh is for --demo only") }
    }

    func run() async throws {
        let configuration = try options.load()
        if fresh { try StateDirectory.wipe(configuration.stateDirectory) }
        let logger = LogStream.logger(configuration.log.level)
        let composition: Composition
        do {
            composition = try await Composition(
                configuration: configuration, logger: logger, stopsOnSignals: true,
                suspendsAbsentClients: suspendAbsentClients)
        } catch let refusal as Composition.Unsafe {
            let reasons = refusal.reasons.map { "  - \($0)" }.joined(separator: "\n")
            throw CommandFailure("refuses to start here:\n\(reasons)", code: .refused)
        } catch let absent as Installation.ManyAbsentClients {
            throw CommandFailure("refuses to start: \(absent)", code: .refused)
        } catch let held as Installation.Held {
            throw CommandFailure(held.description, code: .conflict)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                guard let ports = await composition.ports() else { return }
                print(Banner(configuration: configuration, ports: ports).text)
                // In a pipe lines are held back otherwise, and others wait for them.
                fflush(nil)
            }
            group.addTask { try await composition.run() }
            try await group.waitForAll()
        }
        print("stopped")
    }
}

/// What `serve` says when everything is up.
struct Banner {
    let configuration: Configuration
    let ports: [String: Int]

    var text: String {
        var lines = ["Chaperone is ready."]
        lines.append(
            "  public    \(configuration.issuer)   (issuer; FHIR base \(configuration.issuer)\(configuration.fhirServer.path))"
        )
        if let tls = configuration.listeners.tls {
            lines.append("  over TLS  https://\(configuration.issuer.host):\(ports["tls"] ?? tls.address.port)")
        }
        lines.append("  admin     \(address("admin", configuration.listeners.admin))")
        if configuration.isDemo {
            if ports["sandbox"] != nil {
                lines.append(
                    "  sandbox   \(address("sandbox", configuration.listeners.sandbox))/fhir   (unprotected, synthetic members)"
                )
            }
            lines.append("  demo app  \(address("demo", configuration.listeners.demo))   ← start here; /ehr is an EHR")
            lines.append("")
            lines.append("Demo accounts, password `\(DemoIdentities.password)`:")
            for user in configuration.users where user.demoPassword != nil {
                lines.append("  \(user.login.padded(12)) \(user.name.padded(18)) \(Self.facts(user))")
            }
            lines.append("")
            lines.append("Who read what:  chaperone audit list --patient patient-a")
        }
        return lines.joined(separator: "\n")
    }

    private func address(_ name: String, _ configured: ListenAddress) -> String {
        "http://\(configured.host):\(ports[name] ?? configured.port)"
    }

    private static func facts(_ user: ConfiguredUser) -> String {
        let roles: [String] = user.roles.map(\.rawValue)
        if !roles.isEmpty { return roles.joined(separator: ", ") }
        let others: [String] = user.patients.map { "Patient/\($0.id)" }.filter { $0 != user.fhirUser }
        let acts = others.isEmpty ? "" : ", may open " + others.joined(separator: ", ")
        return (user.fhirUser ?? "") + acts
    }
}

extension String {
    fileprivate func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
