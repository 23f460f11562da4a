import PeerTreeClient

/// The picture while the demonstration runs: the tree with each viewer's lag, and a line of figures. Without a terminal
/// only the line, every two seconds.
struct DemoView {
    private let command: Demo
    private let total: Int
    private var live = LiveLines()
    private var lastShown = ContinuousClock.now
    private var lastBytes = 0

    init(command: Demo, total: Int) {
        self.command = command
        self.total = total
    }

    mutating func show(
        _ bytes: Int,
        _ drawing: @autoclosure () -> TreeDrawing,
        _ viewers: DemoViewers,
        _ summary: TreeSummary
    ) {
        let now = ContinuousClock.now
        let elapsed = now - lastShown
        guard !command.json, elapsed > (Terminal.isInteractive ? .milliseconds(250) : .seconds(2)) else { return }
        let rate = Double(bytes - lastBytes) / (elapsed / .seconds(1))
        lastShown = now
        lastBytes = bytes
        let worst = summary.peers.compactMap { $0.lag }.max()
        let figures = [
            "\(bytes * 100 / total) %", Units.rate(rate), "viewers \(summary.viewers)", "levels \(summary.depth)",
            "largest lag \(Units.milliseconds(worst))",
        ].joined(separator: "   ")
        if Terminal.isInteractive {
            live.show(drawing().lines + [figures])
        } else {
            Terminal.say(figures)
        }
    }

    mutating func clear() {
        live.clear()
    }
}
