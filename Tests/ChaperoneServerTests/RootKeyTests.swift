import OAuthCore
import Testing

@testable import ChaperoneServer

#if canImport(Glibc)
    import Glibc
#endif

/// Where the root keys of an installation come from: a list in a file or in the environment.
@Suite struct RootKeyTests {
    private static let first = Base64URL.encode([UInt8](repeating: 1, count: 32))
    private static let second = Base64URL.encode([UInt8](repeating: 2, count: 32))

    private func withFolder<Value>(_ work: (String) throws -> Value) throws -> Value {
        var template = Array("/tmp/chaperone-root-keys-XXXXXX".utf8CString)
        let folder = try template.withUnsafeMutableBufferPointer { buffer in
            let base = try #require(buffer.baseAddress)
            let made = try #require(mkdtemp(base))
            return String(cString: made)
        }
        defer {
            for name in ["installation.key", "named.key"] { unlink("\(folder)/\(name)") }
            rmdir(folder)
        }
        return try work(folder)
    }

    private func keys(_ text: String, in folder: String) throws -> [[UInt8]] {
        try InstallationKey.load(
            stateDirectory: folder, environment: [InstallationKey.variable: text], random: .system)
    }

    @Test func `the environment may hold several, the first of which seals`() throws {
        try withFolder { folder in
            for separator in [" ", ",", "\n"] {
                let read = try keys(Self.first + separator + Self.second, in: folder)
                #expect(read.map(\.first) == [1, 2])
            }
            // With keys in the environment no file is made.
            #expect(access("\(folder)/installation.key", F_OK) != 0)
        }
    }

    @Test(arguments: ["", " ", "short", first + " " + first, first + " junk", first + "A"])
    func `what is no list of keys is refused and never replaced by new ones`(_ text: String) throws {
        try withFolder { folder in
            _ = #expect(throws: InstallationKey.Unusable.self) { try keys(text, in: folder) }
        }
    }

    @Test func `a new installation makes one, finds it again, and takes a list in its place`() throws {
        try withFolder { folder in
            let made = try InstallationKey.load(stateDirectory: folder, random: .system)
            #expect(made.count == 1)
            #expect(try InstallationKey.load(stateDirectory: folder, random: .system) == made)

            let list = Self.second + "\n" + Base64URL.encode(made[0]) + "\n"
            try PrivateFile.write(Array(list.utf8), to: "\(folder)/named.key")
            let read = try InstallationKey.load(
                stateDirectory: folder, file: "\(folder)/named.key", random: .system)
            #expect(read == [[UInt8](repeating: 2, count: 32), made[0]])
        }
    }

    @Test func `a file that was named must be there, and its owner's alone`() throws {
        try withFolder { folder in
            let file = "\(folder)/named.key"
            #expect(throws: InstallationKey.Unusable.self) {
                try InstallationKey.load(stateDirectory: folder, file: file, random: .system)
            }
            try PrivateFile.write(Array(Self.first.utf8), to: file)
            chmod(file, 0o644)
            #expect(throws: (any Error).self) {
                try InstallationKey.load(stateDirectory: folder, file: file, random: .system)
            }
        }
    }
}
