// swift-tools-version: 6.2
// Chaperone: one package, explicit dependencies, one shared array of strict settings.
// Versions are pinned with `exact:` because Package.resolved is not kept in the repository.
import PackageDescription

/// Every target of ours is compiled with these; nothing is exempt.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// The rules that a run may break on purpose exist in debug builds only (ADR 0050).
let withMutants = strict + [.define("POLICY_MUTANTS", .when(configuration: .debug))]

// Third-party products by short name, so that a target's dependencies read as a list of words.
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let grdbSQLite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let jwtKit = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP1 = Target.Dependency.product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

func library(
    _ name: String, _ dependencies: [Target.Dependency] = [], settings: [SwiftSetting] = strict
) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}
func tests(_ name: String, _ dependencies: [Target.Dependency], settings: [SwiftSetting] = strict) -> Target {
    .testTarget(name: name, dependencies: dependencies + ["RequirementTraits"], swiftSettings: settings)
}

let package = Package(
    name: "chaperone",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "chaperone", targets: ["chaperone"]),
        // For the nested packages in Benchmarks/ and Tests/Fuzzing/.
        .library(name: "FHIRCore", targets: ["FHIRCore"]),
        .library(name: "AccessPolicy", targets: ["AccessPolicy"]),
        .library(name: "SyntheticRecords", targets: ["SyntheticRecords"]),
        .library(name: "OAuthCore", targets: ["OAuthCore"]),
        .library(name: "Audit", targets: ["Audit"]),
        .library(name: "Enforcement", targets: ["Enforcement"]),
        .library(name: "Persistence", targets: ["Persistence"]),
        .library(name: "ParserProperties", targets: ["ParserProperties"]),
    ],
    dependencies: [
        // HTTP server of the authorization server, the admin side and the sandbox.
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", exact: "2.28.1"),
        // HTML templates that escape by default.
        .package(url: "https://github.com/hummingbird-project/swift-mustache.git", exact: "2.1.1"),
        // The gateway's data path and the seam between it and Hummingbird on one listener.
        .package(url: "https://github.com/apple/swift-nio.git", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", exact: "1.35.2"),
        .package(url: "https://github.com/apple/swift-http-types.git", exact: "1.8.0"),
        // TLS toward upstream FHIR servers.
        .package(url: "https://github.com/apple/swift-nio-ssl.git", exact: "2.37.6"),
        // HTTP client of the command line, the audit feeds, the demo and the tests; never on the data path.
        .package(url: "https://github.com/swift-server/async-http-client.git", exact: "1.37.0"),
        // SQLite.
        .package(url: "https://github.com/groue/GRDB.swift.git", exact: "7.10.0"),
        // Signatures, digests, sealing.
        .package(url: "https://github.com/apple/swift-crypto.git", exact: "4.5.2"),
        // The independent peer of our JOSE layer; tests only.
        .package(url: "https://github.com/vapor/jwt-kit.git", exact: "5.7.1"),
        .package(url: "https://github.com/apple/swift-log.git", exact: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", exact: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams.git", exact: "6.2.2"),
    ],
    targets: [
        // Debian libraries.
        .systemLibrary(name: "CArgon2", providers: [.apt(["libargon2-dev"])]),
        .systemLibrary(name: "CLibXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
        .systemLibrary(name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        // The one face of libxml2, without a type of its own.
        .target(name: "CXML2", dependencies: ["CLibXML2"]),
        // The one face of OpenSSL's libcrypto: certificate paths (decision record 0054).
        .target(name: "COpenSSL", dependencies: ["CLibCrypto"]),
        // Page templates, styles and the demo app, carried inside the binary (C23 #embed).
        .target(name: "CAssets", exclude: ["pages", "demo", "embed.py"]),

        // 0: what FHIR is.
        library("FHIRCore"),
        // 1: what may be done.
        library("AccessPolicy", ["FHIRCore"], settings: withMutants),
        // 1: the other format of resources, at the door.
        library("FHIRXML", ["FHIRCore", "CXML2"]),
        // 2: the messages of OAuth, OpenID Connect and SMART; JOSE.
        library("OAuthCore", ["FHIRCore", "AccessPolicy", crypto, cryptoExtras]),
        // 3: who vouches for a certificate.
        library("CertificateTrust", ["OAuthCore", "COpenSSL"]),
        // 3: the record of every access.
        library("Audit", ["FHIRCore", "AccessPolicy", "OAuthCore", crypto]),
        // 4: the two sides, which do not know each other.
        library("Authorization", ["FHIRCore", "AccessPolicy", "OAuthCore", "Audit", "CArgon2"]),
        library(
            "Enforcement",
            [
                "FHIRCore", "FHIRXML", "AccessPolicy", "OAuthCore", "Audit", "CZlib",
                logging, nioCore, nioHTTP1, nioPosix, nioSSL,
            ], settings: withMutants),
        // 5: engines.
        library(
            "Persistence",
            ["FHIRCore", "AccessPolicy", "OAuthCore", "Audit", "Authorization", grdb, grdbSQLite]),
        library("SyntheticRecords", ["FHIRCore"]),
        library("SandboxFHIR", ["FHIRCore", "CZlib", grdb, hummingbird, httpTypes, logging, nioCore]),
        // 6: the one place where everything is put together.
        library(
            "ChaperoneServer",
            [
                "FHIRCore", "AccessPolicy", "OAuthCore", "CertificateTrust", "Audit", "Authorization", "Enforcement",
                "Persistence", "SandboxFHIR", "SyntheticRecords", "CAssets",
                asyncHTTPClient, hummingbird, hummingbirdCore, httpTypes, logging, mustache, nioCore, nioHTTP1,
                nioHTTPTypes, nioHTTPTypesHTTP1, nioPosix, nioSSL, nioTLS, serviceLifecycle, unixSignals, yams,
            ]),
        // 7: the command line.
        .executableTarget(
            name: "chaperone",
            dependencies: [
                "ChaperoneServer", "SandboxFHIR", "SyntheticRecords", "FHIRCore", "AccessPolicy", "OAuthCore",
                "Audit", "Authorization", "Persistence",
                argumentParser, asyncHTTPClient, logging, nioCore, nioHTTP1,
            ],
            swiftSettings: strict),

        // What tests need.
        library("RequirementTraits"),
        library(
            "ChaperoneTesting",
            ["FHIRCore", "AccessPolicy", "OAuthCore", "Audit", "Authorization", "Enforcement"]),
        .target(
            name: "ParserProperties", dependencies: ["FHIRCore", "FHIRXML", "AccessPolicy"],
            path: "Tests/ParserProperties",
            swiftSettings: strict),
        // The slow reading of the rules, and what runs it at length.
        .target(
            name: "ReferencePolicy", dependencies: ["FHIRCore", "AccessPolicy"], path: "Tests/ReferencePolicy",
            swiftSettings: strict),
        .executableTarget(
            name: "differential", dependencies: ["ReferencePolicy"], path: "Tests/Differential",
            swiftSettings: strict),

        tests("FHIRCoreTests", ["FHIRCore", "ParserProperties"]),
        tests("ParserPropertyTests", ["ParserProperties", "FHIRCore"]),
        .testTarget(
            name: "FHIRXMLTests", dependencies: ["FHIRXML", "FHIRCore", "SyntheticRecords", "RequirementTraits"],
            exclude: ["peer.py"], swiftSettings: strict),
        tests("AccessPolicyTests", ["AccessPolicy", "FHIRCore", "ReferencePolicy"], settings: withMutants),
        tests("OAuthCoreTests", ["OAuthCore", "AccessPolicy", "FHIRCore", crypto, cryptoExtras, jwtKit]),
        tests("CertificateTrustTests", ["CertificateTrust", "OAuthCore", "ChaperoneTesting"]),
        tests("AuditTests", ["Audit", "OAuthCore", "AccessPolicy", "FHIRCore", "ChaperoneTesting"]),
        tests(
            "AuthorizationTests",
            ["Authorization", "Audit", "OAuthCore", "AccessPolicy", "FHIRCore", "ChaperoneTesting", crypto]),
        tests(
            "EnforcementTests",
            [
                "Enforcement", "Audit", "OAuthCore", "AccessPolicy", "FHIRXML", "FHIRCore", "ChaperoneTesting",
                "SandboxFHIR", "SyntheticRecords", logging, nioCore, nioEmbedded, nioHTTP1, nioPosix, nioSSL,
            ], settings: withMutants),
        tests(
            "PersistenceTests",
            [
                "Persistence", "Authorization", "Audit", "OAuthCore", "AccessPolicy", "FHIRCore", "ChaperoneTesting",
                grdb,
            ]),
        tests("SandboxFHIRTests", ["SandboxFHIR", "SyntheticRecords", "FHIRCore", hummingbird, logging, nioCore]),
        tests("SyntheticRecordsTests", ["SyntheticRecords", "FHIRCore"]),
        tests(
            "ChaperoneServerTests",
            [
                "ChaperoneServer", "Enforcement", "Authorization", "Audit", "Persistence", "SandboxFHIR",
                "SyntheticRecords", "OAuthCore", "CertificateTrust", "AccessPolicy", "FHIRCore", "ChaperoneTesting",
                asyncHTTPClient, logging, nioCore, nioHTTP1, nioPosix, nioSSL,
            ]),
        tests("HouseTests", [yams]),
    ],
    swiftLanguageModes: [.v6]
)
