// swift-tools-version: 6.2
// A package of its own, so that nobody who builds the product pays for it.
import PackageDescription

let package = Package(
    name: "benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "chaperone", path: ".."),
        .package(url: "https://github.com/groue/GRDB.swift.git", exact: "7.10.0"),
        .package(url: "https://github.com/apple/swift-nio.git", exact: "2.101.2"),
    ],
    targets: [
        .executableTarget(
            name: "core-benchmark",
            dependencies: [
                .product(name: "FHIRCore", package: "chaperone"), .product(name: "AccessPolicy", package: "chaperone"),
                .product(name: "SyntheticRecords", package: "chaperone"),
            ]),
        // What the audit trail costs: with the product's log and with none.
        .executableTarget(
            name: "audit-benchmark",
            dependencies: [
                .product(name: "FHIRCore", package: "chaperone"), .product(name: "AccessPolicy", package: "chaperone"),
                .product(name: "OAuthCore", package: "chaperone"), .product(name: "Audit", package: "chaperone"),
                .product(name: "Enforcement", package: "chaperone"),
                .product(name: "Persistence", package: "chaperone"),
                .product(name: "GRDB", package: "GRDB.swift"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
