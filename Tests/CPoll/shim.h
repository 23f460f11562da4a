// What Swift's Glibc module does not show: ppoll, a GNU extension, which waits to the nanosecond.
#ifndef PEER_TREE_CPOLL_SHIM_H
#define PEER_TREE_CPOLL_SHIM_H

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

// `descriptors` points to `count` values of struct pollfd.
static inline int pt_poll(void *descriptors, unsigned int count, long long nanoseconds) {
    long time[2] = {(long)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
    return (int)syscall(SYS_ppoll, descriptors, count, time, 0, 8);
}
#endif

#endif
