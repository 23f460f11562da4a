import CUSRSCTP
import NIOCore

extension SCTPAssociation {
    var stats: StatsReport.SCTPTransport? {
        guard let status = self.status else { return nil }
        let path = status.sstat_primary
        return StatsReport.SCTPTransport(
            smoothedRoundTripTime: .milliseconds(Int64(path.spinfo_srtt)),
            retransmissionTimeout: .milliseconds(Int64(path.spinfo_rto)),
            congestionWindow: Int(path.spinfo_cwnd),
            receiverWindow: Int(status.sstat_rwnd),
            mtu: Int(path.spinfo_mtu),
            unackData: Int(status.sstat_unackdata),
            pendingMessages: Int(status.sstat_penddata),
            retransmittedPackets: self.retransmissions.packets,
            retransmittedBytes: self.retransmissions.bytes
        )
    }
}
