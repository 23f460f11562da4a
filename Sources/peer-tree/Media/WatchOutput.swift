import Foundation
import NIOCore
import PeerTreeClient
import PeerTreeCore
import PeerTreeMedia

/// Writes what a viewer receives: media as WebM, everything else as the bytes that came.
///
/// What the stream is shows at its first message.
actor WatchOutput {
    private enum Mode {
        case undecided
        case bytes
        case media
    }

    private let path: String
    private let report: WatchReport
    private var writer: OutputWriter
    private var recorder: WebMRecorder
    private var mode = Mode.undecided
    /// How many files were begun.
    private var parts = 1
    /// What the source last said about content that is not media, and how much of that has come.
    private var content: ContentDescription?
    private var contentBytes = 0
    /// Whether the source sends again what is there already.
    private var isRepetition = false

    /// Opens the output.
    ///
    /// - Throws: ``Failure`` naming the file and what is wrong with it.
    init(_ path: String, report: WatchReport) throws {
        self.path = path
        self.report = report
        writer = try OutputWriter(path)
        recorder = WebMRecorder(layout: writer.isSeekable ? .seekable : .streaming)
    }

    /// Takes messages of the stream.
    ///
    /// - Throws: ``Failure`` if the file system refuses, ``OutputClosed`` if the reader of a pipe went away.
    func take(_ messages: [PeerTreeMessage]) async throws {
        var bytes: [ByteBuffer] = []
        for message in messages {
            let payload = message.payload
            if message.isText, mode != .media, message.retainedKey == MediaKey.content {
                try await writer.write(bytes)
                bytes = []
                mode = .bytes
                if let next = try? ContentDescription(parsing: payload) { try begin(next) }
                continue
            }
            if mode == .undecided {
                mode = message.isText && message.retainedKey == MediaKey.catalog ? .media : .bytes
            }
            switch mode {
            case .media:
                recorder.handle(payload, isText: message.isText, retainedKey: message.retainedKey)
                if message.retainedKey == nil { report.add(payload, timestamp: message.timestamp) }
            case .bytes, .undecided:
                if isRepetition { continue }
                report.add(payload, timestamp: message.timestamp)
                bytes.append(payload)
                contentBytes += payload.readableBytes
            }
        }
        if mode == .media { try await record() } else { try await writer.write(bytes) }
    }

    /// The stream is whole: completes the file and gives it its name.
    func complete() async throws {
        recorder.finish()
        try await record()
        if let size = content?.size, contentBytes < size {
            report.warn("Only \(contentBytes) of \(size) bytes came: this viewer was not there from the beginning.")
        }
        try writer.complete()
    }

    /// The stream broke off, or the user ended it. A recording of live media is complete whenever it ends; of everything
    /// else what came stays under a temporary name.
    ///
    /// - Parameter isInterrupted: whether the user ended it.
    /// - Returns: where it is; nil for standard output, or if the file has its name.
    func stop(isInterrupted: Bool) async -> String? {
        recorder.finish()
        try? await record()
        if isInterrupted, recorder.catalog?.isLive == true, (try? writer.complete()) != nil { return nil }
        return writer.abandon()
    }

    /// Carries out what the recorder wants.
    private func record() async throws {
        var batch: [ByteBuffer] = []
        while let output = recorder.nextOutput() {
            switch output {
            case .write(.append(let bytes)):
                batch.append(bytes)
            case .write(.overwrite(let offset, let bytes)):
                try await writer.write(batch)
                batch = []
                try await writer.overwrite(bytes, at: offset)
            case .part(let number):
                try await writer.write(batch)
                batch = []
                if let catalog = recorder.catalog { report.note(catalog, part: number) }
                if number > 1 { try nextPart(because: "The tracks changed") }
            case .note(let sentence):
                report.warn(sentence)
            }
        }
        try await writer.write(batch)
    }

    /// The source says what comes next. After something has come that is a file of its own; but what was cut short is
    /// replaced, and what comes again, for viewers that are new, is left out.
    private func begin(_ next: ContentDescription) throws {
        let last = content
        let isWhole = last?.size.map { $0 == contentBytes } ?? true
        content = next
        if contentBytes > 0, next == last, last?.size != nil, isWhole {
            isRepetition = true
            return
        }
        let isFirst = contentBytes == 0
        isRepetition = false
        contentBytes = 0
        report.note(next)
        guard !isFirst, writer.hasName else { return }
        if isWhole { try nextPart(because: "Another file comes") } else { try writer.truncate() }
    }

    /// A further part is a file of its own; a pipe and a device just go on.
    private func nextPart(because reason: String) throws {
        parts += 1
        guard writer.hasName else {
            report.warn("\(reason): it begins in the same stream.")
            return
        }
        let url = URL(fileURLWithPath: path)
        let stem = url.deletingPathExtension().path
        let ending = url.pathExtension.isEmpty ? "" : ".\(url.pathExtension)"
        // The user did not choose these names: files that are there stay as they are.
        var suffix = parts
        while [".part", ""].contains(where: {
            FileManager.default.fileExists(atPath: "\(stem)-\(suffix)\(ending)\($0)")
        }) {
            suffix += 1
        }
        let next = "\(stem)-\(suffix)\(ending)"
        try writer.complete()
        writer = try OutputWriter(next)
        report.warn("\(reason): '\(next)' goes on where the file before ends.")
    }
}
