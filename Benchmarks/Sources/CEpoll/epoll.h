// Swift's Glibc module leaves epoll out.
#ifdef __linux__
#include <sys/epoll.h>
#endif
