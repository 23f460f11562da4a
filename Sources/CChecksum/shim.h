// The processor's own instruction for CRC32C, which Swift does not show.
#ifndef PEER_TREE_CCHECKSUM_SHIM_H
#define PEER_TREE_CCHECKSUM_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#define PT_CRC32C_TARGET __attribute__((target("sse4.2")))
#define PT_CRC32C_8(crc, word) ((uint32_t)__builtin_ia32_crc32di((crc), (word)))
#define PT_CRC32C_1(crc, byte) ((uint32_t)__builtin_ia32_crc32qi((crc), (byte)))
static inline int pt_crc32c_is_available(void) { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define PT_CRC32C_TARGET
#define PT_CRC32C_8(crc, word) __crc32cd((crc), (word))
#define PT_CRC32C_1(crc, byte) __crc32cb((crc), (byte))
static inline int pt_crc32c_is_available(void) { return 1; }
#else
#define PT_CRC32C_TARGET
#define PT_CRC32C_8(crc, word) (crc)
#define PT_CRC32C_1(crc, byte) (crc)
static inline int pt_crc32c_is_available(void) { return 0; }
#endif

// Goes on from `crc` over so many bytes. Only where `pt_crc32c_is_available`.
PT_CRC32C_TARGET static inline uint32_t pt_crc32c(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *next = (const uint8_t *)bytes;
    for (; count >= 8; next += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        crc = PT_CRC32C_8(crc, word);
    }
    for (; count > 0; next += 1, count -= 1) crc = PT_CRC32C_1(crc, *next);
    return crc;
}

#endif
