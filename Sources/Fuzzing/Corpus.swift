package import Foundation

/// Inputs to begin with, and inputs that once found something: one file each, in a folder per target.
package struct Corpus: Sendable {
    /// The folder with one folder per target.
    package let folder: URL

    /// The corpus in a folder.
    package init(folder: URL) {
        self.folder = folder
    }

    /// All inputs of a target, in the order of their names.
    ///
    /// - Throws: when there is none: fuzzing without a corpus would find little and look well.
    package func inputs(of target: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = self.folder.appendingPathComponent(target)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        guard !names.isEmpty else { throw EmptyCorpus(folder: folder.path) }
        return try names.map { ($0, Array(try Data(contentsOf: folder.appendingPathComponent($0)))) }
    }

    /// No file in a target's folder.
    package struct EmptyCorpus: Error, CustomStringConvertible {
        let folder: String
        package var description: String { "there is no input in \(self.folder)" }
    }
}
