package import NIOCore

/// Something to call when its deadline has come.
package protocol DeadlineHandler: AnyObject {
    func deadlineReached()
}

/// The deadlines of all connections of one event loop, on a single timer of the loop.
///
/// A loop keeps its own timers in a heap: cancelling one searches all of it, so that a thousand connections make each
/// other's closing slow, and each timer that fires is a wake-up of its own. What is due here in the same tick shares one.
///
/// `@unchecked Sendable`: used on its event loop only, which every method asserts.
package final class DeadlineTimer: NIOScheduledCallbackHandler, @unchecked Sendable {
    package typealias Token = DeadlineWheel<any DeadlineHandler>.Token

    private let eventLoop: any EventLoop
    private var wheel: DeadlineWheel<any DeadlineHandler>
    private var armed: (deadline: NIODeadline, callback: NIOScheduledCallback)?
    private var isFiring = false

    package init(tick: TimeAmount, eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        wheel = DeadlineWheel(tick: tick, at: .now())
    }

    /// Calls `handler` once `deadline` has come, and keeps it until then. The token is void from that call on.
    package func set(_ deadline: NIODeadline, _ handler: any DeadlineHandler) -> Token {
        eventLoop.assertInEventLoop()
        let token = wheel.set(deadline, handler)
        if !isFiring { arm(wheel.time(of: token)) }
        return token
    }

    /// Forgets a deadline that has not come.
    package func cancel(_ token: Token) {
        eventLoop.assertInEventLoop()
        wheel.cancel(token)
    }

    package func handleScheduledCallback(eventLoop: some EventLoop) {
        armed = nil
        isFiring = true
        wheel.advance(to: .now())
        while let handler = wheel.popDue() { handler.deadlineReached() }
        isFiring = false
        if let deadline = wheel.deadline { arm(deadline) }
    }

    /// Sees to it that the timer fires at `deadline` at the latest. One that fires too early costs less than moving it.
    private func arm(_ deadline: NIODeadline) {
        if let armed {
            if armed.deadline <= deadline { return }
            armed.callback.cancel()
        }
        armed = (try? eventLoop.scheduleCallback(at: deadline, handler: self)).map { (deadline, $0) }
    }
}
