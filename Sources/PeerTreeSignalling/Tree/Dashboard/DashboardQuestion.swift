/// What a dashboard asks. Who asks chooses a number that nobody else uses, and gets one answer to each question but
/// `unwatch`.
package enum DashboardQuestion: Sendable, Equatable {
    /// To be told from now on what changes in a tree: `watching`.
    case watch(tree: String)
    /// What has changed since the last time: `changes`.
    case look
    /// To be told no more.
    case unwatch
    /// How a tree hangs together now: `shape`.
    case shape(tree: String)
}

/// What it is told.
package enum DashboardAnswer: Sendable, Equatable {
    case watching(DashboardWelcome)
    case changes(DashboardChanges)
    case shape(TreeShape)
    /// There is no such tree, the one who asks watches none, or too many do.
    case refused(SignallingError)
}
