import NIOCore
import NodeLinks
import PeerTreeSignalling
import PeerTreeSignallingWire
import StateMachine

// What other nodes say.

extension ClusterNode {
    mutating func take(_ event: LinkEvent, of name: NodeName) {
        guard nodes[name] != nil else { return }
        switch event {
        case .sessionStarted: beginSession(with: name)
        case .sessionEnded(let end, _):
            notice(.sessionLost(name, end))
            endSession(of: name)
        case .received(let payload): receive(Array(payload.readableBytesView), of: name)
        case .reachable: reach(name, true)
        case .unreachable: reach(name, false)
        case .refused(let refusal, let refuser): notice(.refused(name, refusal, by: refuser))
        case .dialFailed(let words):
            guard nodes[name]?.hasToldOfDialing == false else { return }
            nodes[name]?.hasToldOfDialing = true
            notice(.dialFailed(name, words))
        case .isWritable: break
        }
    }

    private mutating func reach(_ name: NodeName, _ isReachable: Bool) {
        guard nodes[name]?.isReachable != isReachable else { return }
        nodes[name]?.isReachable = isReachable
        nodes[name]?.hasToldOfDialing = false
        notice(isReachable ? .reachable(name) : .unreachable(name))
        if let (id, session) = nodes[name]?.greeted {
            outputs.append(.tell(.linked(session, isReachable: isReachable)))
            outputs.append(.ownership(.reachable(id, isReachable)))
        }
        if !isReachable { forgetIfGone(name) }
    }

    private mutating func receive(_ bytes: [UInt8], of name: NodeName) {
        let frame: NodeFrame
        do throws(WrittenFormError) {
            frame = try read(bytes)
        } catch {
            return notice(.unreadable(name, "\(error)"))
        }
        if case .greeting(let run, let version) = frame { return greet(name, run: run, version: version) }
        guard let greeted = nodes[name]?.greeted else {
            return notice(.unreadable(name, "it has not said which life of the node it is"))
        }
        take(frame, of: name, greeted.session)
    }

    private mutating func take(_ frame: NodeFrame, of name: NodeName, _ session: NodeSession) {
        switch frame {
        case .greeting: break
        case .owned(let fences, let inherited): learn(fences, inherited: inherited, of: name, session)
        case .toTrees(let gateway, let letters):
            outputs.append(.toTrees(letters, by: GatewayID(gateway, at: session)))
        case .toGateway(let gateway, let letters):
            let current = believe(letters, of: name, session)
            if !current.isEmpty { outputs.append(.toGateway(current, number: gateway, from: session)) }
        case .heard(let fence): outputs.append(.ownership(.heard([fence.slot: fence.term])))
        case .snapshot(let fence, let gateways): incoming.begin(fence, gateways, from: session)
        case .piece(let fence, let part): receive(part, of: fence, from: name, session)
        case .offered(let fence): outputs.append(.ownership(.offered(fence.slot, fence.term)))
        case .report(let report):
            nodes[name]?.report = report
            countElsewhere()
            if report.isLeaving, let id = nodes[name]?.greeted?.id { outputs.append(.ownership(.leaves(id))) }
        case .declined(let fence): outputs.append(.ownership(.declined(fence.slot, fence.term)))
        }
    }

    /// A node names slots as its own.
    private mutating func learn(
        _ fences: [FencingToken],
        inherited: [FencingToken] = [],
        of name: NodeName,
        _ session: NodeSession
    ) {
        var news: [Slot: SlotOwner] = [:]
        let former = Dictionary(inherited.map { ($0.slot, $0.term) }) { $1 }
        for fence in fences {
            let owner = SlotOwner(session, term: fence.term, inherited: former[fence.slot])
            if let known = owners[fence.slot], fence.term < known.term {
                tell(name, known.term, of: fence.slot)
                continue
            }
            if owners[fence.slot]?.term != fence.term { counts.termChanges += 1 }
            owners[fence.slot] = owner
            news[fence.slot] = owner
        }
        guard !news.isEmpty else { return }
        outputs.append(.ownership(.heard(news.mapValues(\.term))))
        outputs.append(.tell(.learned(news)))
    }

    /// Leaves out what is said in the name of owners that are none any more, and tells the sender. Who speaks in a greater
    /// term than any known has the slot.
    private mutating func believe(
        _ letters: [LetterToGateway],
        of name: NodeName,
        _ session: NodeSession
    ) -> [LetterToGateway] {
        var (current, late): ([LetterToGateway], [Slot: SlotTerm]) = ([], [:])
        for letter in letters {
            if let known = owners[letter.fence.slot]?.term, letter.fence.term < known {
                late[letter.fence.slot] = known
                continue
            }
            if owners[letter.fence.slot]?.term != letter.fence.term { learn([letter.fence], of: name, session) }
            current.append(letter)
        }
        for (slot, term) in late.sorted(by: { $0.key.number < $1.key.number }) { tell(name, term, of: slot) }
        return current
    }

    /// A node speaks as the owner that it was.
    private mutating func tell(_ name: NodeName, _ term: SlotTerm, of slot: Slot) {
        send(.heard(FencingToken(slot: slot, term: term)), to: name)
    }
}
