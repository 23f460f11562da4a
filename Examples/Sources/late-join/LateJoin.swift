import Foundation
import NIOCore
import PeerTreeMedia

/// `late-join FILE N`: what a viewer gets who joins before the file's N-th join point, counted from zero.
@main
struct LateJoin {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 3, let skipped = Int(arguments[2]),
            let file = FileHandle(forReadingAtPath: arguments[1])
        else {
            FileHandle.standardError.write(Data("usage: late-join FILE N > OUTPUT\n".utf8))
            exit(64)
        }
        var viewer = LateViewer(joinPointsToSkip: skipped)
        var splitter = WebMSplitter()
        while let bytes = try file.read(upToCount: 10_000), !bytes.isEmpty {
            splitter.feed(ByteBuffer(bytes: bytes))
            while let piece = splitter.nextPiece() { viewer.receive(piece) }
        }
        splitter.finish()
        while let piece = splitter.nextPiece() { viewer.receive(piece) }
    }
}

/// Writes the newest header, then everything from a join point on.
struct LateViewer {
    var joinPointsToSkip: Int
    private var hasJoined = false

    init(joinPointsToSkip: Int) {
        self.joinPointsToSkip = joinPointsToSkip
    }

    mutating func receive(_ piece: MediaPiece) {
        if piece.isJoinPoint, !hasJoined {
            hasJoined = joinPointsToSkip == 0
            joinPointsToSkip -= 1
        }
        if piece.isHeader || hasJoined {
            FileHandle.standardOutput.write(Data(piece.bytes.readableBytesView))
        }
    }
}
