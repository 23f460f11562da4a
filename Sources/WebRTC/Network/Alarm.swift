import NIOCore

/// One timer that follows a state machine's deadline.
final class Alarm {
    private var scheduled: (at: NIODeadline, task: Scheduled<Void>)?
    private let eventLoop: any EventLoop
    private let fire: () -> Void

    init(on eventLoop: any EventLoop, _ fire: @escaping () -> Void) {
        self.eventLoop = eventLoop
        self.fire = fire
    }

    /// Rings at this time at the latest, or not at all. One that rings too early costs less than moving it each time.
    func follow(_ deadline: NIODeadline?) {
        guard let deadline else { return self.cancel() }
        if let scheduled, scheduled.at <= deadline { return }
        self.cancel()
        let task = self.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.scheduled = nil
            self.fire()
        }
        self.scheduled = (deadline, task)
    }

    func cancel() {
        self.scheduled?.task.cancel()
        self.scheduled = nil
    }
}
