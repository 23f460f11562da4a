#ifndef PEER_TREE_CUSRSCTP_SHIM_H
#define PEER_TREE_CUSRSCTP_SHIM_H

#include <usrsctp.h>

#endif
