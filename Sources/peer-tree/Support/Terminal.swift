import Foundation

/// What the user sees beside the command's output.
enum Terminal {
    /// Whether standard error is a terminal.
    static let isInteractive = isatty(STDERR_FILENO) == 1

    /// Whether standard output is a terminal.
    static let isOutputTerminal = isatty(STDOUT_FILENO) == 1

    /// The width of the terminal in columns; 80 if unknown.
    static var width: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Prints a line on standard error.
    static func note(_ line: String) {
        write(line + "\n", to: .standardError)
    }

    /// Prints a line on standard output at once.
    static func say(_ line: String) {
        write(line + "\n", to: .standardOutput)
    }

    /// Prints without a line end on standard error.
    static func draw(_ text: String) {
        write(text, to: .standardError)
    }

    /// A broadcast, or a server, goes on where nobody reads any more what it says of itself.
    private static func write(_ text: String, to handle: FileHandle) {
        try? handle.write(contentsOf: Data(text.utf8))
    }
}

/// A line, or a few, at the bottom of the terminal that are drawn anew again and again. Nothing where there is no
/// terminal.
struct LiveLines {
    private var drawn = 0

    mutating func show(_ lines: [String]) {
        guard Terminal.isInteractive else { return }
        let width = Terminal.width - 1
        var text = drawn > 0 ? "\u{1B}[\(drawn)A" : ""
        for line in lines { text += "\r\u{1B}[2K" + String(line.prefix(width)) + "\n" }
        text += "\u{1B}[0J"
        drawn = lines.count
        Terminal.draw(text)
    }

    /// Removes the lines.
    mutating func clear() {
        guard Terminal.isInteractive, drawn > 0 else { return }
        Terminal.draw("\u{1B}[\(drawn)A\r\u{1B}[0J")
        drawn = 0
    }
}
