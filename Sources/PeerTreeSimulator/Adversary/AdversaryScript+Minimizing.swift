extension AdversaryScript {
    /// The script without every step that is not needed for `fails` to hold: what is worth keeping as a finding.
    package func minimized(_ fails: (AdversaryScript) -> Bool) -> AdversaryScript {
        var smallest = self
        var length = max(1, steps.count / 2)
        while length > 0 {
            var position = 0
            while position < smallest.steps.count {
                var shorter = smallest
                shorter.steps.removeSubrange(position..<min(position + length, smallest.steps.count))
                if fails(shorter) { smallest = shorter } else { position += length }
            }
            length /= 2
        }
        for position in smallest.steps.indices {
            guard case .send(let member, let target, let which, let times, let frame) = smallest.steps[position],
                times > 1
            else { continue }
            var once = smallest
            once.steps[position] = .send(member: member, to: target, which: which, times: 1, frame)
            if fails(once) { smallest = once }
        }
        return smallest
    }
}
