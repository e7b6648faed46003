/* SPDX-License-Identifier: PostgreSQL
 * tls_context - keys, certificates, authorities and rules for one side of TLS, loaded once and shared by all
 * its connections, by reference count; any thread. Connections keep what they began with when files are
 * loaded again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault;
struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;
struct tls_context;
struct x509_st;

/* Paths may be NULL; texts are in OpenSSL's words, with "secure", "default", "auto" and "" for ours. */
struct tls_setup {
    bool accepts; /* towards clients; otherwise towards PostgreSQL */
    const char *key_file, *cert_file, *ca_file, *crl_file;
    const char *protocols, *ciphers, *ciphers13, *groups;
};

/* tls-server-end-point of RFC 5929: the certificate's hash, by its signature's digest. */
struct tls_binding {
    unsigned char bytes[64];
    size_t length; /* 0 = the certificate's signature has no digest, so there is no binding */
};

/* NULL with a fault that names setting or file: F0000. Blocks on the disk. */
struct tls_context *tls_context_new(const struct tls_setup *setup, struct fault *fault);
struct tls_context *tls_context_retain(struct tls_context *context); /* NULL stays NULL */
void tls_context_release(struct tls_context *context);               /* NULL is nothing to do */

/* Whether a certificate of our own was loaded, which accepting needs; NULL has none. */
bool tls_context_has_certificate(const struct tls_context *context);
/* Of our own certificate. */
const struct tls_binding *tls_context_binding(const struct tls_context *context);

/* No two contexts of this process have the same, also when one is long gone. */
uint64_t tls_context_number(const struct tls_context *context);

/* For gateway/net/tls.c, which has both callbacks. */
int tls_judge_hello(struct ssl_st *ssl, int *alert, void *nothing);
int tls_keep_session(struct ssl_st *ssl, struct ssl_session_st *session);
struct ssl_ctx_st *tls_context_ssl(struct tls_context *context);
void tls_binding_of(struct x509_st *certificate, struct tls_binding *binding);
/* The newest error of OpenSSL's queue as words; empties the queue. */
const char *tls_error_text(char *text, size_t room);
