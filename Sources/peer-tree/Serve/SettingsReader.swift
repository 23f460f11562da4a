import ArgumentParser
import Configuration
import Foundation
import SystemPackage

/// Finds the value of each setting: in the flags, else in the environment, else in the configuration file, else its
/// default.
struct SettingsReader {
    /// Where a value was found.
    enum Origin: String {
        case flag
        case environment
        case file
        case standard = "default"
    }

    /// What a setting came to.
    private struct Effective {
        var name: String
        var value: ConfigContent
        var origin: Origin
        var isSecret: Bool
    }

    /// A value as it was written, and how the place where it stands spells the setting's name.
    private struct Found {
        var content: ConfigContent
        var origin: Origin
        var spelling: String
        /// The value as the user wrote it.
        var text: String
    }

    private let flags: [String: String]
    private let environment = EnvironmentVariablesProvider()
    private let file: ConfigurationFile?
    private var effective: [Effective] = []

    /// - Parameters:
    ///   - flags: by the setting's name.
    ///   - file: the path of the configuration file; nil looks for it in the environment.
    init(flags: [String: String], file: String?) async throws {
        self.flags = flags
        let named = try? environment.value(forKey: Self.environmentKey("config"), type: .string).value?.content
        var path = file
        if path == nil, case .string(let text)? = named { path = text }
        self.file = if let path { try await ConfigurationFile(path) } else { nil }
    }

    // MARK: Values by type

    mutating func integer(_ name: String, default standard: Int, in range: ClosedRange<Int>) throws -> Int {
        try integer(name, default: .int(standard), in: range) ?? standard
    }

    /// A number that is found out where it is not given; nil if it is not.
    mutating func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        try integer(name, default: .string(""), in: range)
    }

    private mutating func integer(
        _ name: String,
        default standard: ConfigContent,
        in range: ClosedRange<Int>
    ) throws -> Int? {
        let content = try read(name, .int, "\(range.lowerBound) to \(range.upperBound)", default: standard) {
            guard let number = Int($0), range.contains(number) else { return nil }
            return .int(number)
        }
        guard case .int(let number) = content else { return nil }
        return number
    }

    /// A number of seconds, which may have a fraction.
    mutating func seconds(_ name: String, default standard: Double, in range: ClosedRange<Double>) throws -> Double {
        let bounds = "\(Self.plain(range.lowerBound)) to \(Self.plain(range.upperBound)) seconds"
        let content = try read(name, .double, bounds, default: .double(standard)) {
            guard let number = Double($0), range.contains(number) else { return nil }
            return .double(number)
        }
        guard case .double(let number) = content else { return standard }
        return number
    }

    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: String,
        default standard: Choice
    ) throws -> Choice {
        let names = Choice.allCases.map(\.rawValue)
        let allowed = names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
        let content = try read(name, .string, allowed, default: .string(standard.rawValue)) {
            Choice(rawValue: $0).map { .string($0.rawValue) }
        }
        guard case .string(let text) = content else { return standard }
        return Choice(rawValue: text) ?? standard
    }

    /// A text that is not empty, or nil if there is none.
    ///
    /// - Parameters:
    ///   - allowed: what the text must be, for the error.
    ///   - standard: the default; empty for none.
    ///   - isSecret: whether ``description`` must not show it.
    ///   - isValid: whether it is that.
    mutating func text(
        _ name: String,
        _ allowed: String = "a text of at least one character",
        default standard: String = "",
        isSecret: Bool = false,
        where isValid: (String) -> Bool = { !$0.isEmpty }
    ) throws -> String? {
        let content = try read(name, .string, allowed, default: .string(standard), isSecret: isSecret) {
            isValid($0) ? .string($0) : nil
        }
        guard case .string(let text) = content, !text.isEmpty else { return nil }
        return text
    }

    /// A list: an array of texts in a file, texts with commas between them elsewhere.
    mutating func list(
        _ name: String,
        _ allowed: String,
        default standard: [String],
        where isValid: (String) -> Bool
    ) throws -> [String] {
        let content = try read(name, .stringArray, allowed, default: .stringArray(standard)) { text in
            let items = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            return !items.isEmpty && items.allSatisfy(isValid) ? .stringArray(items) : nil
        }
        guard case .stringArray(let items) = content else { return standard }
        return items
    }

    /// Fails if the file has a setting that nothing asked for: a misspelt name must not be passed over in silence.
    func refuseUnknownNames() throws {
        guard let file else { return }
        let known = Set(effective.map(\.name))
        for name in file.names where !known.contains(name) {
            throw ValidationError("'\(name)' in \(file.path) is not a setting: `peer-tree serve --help` lists them.")
        }
    }

    // MARK: Finding

    /// - Parameter parse: reads a text; nil if it is not allowed.
    private mutating func read(
        _ name: String,
        _ type: ConfigType,
        _ allowed: String,
        default standard: ConfigContent,
        isSecret: Bool = false,
        parse: (String) -> ConfigContent?
    ) throws -> ConfigContent {
        guard let found = find(name, type) else {
            effective.append(Effective(name: name, value: standard, origin: .standard, isSecret: isSecret))
            return standard
        }
        guard let content = Self.text(of: found.content).flatMap(parse) else {
            let value = isSecret ? "what it is" : found.text
            throw ValidationError("\(found.spelling) must be \(allowed), not \(value).")
        }
        effective.append(Effective(name: name, value: content, origin: found.origin, isSecret: isSecret))
        return content
    }

    private func find(_ name: String, _ type: ConfigType) -> Found? {
        if let text = flags[name] {
            return Found(content: .string(text), origin: .flag, spelling: "--\(name)", text: text)
        }
        if let variable = try? environment.value(forKey: Self.environmentKey(name), type: .string),
            case .string(let text)? = variable.value?.content
        {
            let content = ConfigContent.string(text)
            return Found(content: content, origin: .environment, spelling: variable.encodedKey, text: text)
        }
        guard let file, let text = file.text(name) else { return nil }
        // A value of another type stays as it is written, which no parser of the right type takes.
        let content = file.content(name, type) ?? .bytes([])
        return Found(content: content, origin: .file, spelling: "'\(name)' in \(file.path)", text: text)
    }

    private static func environmentKey(_ name: String) -> AbsoluteConfigKey {
        AbsoluteConfigKey(["peer", "tree"] + name.split(separator: "-").map(String.init))
    }

    /// One spelling for all places, so that one parser does for them.
    private static func text(of content: ConfigContent) -> String? {
        switch content {
        case .string(let text): text
        case .int(let number): String(number)
        case .double(let number): plain(number)
        case .stringArray(let items): items.joined(separator: ",")
        default: nil
        }
    }

    private static func plain(_ number: Double) -> String {
        Int(exactly: number).map { String($0) } ?? String(number)
    }
}

