/// Who feeds this peer should its parent fail, and what tells that it does.
struct Backup {
    var standby: Standby?
    var rhythm = Rhythm()
    var pull = Pull()
}
