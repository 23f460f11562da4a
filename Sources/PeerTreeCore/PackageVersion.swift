/// The version of this package.
public enum PackageVersion {
    /// By the rules of semantic versioning 2.0.0; CHANGELOG.md says what came with it. It is written here alone: the command,
    /// the server, the clients of both kinds and the npm package have it from here.
    public static let current: StaticString = "0.2.0"
}
