import PeerTreeCore
import PeerTreeSignalling
import StateMachine

// What etcd answers.

extension SlotOwnership {
    mutating func answered(_ call: Call, _ result: Result<EtcdAnswer, EtcdError>, at now: Instant) {
        if case .failure(let error) = result { tell(error, at: now) }
        switch call {
        case .list: mirror.handle(.listed(Self.page(result)), at: now)
        case .lease(let call): leaseChanged(lease.answered(call, result, at: now), at: now)
        case .register: registered(result, at: now)
        case .raise(let value): raised(to: value, result, at: now)
        case .take(let slot, let lease): took(slot, lease, result, at: now)
        case .look(let slot): looked(at: slot, result, at: now)
        }
    }

    /// Where one call fails, so do the next: one a minute is enough for an operator.
    private mutating func tell(_ error: EtcdError, at now: Instant) {
        guard now >= quietUntil else { return }
        quietUntil = now + .seconds(60)
        outputs.append(.noticed(.storeFails(error.message)))
    }

    private static func page(_ result: Result<EtcdAnswer, EtcdError>) -> Result<EtcdRangeAnswer, EtcdError> {
        switch result {
        case .success(.range(let page)): .success(page)
        case .success: .failure(EtcdError(.malformed, "etcd answered something else than a list"))
        case .failure(let error): .failure(error)
        }
    }

    mutating func leaseChanged(_ change: LeaseKeeper.Change?, at now: Instant) {
        guard let change else { return }
        if change == .lost { outputs.append(.noticed(.leaseLost)) }
        registration.isDone = false
        unsettled.formUnion(options.slots)
        mirror.handle(.doubted, at: now)
    }

    /// Takes what a transaction wrote, or read where it did not. Whether it is known what it did.
    private mutating func learn(
        _ result: Result<EtcdAnswer, EtcdError>,
        put: EtcdPut,
        reads: [[UInt8]],
        at now: Instant
    ) -> Bool {
        switch result {
        case .success(.transaction(let answer)) where answer.succeeded:
            let written = EtcdKeyValue(
                key: put.key,
                value: put.value,
                createRevision: answer.revision,
                modRevision: answer.revision,
                lease: put.lease
            )
            mirror.handle(.wrote(written), at: now)
        case .success(.transaction(let answer)):
            for key in reads {
                let found = answer.read.first { $0.key == key }
                mirror.handle(.found(key: key, found, revision: answer.revision), at: now)
            }
        case .success: return false
        case .failure(let error):
            if error.code == .refused(status: 5) { leaseChanged(lease.lost(put.lease, at: now), at: now) }
            return !error.isAmbiguous
        }
        return true
    }

    private mutating func registered(_ result: Result<EtcdAnswer, EtcdError>, at now: Instant) {
        registration.isWaiting = false
        registration.notBefore = now + .milliseconds(500)
        guard let put = registrationPut else { return }
        let isKnown = learn(result, put: put, reads: [put.key], at: now)
        if !isKnown { mirror.handle(.doubted, at: now) }
    }

    private mutating func raised(to value: Int64, _ result: Result<EtcdAnswer, EtcdError>, at now: Instant) {
        incarnation.isWaiting = false
        incarnation.notBefore = now + .milliseconds(250)
        let put = EtcdPut(key: keys.incarnation, value: Array(String(value).utf8))
        if !learn(result, put: put, reads: [keys.incarnation], at: now) { mirror.handle(.doubted, at: now) }
    }

    private mutating func took(_ slot: Slot, _ lease: Int64, _ result: Result<EtcdAnswer, EtcdError>, at now: Instant) {
        transactions -= 1
        let put = EtcdPut(key: keys.slot(slot), value: me.written, lease: lease)
        let isKnown = learn(result, put: put, reads: [put.key, keys.incarnation], at: now)
        followMirror(at: now)
        slots[slot]?.isWaiting = false
        slots[slot]?.isInDoubt = !isKnown
        // Where nobody else can know it, others would wait for this node to claim the slot, and this node for others.
        let me = me
        if !isKnown { slots[slot]?.lastOwner = me }
        if case .failure = result { slots[slot]?.notBefore = now + .milliseconds(250) }
        // A term higher than the one just written, in the same history, is of a history that nobody here remembers.
        if case .success(.transaction(let answer)) = result, answer.succeeded, let heard = slots[slot]?.heard,
            let incarnation = incarnation.value, heard > SlotTerm(incarnation: incarnation, revision: answer.revision)
        {
            self.incarnation.mustBeRaised = true
        }
        unsettled.insert(slot)
    }

    private mutating func looked(at slot: Slot, _ result: Result<EtcdAnswer, EtcdError>, at now: Instant) {
        slots[slot]?.isWaiting = false
        slots[slot]?.notBefore = now + .milliseconds(250)
        guard case .success(.range(let answer)) = result else { return }
        slots[slot]?.isInDoubt = false
        let key = keys.slot(slot)
        mirror.handle(.found(key: key, answer.keys.first { $0.key == key }, revision: answer.revision), at: now)
    }
}
