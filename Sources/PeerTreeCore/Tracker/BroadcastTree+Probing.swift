/// A peer that somebody calls silent, or cannot connect to, is asked over its socket: if it is dead, the server need not wait
/// for the next ping to find out, and sends nobody there meanwhile as long as there is a slot elsewhere.
extension BroadcastTree {
    /// Has a peer asked, unless its socket is gone or that is under way. The source has nobody to take its place.
    mutating func probe(_ peer: Int32, calledDeadBy accuser: Int32, _ context: inout TrackerContext) {
        guard peer != SpanningTree.source, !peers[Int(peer)].isSuspect, probes.mayBegin(peer, by: accuser)
        else { return }
        setDoubted(peer, true)
        let timer = context.timers.start(
            TimerQueue.Subject(tree: index, peer: peer, stripe: 0, kind: .probe),
            deadline: context.now + context.options.probeTime
        )
        probes.begin(peer, by: accuser, timer: timer)
        context.statistics.probes += 1
        context.outputs.append(.probe(peer: handle(of: peer)))
    }

    /// Its time to answer is over, or it is gone. Who has not answered is suspect by now.
    mutating func cancelProbe(of peer: Int32, _ context: inout TrackerContext) {
        guard var timer = probes.end(peer) else { return }
        context.timers.cancel(&timer)
        setDoubted(peer, false)
    }

    private mutating func setDoubted(_ peer: Int32, _ isDoubted: Bool) {
        for stripe in stripes.indices {
            stripes[stripe].update(peer) { node in
                if isDoubted { node.flags.insert(.doubted) } else { node.flags.remove(.doubted) }
            }
        }
    }
}

/// Who is being asked whether it is there.
struct Probes {
    private struct Probe {
        let accuser: Int32
        let timer: Int32
    }

    private var probes: [Int32: Probe] = [:]
    private var accusers: Set<Int32> = []

    var count: Int { probes.count }

    /// Whether a peer may be asked now. Nobody can cast doubt on more than one at a time.
    func mayBegin(_ peer: Int32, by accuser: Int32) -> Bool {
        probes[peer] == nil && !accusers.contains(accuser)
    }

    mutating func begin(_ peer: Int32, by accuser: Int32, timer: Int32) {
        probes[peer] = Probe(accuser: accuser, timer: timer)
        accusers.insert(accuser)
    }

    /// Returns the timer of a peer that is being asked.
    mutating func end(_ peer: Int32) -> Int32? {
        guard let probe = probes.removeValue(forKey: peer) else { return nil }
        accusers.remove(probe.accuser)
        return probe.timer
    }
}
