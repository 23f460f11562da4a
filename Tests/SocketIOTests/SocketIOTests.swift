import Testing

/// All tests of the library, one after another: those that fuzz keep a core busy for seconds, and those that use
/// sockets would wait for it.
@Suite("Socket.IO", .serialized, .timeLimit(.minutes(5)))
enum SocketIOTests {}
