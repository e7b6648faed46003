/* SPDX-License-Identifier: PostgreSQL
 * encrypt - the beginning of a connection to PostgreSQL: whether it is encrypted, and how that comes about.
 * The answer to SSLRequest is one byte and nothing behind it; whatever else PostgreSQL, or somebody in
 * between, says before the handshake is never shown to a client. */
#include "router/encrypt.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/net/stream_secure.h"
#include "gateway/wire/startup.h"
#include "gateway/wire/write.h"

static bool is_local(const struct address *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;

    if (address->any.sa_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return address->any.sa_family == AF_UNIX || IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool wants_tls(const struct encryption *encryption)
{
    switch (encryption->mode) {
    case SSLMODE_DISABLE:
        return false;
    case SSLMODE_ALLOW:
        return encryption->without_tls;
    case SSLMODE_PREFER:
        return !encryption->with_tls && !(encryption->plain_leg && is_local(&encryption->place.address));
    case SSLMODE_REQUIRE:
    case SSLMODE_VERIFY_CA:
    case SSLMODE_VERIFY_FULL:
    case SSLMODE_DEFAULT:
        break;
    }
    return true;
}

static enum encrypt_step start_tls(struct encryption *encryption, struct stream *stream,
                                   const struct upstream_tls *wish, struct fault *fault)
{
    struct host *host = encryption->place.host;
    struct tls_target target = {.name = host->name,
                                .send_name = wish->sni,
                                .check_chain = encryption->mode >= SSLMODE_VERIFY_CA,
                                .check_name = encryption->mode == SSLMODE_VERIFY_FULL,
                                .demand_alpn = wish->negotiation == TLS_DIRECT,
                                .session = &host->session};
    struct tls *tls = wish->context == NULL ? NULL : tls_connect(wish->context, &target);

    if (tls == NULL) {
        fault_set(fault, "08001", "TLS with PostgreSQL could not begin: out of memory");
        return ENCRYPT_FAILED;
    }
    stream_secure(stream, tls, NULL, 0);
    return ENCRYPT_WAITS;
}

static enum encrypt_step ask_for_tls(struct encryption *encryption, struct stream *stream)
{
    unsigned char packet[8];
    struct builder builder;

    builder_init(&builder, packet, sizeof packet);
    write_ssl_request(&builder);
    stream_send(stream, builder.bytes, builder.used);
    encryption->asked = true;
    return ENCRYPT_WAITS;
}

enum encrypt_step encrypt_begin(struct encryption *encryption, struct stream *stream,
                                struct upstream *upstream, struct fault *fault)
{
    enum encrypt_step step = ENCRYPT_READY;
    struct upstream_tls wish;

    upstream_get_tls(upstream, &wish);
    encryption->mode = encryption->place.address.any.sa_family == AF_UNIX ? SSLMODE_DISABLE : wish.mode;
    encryption->asked = false;
    if (!wants_tls(encryption)) {
        encryption->without_tls = true;
    } else {
        encryption->with_tls = true;
        step = wish.negotiation == TLS_DIRECT ? start_tls(encryption, stream, &wish, fault)
                                              : ask_for_tls(encryption, stream);
    }
    tls_context_release(wish.context);
    return step;
}

/* Why PostgreSQL's answer to SSLRequest will not do; its own words are not believed. */
static void explain_answer(const struct encryption *encryption, const unsigned char *bytes, size_t length,
                           struct fault *fault)
{
    char where[ADDRESS_TEXT_BYTES];

    address_print(&encryption->place.address, where, sizeof where);
    if (length == 1 && bytes[0] == 'N') {
        fault_set(fault, "28000",
                  "PostgreSQL at %s offers no TLS, and server_tls_sslmode = \"%s\" does not do without",
                  where, sslmode_name(encryption->mode));
        fault_hint(fault, "Set ssl = on in its postgresql.conf, or another server_tls_sslmode here.");
    } else if (length > 1 && (bytes[0] == 'S' || bytes[0] == 'N')) {
        fault_set(fault, "08P01", "the server at %s sent bytes behind its answer about TLS", where);
    } else {
        fault_set(fault, "08P01", "the server at %s did not answer whether it offers TLS", where);
    }
}

enum encrypt_step encrypt_received(struct encryption *encryption, struct stream *stream,
                                   struct upstream *upstream, const unsigned char *bytes, size_t length,
                                   struct fault *fault)
{
    enum encrypt_step step;
    struct upstream_tls wish;

    CHECK(encryption->asked);
    encryption->asked = false;
    if (length == 1 && bytes[0] == 'S') {
        upstream_get_tls(upstream, &wish);
        step = start_tls(encryption, stream, &wish, fault);
        tls_context_release(wish.context);
        return step;
    }
    if (length == 1 && bytes[0] == 'N' && encryption->mode <= SSLMODE_PREFER) {
        encryption->without_tls = true;
        return ENCRYPT_READY;
    }
    explain_answer(encryption, bytes, length, fault);
    return ENCRYPT_FAILED;
}

bool encrypt_again(struct encryption *encryption, const struct stream *stream)
{
    bool spoke_tls = stream->tls != NULL || encryption->asked;

    if (encryption->mode == SSLMODE_PREFER)
        return spoke_tls && encryption->with_tls && !encryption->without_tls;
    return encryption->mode == SSLMODE_ALLOW && !encryption->with_tls;
}
