internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore
internal import OAuthCore

/// What an administrator changes about an account that is there.
extension UserCommand {
    /// `chaperone user set-password`.
    struct SetPassword: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets a password and ends the account's sessions. Be sure that it is they who ask.",
            discussion: "Example: chaperone user set-password mrs-jones --password-file -")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "The user name.")
        var username: String

        @Option(help: "The file whose first line is the new password; - is the standard input.")
        var passwordFile: String

        func run() async throws {
            let password = try TextFile.readSecret(passwordFile)
            let body = JSONValue.object([.init("password", .string(password.reveal()))])
            let changed = try await options.withAdmin {
                try await $0.call(.post, ["users", username, "password"], body: body)
            }
            UserCommand.table.print([changed], as: output.output)
        }
    }

    /// `chaperone user set-roles`.
    struct SetRoles: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets what an account may do and ends its sessions.",
            discussion: "Example: chaperone user set-roles mr-smith --role auditor")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "The user name.")
        var username: String

        @Option(help: "A role: member, clinician, steward, security, auditor, admin, developer; may be repeated.")
        var role: [String]

        func run() async throws {
            let body = JSONValue.object([.init("roles", .array(role.map { .string($0) }))])
            let changed = try await options.withAdmin {
                try await $0.call(.post, ["users", username, "roles"], body: body)
            }
            UserCommand.table.print([changed], as: output.output)
        }
    }

    /// `chaperone user set-person`.
    struct SetPerson: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says who a local account is, after its link was undone.",
            discussion: "Example: chaperone user set-person mrs-jones --fhir-user RelatedPerson/p1 --patient 4711")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "The user name.")
        var username: String

        @Option(help: "Who the account is, such as RelatedPerson/p1 (default: the patient, when there is one).")
        var fhirUser: String?

        @Option(help: "A patient that the account may act for; may be repeated.")
        var patient: [String] = []

        func run() async throws {
            var members = [JSONMemberValue("patients", .array(patient.map { .string($0) }))]
            if let fhirUser { members.append(.init("fhirUser", .string(fhirUser))) }
            let body = JSONValue.object(members)
            let changed = try await options.withAdmin {
                try await $0.call(.post, ["users", username, "person"], body: body)
            }
            UserCommand.table.print([changed], as: output.output)
        }
    }

    /// `chaperone user enable`.
    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets a disabled account sign in again. What was ended stays ended.",
            discussion: "Example: chaperone user enable mrs-jones")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "The user name.")
        var username: String

        func run() async throws {
            let body = JSONValue.object([])
            let changed = try await options.withAdmin {
                try await $0.call(.post, ["users", username, "enable"], body: body)
            }
            UserCommand.table.print([changed], as: output.output)
        }
    }

    /// `chaperone user remove-second-factor`.
    struct RemoveSecondFactor: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes the second factor of somebody who has lost it. Be sure that it is they who ask.",
            discussion: "Example: chaperone user remove-second-factor mrs-jones")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "The user name.")
        var username: String

        func run() async throws {
            let answer = try await options.withAdmin {
                try await $0.call(.post, ["users", username, "remove-second-factor"], body: .object([]))
            }
            Table(columns: [.init("username", "username"), .init("second factor", "secondFactor")])
                .print([answer], as: output.output)
        }
    }
}

extension ClientCommand {
    /// `chaperone client activate`.
    struct Activate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets a suspended client work again. What was ended stays ended.",
            discussion: "Example: chaperone client activate demo-patient-app")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "The client's id.")
        var id: String

        func run() async throws {
            let changed = try await options.withAdmin {
                try await $0.call(.post, ["clients", id, "activate"], body: .object([]))
            }
            Table(columns: [.init("id", "id"), .init("status", "status")]).print([changed], as: output.output)
        }
    }
}
