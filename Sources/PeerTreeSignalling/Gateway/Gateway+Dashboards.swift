/// Dashboards and the services of the trees that they look at.
extension Gateway {
    mutating func pass(_ question: DashboardQuestion, of watcher: Int) {
        switch question {
        case .shape(let tree): ask(question, about: tree, as: watcher)
        case .watch(let tree): watch(tree, as: watcher)
        case .look:
            guard let tree = watchers[watcher] else { return say(.refused(.notWatching), to: watcher) }
            ask(question, about: tree, as: watcher)
        case .unwatch:
            guard let tree = watchers.removeValue(forKey: watcher) else { return }
            send(.asked(tree: tree, watcher: watcher, question))
        }
    }

    /// Whatever it watched before, it does no more.
    private mutating func watch(_ tree: String, as watcher: Int) {
        pass(.unwatch, of: watcher)
        guard watchers.count < options.maximumWatchers else { return say(.refused(.tooManyWatchers), to: watcher) }
        watchers[watcher] = tree
        ask(.watch(tree: tree), about: tree, as: watcher)
    }

    private mutating func ask(_ question: DashboardQuestion, about tree: String, as watcher: Int) {
        asking[watcher] = tree
        send(.asked(tree: tree, watcher: watcher, question))
    }

    mutating func pass(_ answer: DashboardAnswer, to watcher: Int) {
        // Nothing more is to come of whatever it watches.
        if case .refused = answer { pass(.unwatch, of: watcher) }
        say(answer, to: watcher)
    }
}
