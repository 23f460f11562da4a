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
#include <openssl/x509v3.h>
#include <sys/time.h>

static inline void pt_ssl_ctx_configure_dtls(SSL_CTX *context) {
    SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    // A record is a datagram: a write buffer for 16 KiB per session would be memory for nothing.
    SSL_CTX_set_max_send_fragment(context, 2048);
}

static inline int pt_ssl_ctx_set_groups(SSL_CTX *context, const char *groups) {
    return SSL_CTX_set1_groups_list(context, groups);
}

static inline void pt_ssl_set_mtu(SSL *ssl, long mtu) {
    SSL_set_mtu(ssl, mtu);
}

// Milliseconds until the handshake's retransmission is due, or -1 when no flight is outstanding.
static inline long pt_dtls_timeout_milliseconds(SSL *ssl) {
    struct timeval left;
    if (DTLSv1_get_timeout(ssl, &left) != 1) return -1;
    return left.tv_sec * 1000 + (left.tv_usec + 999) / 1000;
}

static inline long pt_dtls_handle_timeout(SSL *ssl) {
    return DTLSv1_handle_timeout(ssl);
}

static inline void pt_ssl_ctx_configure_tls_client(SSL_CTX *context) {
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
}

// The name in the clear (RFC 6066), from which a server with several certificates chooses.
static inline int pt_ssl_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}

// The SHA-256, which `algorithm` is, of a prefix and what follows it; 0 if there was no memory for it.
static inline int pt_sha256(const EVP_MD *algorithm, const void *prefix, size_t prefix_length, const void *rest,
                            size_t rest_length, unsigned char hash[32]) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL) return 0;
    int ok = EVP_DigestInit_ex(context, algorithm, NULL) == 1 &&
             EVP_DigestUpdate(context, prefix, prefix_length) == 1 &&
             EVP_DigestUpdate(context, rest, rest_length) == 1 && EVP_DigestFinal_ex(context, hash, NULL) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

static inline int pt_bio_should_retry_read(BIO *bio) {
    BIO_set_retry_read(bio);
    return -1;
}

static inline void pt_bio_clear_retry(BIO *bio) {
    BIO_clear_retry_flags(bio);
}

#endif
