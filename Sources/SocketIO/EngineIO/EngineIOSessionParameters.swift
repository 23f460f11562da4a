package import NIOCore

/// What all sessions of a server share.
package final class EngineIOSessionParameters: Sendable {
    package let pingInterval: TimeAmount
    package let pingTimeout: TimeAmount
    package let upgradeTimeout: TimeAmount
    /// How long an orderly close waits for a polling client to come and fetch it.
    package let closeTimeout: TimeAmount
    package let maximumPayload: Int
    /// Bytes that may wait for a polling client.
    package let maximumBufferedBytes: Int
    package let allowsUpgrades: Bool

    /// How late a time-out may be noticed: so little that no client can tell, so much that many share a wake-up.
    package var tick: TimeAmount {
        let shortest = min(pingInterval, pingTimeout, upgradeTimeout)
        return min(max(.nanoseconds(shortest.nanoseconds / 400), .milliseconds(1)), .milliseconds(50))
    }

    package init(
        pingInterval: TimeAmount = .seconds(25),
        pingTimeout: TimeAmount = .seconds(20),
        upgradeTimeout: TimeAmount = .seconds(10),
        closeTimeout: TimeAmount = .seconds(30),
        maximumPayload: Int = 1_000_000,
        maximumBufferedBytes: Int = 4 << 20,
        allowsUpgrades: Bool = true
    ) {
        self.pingInterval = pingInterval
        self.pingTimeout = pingTimeout
        self.upgradeTimeout = upgradeTimeout
        self.closeTimeout = closeTimeout
        self.maximumPayload = maximumPayload
        self.maximumBufferedBytes = maximumBufferedBytes
        self.allowsUpgrades = allowsUpgrades
    }
}
