// Swift does not import function-like macros. Each OpenSSL macro that WebRTC needs is a function here.
#ifndef PEER_TREE_COPENSSL_SHIM_H
#define PEER_TREE_COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#endif
