/* SPDX-License-Identifier: PostgreSQL
 * tls - one TLS connection without a socket: what came is fed to it, what must go is taken from it. A stream
 * drives it (gateway/net/stream.h); everybody else only makes one and asks it who is there. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/net/blocks.h"
#include "gateway/net/tls_context.h"

struct fault;
struct ssl_session_st;
struct tls;

/* Whether a client must show a certificate. One that is shown is checked in any case. */
enum tls_demand { TLS_ASK_NOTHING, TLS_ASK_CERTIFICATE, TLS_DEMAND_CERTIFICATE };

/* What is resumed with the next connection to the same place; any thread. All zero but the lock is empty. A
 * resumed connection shows no certificate, so that only what was checked in the same way is resumed. */
struct tls_session {
    pthread_mutex_t lock;
    struct ssl_session_st *newest;
    uint64_t context;            /* the number of the context that it was made with */
    bool check_chain, check_name;
};

/* How a connection to PostgreSQL is made; all strings are copied. */
struct tls_target {
    const char *name;    /* the host */
    bool send_name;      /* as server name, unless it is an address */
    bool check_chain;    /* the certificate must be signed by a known authority */
    bool check_name;     /* and name the host */
    bool demand_alpn;    /* direct negotiation: the server must agree to "postgresql" */
    struct tls_session *session; /* or NULL; must outlive the connection */
};

/* The context is retained. NULL when out of memory. The stream it is given to frees it. */
struct tls *tls_accept(struct tls_context *context, enum tls_demand demand, bool demand_alpn);
struct tls *tls_connect(struct tls_context *context, const struct tls_target *target);
void tls_free(struct tls *tls); /* NULL is nothing to do */

/* Who is there; after the handshake. The name is copied into `text`; false when there is no certificate, it
 * has no such name, or the name has a NUL byte in it. */
bool tls_peer_common_name(const struct tls *tls, char *text, size_t room);
bool tls_peer_distinguished_name(const struct tls *tls, char *text, size_t room); /* RFC 2253 */
bool tls_peer_verified(const struct tls *tls);
/* The hash of the server's own certificate: of ours when accepting, of the peer's when connecting. */
void tls_server_binding(const struct tls *tls, struct tls_binding *binding);
const char *tls_version(const struct tls *tls); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *tls);
bool tls_resumed(const struct tls *tls);

void tls_session_open(struct tls_session *session);
void tls_session_close(struct tls_session *session);

/* For gateway/net/stream*.c. */
enum tls_step { TLS_DONE, TLS_WANTS_INPUT, TLS_CLOSED, TLS_FAILED };

/* What came before the handshake could begin, until then; false when out of memory. */
bool tls_keep_early(struct tls *tls, const void *bytes, size_t length);
/* The handshake begins: hands those bytes out, which stay until tls_free. */
const void *tls_begin(struct tls *tls, size_t *length);
bool tls_begun(const struct tls *tls);
/* Gives it ciphertext; it must be used up (tls_handshake, tls_read) before the bytes go away. */
void tls_feed(struct tls *tls, const void *bytes, size_t length);
enum tls_step tls_handshake(struct tls *tls);
/* Deciphers all that was fed, into `room` bytes (more than was fed by 20 kB are enough). */
enum tls_step tls_read(struct tls *tls, unsigned char *plain, size_t room, size_t *length);
/* Enciphers; false when it cannot any more. What must be sent is added to the sealed blocks. */
bool tls_write(struct tls *tls, const void *bytes, size_t length);
void tls_say_goodbye(struct tls *tls); /* adds close_notify to the sealed blocks */
bool tls_established(const struct tls *tls);
bool tls_quiet(const struct tls *tls); /* nothing received is undeciphered or half there */
bool tls_is_over(const struct tls *tls); /* it failed, or the peer said goodbye: nothing comes any more */
const char *tls_failure(const struct tls *tls);
/* Where sealed bytes go: set by whoever sends them. */
void tls_set_stock(struct tls *tls, struct block_stock *stock);
struct blocks *tls_sealed(struct tls *tls, size_t **length);