extension SettingsReader: CustomStringConvertible {
    /// Every setting that was asked for, as a JSON object: its value and where it was found.
    var description: String {
        var settings: [String: [String: Any]] = [:]
        for entry in effective {
            let value: Any =
                switch entry.value {
                case .int(let number): number
                case .double(let number): number
                case .stringArray(let items): items
                case .string(let text) where entry.isSecret && !text.isEmpty: "(secret)"
                case .string(let text): text
                default: ""
                }
            settings[entry.name] = ["value": value, "origin": entry.origin.rawValue]
        }
        let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data = (try? JSONSerialization.data(withJSONObject: settings, options: options)) ?? Data()
        return String(decoding: data, as: UTF8.self)
    }
}

/// A configuration file: one JSON object whose keys are the names of settings.
private struct ConfigurationFile {
    let path: String
    private let provider: FileProvider<JSONSnapshot>
    private let object: [String: Any]

    init(_ path: String) async throws {
        self.path = path
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure(status: .noInput, message: "The configuration file '\(path)' cannot be read.")
        }
        do {
            object = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
            provider = try await FileProvider<JSONSnapshot>(filePath: FilePath(path))
        } catch {
            throw ValidationError("The configuration file '\(path)' is not a JSON object of settings: \(error)")
        }
    }

    var names: [String] { object.keys.sorted() }

    /// The value as the file has it; nil if it does not.
    func text(_ name: String) -> String? {
        guard let value = object[name] else { return nil }
        let data = try? JSONSerialization.data(
            withJSONObject: value,
            options: [.fragmentsAllowed, .withoutEscapingSlashes]
        )
        return data.map { String(decoding: $0, as: UTF8.self) } ?? "\(value)"
    }

    /// The value as `type`; nil if it is of another one.
    func content(_ name: String, _ type: ConfigType) -> ConfigContent? {
        // The provider takes true for 1; nobody who writes it means that.
        if text(name) == "true" || text(name) == "false" { return nil }
        return try? provider.value(forKey: AbsoluteConfigKey([name]), type: type).value?.content
    }
}
