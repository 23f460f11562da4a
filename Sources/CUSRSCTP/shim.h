#ifndef PEER_TREE_CUSRSCTP_SHIM_H
#define PEER_TREE_CUSRSCTP_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <usrsctp.h>

// usrsctp computes CRC32C byte by byte from tables, a fifth of the cost of a packet. With its "offload" switched on the
// caller does it: with the processor's own instruction where there is one, else with usrsctp's tables.

#if defined(__x86_64__)
// The instruction takes three cycles, but one can begin in each: three lanes of this many bytes go side by side.
enum { PT_CRC32C_LANE = 384 };

static inline uint32_t pt_crc32c_shift(const uint32_t *table, uint32_t crc) {
    return table[crc & 0xff] ^ table[256 + (crc >> 8 & 0xff)] ^ table[512 + (crc >> 16 & 0xff)] ^ table[768 + (crc >> 24)];
}

// Fills 1024 entries: what a lane of zeros makes of each byte of a checksum. The rest follows from linearity.
__attribute__((target("sse4.2"))) static inline void pt_crc32c_fill(uint32_t *table) {
    for (uint32_t entry = 0; entry < 1024; entry++) {
        uint64_t crc = (uint64_t)(entry & 0xff) << (entry >> 8) * 8;
        for (int offset = 0; offset < PT_CRC32C_LANE; offset += 8) crc = __builtin_ia32_crc32di(crc, 0);
        table[entry] = (uint32_t)crc;
    }
}

__attribute__((target("sse4.2"))) static inline uint32_t pt_crc32c_hardware(const uint8_t *bytes, size_t count,
                                                                            const uint32_t *table) {
    uint64_t crc = 0xffffffffu;
    while (count >= 3 * PT_CRC32C_LANE) {
        uint64_t second = 0, third = 0;
        for (const uint8_t *end = bytes + PT_CRC32C_LANE; bytes < end; bytes += 8) {
            uint64_t words[3];
            memcpy(&words[0], bytes, 8);
            memcpy(&words[1], bytes + PT_CRC32C_LANE, 8);
            memcpy(&words[2], bytes + 2 * PT_CRC32C_LANE, 8);
            crc = __builtin_ia32_crc32di(crc, words[0]);
            second = __builtin_ia32_crc32di(second, words[1]);
            third = __builtin_ia32_crc32di(third, words[2]);
        }
        crc = pt_crc32c_shift(table, (uint32_t)crc) ^ second;
        crc = pt_crc32c_shift(table, (uint32_t)crc) ^ third;
        bytes += 2 * PT_CRC32C_LANE;
        count -= 3 * PT_CRC32C_LANE;
    }
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
static inline void pt_crc32c_fill(uint32_t *table) { (void)table; }
static inline uint32_t pt_crc32c_hardware(const uint8_t *bytes, size_t count, const uint32_t *table) {
    (void)table;
    return usrsctp_crc32c((void *)bytes, count);
}
static inline int pt_crc32c_has_hardware(void) { return 0; }
#endif

// Writes the checksum of a whole SCTP packet (RFC 9260 section 6.8) into its common header. `table` is what
// `pt_crc32c_fill` filled, or null where the processor has no such instruction.
static inline void pt_sctp_write_checksum(uint8_t *packet, size_t count, const uint32_t *table) {
    if (count < 12) return;
    memset(packet + 8, 0, 4);
    uint32_t crc = table != NULL ? pt_crc32c_hardware(packet, count, table) : usrsctp_crc32c(packet, count);
    memcpy(packet + 8, &crc, 4);
}

#endif
