/* SPDX-License-Identifier: PostgreSQL
 * tls_parts - what the files of TLS need of each other, and nobody else: tls.c (bytes), tls_peer.c (who is
 * there), tls_session.c (what is resumed). */
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/net/blocks.h"

struct tls_context;
struct tls_session;

struct tls {
    SSL *ssl;
    struct tls_context *context;
    struct tls_session *session;
    unsigned char *early;
    size_t early_bytes;
    const unsigned char *fed;
    size_t fed_bytes;
    struct block_stock *stock;
    struct blocks sealed;
    size_t sealed_bytes;
    bool accepts, demand_alpn, begun, established, failed;
    bool check_chain, check_name;
    int handshake_steps;  /* messages either way since the last byte of data, after the handshake */
    size_t replied_bytes;   /* what TLS itself said to them, of what is not sent */
    char wanted_name[100], shown_name[100]; /* shown by a certificate that was refused */
    char *failure; /* NULL until something failed, or without memory for the words */
};

/* tls_session.c: resumes what was kept of an earlier connection, if as much was checked there. */
void tls_resume_session(struct tls *tls);
