// What crosses the boundary between this module and its scripts, by number. The scripts know the cases by name:
// `Web/boundary.py` makes the numbers out of this file whenever they are bundled.

/// What a page may set before ``start(_:_:)``: members of the client's configuration. Times are in milliseconds.
enum Option: UInt32, CaseIterable {
    // PeerConfiguration
    case stripes, parity, policy, replayChunks, replayBytes, window, highWater, maximumMessageBytes
    case maximumRetainedKeys, maximumRetainedBytes, maximumLinks, maximumChildren, admissionTimeout, releaseTimeout
    case maximumMalformedFrames, heartbeatInterval, silenceTimeout, connectTimeout, attemptPatience, subscribeTimeout
    case orphanRetry, repairRequestTimeout, repairTimeout, patience, maximumLiveLag, leaveTimeout, endTimeout
    case minimumRate, handOutTime, rejoinTimeout, maximumUnprovenBytes
    // MembershipConfiguration
    case capacity, discoverTimeout, unreachablePatience, retryInterval, statusInterval, maximumSessions, sessionTimeout
    case restartInterval, nativePatience, plainPatience, encrypted
    // ClientConfiguration
    case deliversMessages
}

/// What a page may tell its client, but for messages: see ``received(_:_:_:_:_:)``, ``publish(_:_:_:_:_:_:)``,
/// ``sealed(_:_:_:)`` and ``opened(_:_:_:)``. The values of each are those of `ClientInput`.
enum Input: UInt32, CaseIterable {
    case enter, cancelEntering, finish, consumed, restartPaths, leave, stop
    case serverNamed, serverConnected, serverLost, serverUnreachable, server
    case signed, verified
    case described, candidate, connectionFailed, path, relayed, channelOpened, channelClosed, buffered
    case roundTrip, networkChanged, tick
}

/// What a client wants of its page. The values of each are those of `ClientOutput`: numbers first, then texts.
enum Output: UInt32, CaseIterable {
    /// There is none.
    case nothing
    case emit, reconnectServer, disconnectServer
    case connect, accept, restart, takeAnswer, answer, addCandidate
    case send, sendMessage, setLowThreshold, askBuffered, askRoundTrip, closeChannel, closeConnection
    case sign, verify, seal, open
    case entered, renamed, entryFailed, connected, upstream, downstream, neighbourGone, deliver, gap, unreadable
    case writable, ended
    case subtreeComplete, serverLost, serverBack, serverGoingAway, refused, tree, status, left
}

/// What ``writeCounters()`` writes, in this order; what is not known is negative.
enum Counter: UInt32, CaseIterable {
    // PeerCounters
    case chunksReceived, bytesReceived, chunksSent, bytesSent, messagesDelivered, duplicates, malformedFrames
    case unexpectedFrames, unknownFrames, repairRequests, chunksLost, chunksRebuilt, discardedChunks, parentsLost
    case slowChildren, strangers, skips, forgeries, contradictions, unprovenDrops, staleStatements
    // Peer
    case children, parentRoundTrip, isFed, isEnded, isSubtreeComplete
    // Client
    case lag, depth, iceRestarts
}
