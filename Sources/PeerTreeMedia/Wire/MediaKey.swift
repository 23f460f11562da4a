/// The retained keys that mean something in every stream.
public enum MediaKey {
    /// The header of a byte stream in a container, as it is.
    public static let header: UInt16 = 0
    /// The media catalog.
    public static let catalog: UInt16 = 1
    /// The description of a file or text that is not media.
    public static let content: UInt16 = 2
}
