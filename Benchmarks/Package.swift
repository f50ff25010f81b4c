// swift-tools-version: 6.2
// A package of its own, so that nobody who builds the product pays for it.
import PackageDescription

let package = Package(
    name: "benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "chaperone", path: "..")],
    targets: [
        .executableTarget(
            name: "core-benchmark",
            dependencies: [
                .product(name: "FHIRCore", package: "chaperone"), .product(name: "AccessPolicy", package: "chaperone"),
                .product(name: "SyntheticRecords", package: "chaperone"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
