#ifndef PEER_TREE_CUSRSCTP_SHIM_H
#define PEER_TREE_CUSRSCTP_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <usrsctp.h>

// usrsctp computes CRC32C byte by byte from tables, a fifth of the cost of a packet. With its "offload" switched on the
// caller does it: with the processor's own instruction where there is one, else with usrsctp's tables.

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static inline uint32_t pt_crc32c_hardware(const uint8_t *bytes, size_t count) {
    uint64_t crc = 0xffffffffu;
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = __builtin_ia32_crc32di(crc, word);
        bytes += 8;
        count -= 8;
    }
    while (count > 0) {
        crc = __builtin_ia32_crc32qi((uint32_t)crc, *bytes);
        bytes += 1;
        count -= 1;
    }
    return ~(uint32_t)crc;
}
static inline int pt_crc32c_has_hardware(void) { return __builtin_cpu_supports("sse4.2"); }
#else
static inline uint32_t pt_crc32c_hardware(const uint8_t *bytes, size_t count) {
    return usrsctp_crc32c((void *)bytes, count);
}
static inline int pt_crc32c_has_hardware(void) { return 0; }
#endif

// Writes the checksum of a whole SCTP packet (RFC 9260 section 6.8) into its common header.
static inline void pt_sctp_write_checksum(uint8_t *packet, size_t count, int hardware) {
    if (count < 12) return;
    memset(packet + 8, 0, 4);
    uint32_t crc = hardware ? pt_crc32c_hardware(packet, count) : usrsctp_crc32c(packet, count);
    memcpy(packet + 8, &crc, 4);
}

// Bytes of user data that an association holds because they are not sent, or not acknowledged; -1 if it does not tell. The
// option SCTP_GET_SNDBUF_USE is in the library, but its installed header leaves it out.
static inline long pt_usrsctp_held_bytes(struct socket *socket) {
    struct {
        uint32_t association;
        uint32_t output;
        uint32_t input;
    } use = {0, 0, 0};
    socklen_t length = sizeof(use);
    if (usrsctp_getsockopt(socket, IPPROTO_SCTP, 0x00001101, &use, &length) != 0) return -1;
    return (long)use.output;
}

#endif
