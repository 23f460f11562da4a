import Foundation
import Logging

/// What a server logs, and how.
struct LogSettings: Sendable {
    /// The least severity that is logged.
    enum Level: String, CaseIterable, Sendable {
        case trace, debug, info, notice, warning, error, critical

        var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
    }

    /// The form of a line.
    enum Format: String, CaseIterable, Sendable {
        case text, json
    }

    var level: Level
    var format = Format.text

    func makeLogger(_ label: String) -> Logger {
        let format = format
        var logger = Logger(label: label) { label in
            switch format {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLogHandler(label: label)
            }
        }
        logger.logLevel = level.level
        return logger
    }
}

/// Logs one JSON object a line on standard error, for programs that collect logs.
struct JSONLogHandler: LogHandler {
    let label: String
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String) {
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var object: [String: Any] = [
            "time": Date().formatted(.iso8601.time(includingFractionalSeconds: true)),
            "level": event.level.rawValue,
            "label": label,
            "message": "\(event.message)",
        ]
        let all = metadata.merging(metadataProvider?.get() ?? [:]) { $1 }.merging(event.metadata ?? [:]) { $1 }
        if !all.isEmpty { object["metadata"] = all.mapValues { "\($0)" } }
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        guard var line = try? JSONSerialization.data(withJSONObject: object, options: options) else { return }
        line.append(UInt8(ascii: "\n"))
        // A server goes on where nobody reads its log any more.
        try? FileHandle.standardError.write(contentsOf: line)
    }
}
