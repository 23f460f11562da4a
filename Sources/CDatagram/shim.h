// What Swift's Glibc module does not show: sendmmsg, a GNU extension, and Linux' route sockets.
#ifndef PEER_TREE_CDATAGRAM_SHIM_H
#define PEER_TREE_CDATAGRAM_SHIM_H

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

// `messages` points to `count` values laid out as struct mmsghdr: a struct msghdr and an unsigned int.
static inline int pt_sendmmsg(int descriptor, void *messages, unsigned int count) {
    return (int)syscall(SYS_sendmmsg, descriptor, messages, count, 0);
}

// A route socket (rtnetlink(7)), readable when an address or an interface of this host changes; -1 where there is none.
// Numbers in place of <sys/socket.h> and <linux/rtnetlink.h>, whose types would seem to be this module's then.
static inline int pt_open_address_monitor(void) {
    // struct sockaddr_nl: AF_NETLINK, padding, port, and the groups LINK, IPV4_IFADDR and IPV6_IFADDR.
    struct {
        unsigned short family, padding;
        unsigned int port, groups;
    } address = {16, 0, 0, 0x1 | 0x10 | 0x100};
    // AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE.
    int descriptor = (int)syscall(SYS_socket, 16, 3 | 04000 | 02000000, 0);
    if (descriptor < 0) return -1;
    if (syscall(SYS_bind, descriptor, &address, sizeof address) == 0) return descriptor;
    close(descriptor);
    return -1;
}
#endif

#endif
