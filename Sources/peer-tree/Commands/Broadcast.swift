import ArgumentParser
import Foundation
import PeerTreeCore
import PeerTreeServer
import PeerTreeSignalling

/// `peer-tree broadcast`
struct Broadcast: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send a file or standard input to any number of viewers.",
        discussion: """
            Without --server it runs a server of its own. The link to watch goes to standard output, progress to the
            terminal.

            WebM and Matroska (VP8, VP9, AV1, H.264; Opus, Vorbis, AAC) are sent frame by frame and play in browsers and
            players; a viewer that comes late starts at the newest key frame. Everything else travels as bytes.

            The broadcast is signed: viewers take nothing that this source did not write, whoever relays it. With --identity
            the key stays the same, and so does the link. Browsers check signatures only on pages that came over https, or
            from their own machine: --unsigned is for those who watch over plain http, and for servers of the original.

            EXAMPLES
              peer-tree broadcast clip.webm --host 0.0.0.0
              ffmpeg -i talk.mp4 -c copy -f matroska - | peer-tree broadcast -
              ffmpeg -f v4l2 -i /dev/video0 -c:v libvpx -deadline realtime -g 50 -f webm - | peer-tree broadcast - --live
            """
    )

    @Argument(help: "The file to send; - is standard input.")
    var input = "-"

    @Option(
        help:
            "The signalling server to use instead of an own one, such as http://signal.example:3000; of a cluster several, with commas between them: any that answers is used, and the link has the first."
    )
    var server: ServerList?

    @Option(help: "The token that lets this source create a tree on that server.")
    var token: String?

    @OptionGroup(title: "A server behind https")
    var trust: ServerTrust

    @Option(help: "The address that the own server listens on.")
    var host = "127.0.0.1"

    @Option(help: "The port that the own server listens on; 0 takes a free one.")
    var port = 0

    @Option(name: .customLong("k"), help: "How many children a viewer feeds at most, with the own server.")
    var childrenOfViewer = 4

    @Option(name: .customLong("k1"), help: "How many children this source feeds at most.")
    var childrenOfSource = 10

    @Option(
        help:
            "Deal the stream over so many trees, 1 to 16: each viewer feeds others in one of them (default: 5 for media at its pace, where this source feeds as many; else 1)."
    )
    var stripes: Int?

    @Option(
        help:
            "How many of the trees carry the parity of the others, 0 or 1: with 1, of two trees or more, nobody waits for a viewer that went. For --live, and media at its pace (default: 1 with 5 trees that were not asked for, else 0)."
    )
    var parity: Int?

    @OptionGroup(title: "STUN and TURN, with the own server")
    var iceServers: ICEServerFlags

    @Option(help: "Begin once so many viewers are there (default: 1 for a file, 0 for standard input).")
    var viewers: Int?

    @Option(help: "Send no faster than so many bytes a second, such as 500k or 2M.", transform: Self.rate)
    var rate: Int?

    @Option(help: "After the end, wait at most so many seconds for viewers that are still receiving.")
    var linger = 30

    @Option(help: "Send media at the pace at which it plays (realtime), or as fast as viewers take it (fast).")
    var pace = Pace.realtime

    @Flag(help: "Live media: never wait for a slow viewer, cut it back to the next key frame instead.")
    var live = false

    @Flag(help: "Begin a media file again at its end, until Ctrl-C.")
    var loop = false

    @Flag(help: "Send the bytes as they are, without a word about them, also those of media.")
    var raw = false

    @Option(
        help:
            "With --raw, what is not WebM: let newcomers begin at a mark, one every so many seconds, instead of at the beginning; with --live, viewers that are too slow go on there, too."
    )
    var joinEvery: Double?

    @Flag(help: "Encrypt what is sent. Whoever has the whole link can read it; relays and servers cannot.")
    var encrypt = false

    @Option(
        help:
            "Sign with the key in this file, which is made if it is not there, and keeps the secret of --encrypt, too: the link is always the same. Without it every broadcast has a key of its own."
    )
    var identity: String?

    @Flag(help: "Do not sign: whoever relays the broadcast can change it.")
    var unsigned = false

    @Flag(help: "Print events and the result as JSON, one object a line, on standard output.")
    var json = false

    @Flag(name: .shortAndLong, help: "Log what happens, on standard error.")
    var verbose = false

    /// How fast media is sent.
    enum Pace: String, CaseIterable, ExpressibleByArgument {
        case realtime, fast
    }

    func validate() throws {
        if unsigned, identity != nil {
            throw ValidationError("--identity is a key to sign with: leave it or --unsigned out.")
        }
        if let stripes, !(1...StripeLayout.most).contains(stripes) {
            throw ValidationError("--stripes \(stripes) is not possible: take 1 to \(StripeLayout.most).")
        }
        if let parity, parity != 0, parity != 1 || (stripes ?? StripeLayout.ofMedia.stripes) < 2 {
            let asked = stripes.map { " with --stripes \($0)" } ?? ""
            throw ValidationError("--parity \(parity)\(asked) is not possible: take 0, or 1 of at least 2.")
        }
        if let joinEvery {
            guard joinEvery > 0, joinEvery <= 86_400 else {
                throw ValidationError("--join-every \(joinEvery) is not possible: take seconds above 0, up to 86400.")
            }
            if !raw { throw ValidationError("--join-every is for --raw: media has its key frames.") }
        }
        guard loop else { return }
        if input == "-" { throw ValidationError("--loop needs a file: standard input cannot begin again.") }
        if raw { throw ValidationError("--loop is for media: leave out --raw.") }
    }

    /// Over how many trees the stream is to be dealt.
    ///
    /// - Parameter plays: Whether it is media that nobody may have to wait for.
    func layout(plays: Bool) -> StripeLayout {
        let usual = StripeLayout.ofMedia
        if let stripes { return StripeLayout(stripes: stripes, parity: parity ?? 0) }
        if let parity { return StripeLayout(stripes: parity > 0 ? usual.stripes : 1, parity: parity) }
        return plays && childrenOfSource >= usual.stripes ? usual : .single
    }

    static func rate(_ text: String) throws -> Int {
        guard let count = parseByteCount(text) else {
            throw ValidationError("'\(text)' is not a number of bytes such as 500000, 500k or 2M.")
        }
        return count
    }

    func run() async throws {
        var settings = ServerSettings()
        settings.host = host
        settings.port = port
        settings.k = childrenOfViewer
        settings.k1 = childrenOfSource
        if verbose { settings.log.level = .debug }
        var reader = try await SettingsReader(flags: iceServers.values, file: nil)
        settings.signalling.iceServers = try ICEServerOptions(&reader)
        try settings.validate()
        let (command, chosen) = (self, settings)
        try await exiting {
            let session = try await BroadcastSession(command: command, input: BroadcastInput(command))
            if let servers = command.server?.addresses, let first = servers.first {
                try await session.run(server: first, servers: servers)
            } else {
                try await EmbeddedServer.withServer(chosen) { try await session.run(server: $0, servers: [$0]) }
            }
        }
    }
}
