// sendmmsg is a GNU extension, which Swift's Glibc module does not show.
#ifndef PEER_TREE_CDATAGRAM_SHIM_H
#define PEER_TREE_CDATAGRAM_SHIM_H

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

// `messages` points to `count` values laid out as struct mmsghdr: a struct msghdr and an unsigned int.
static inline int pt_sendmmsg(int descriptor, void *messages, unsigned int count) {
    return (int)syscall(SYS_sendmmsg, descriptor, messages, count, 0);
}
#endif

#endif
