/* SPDX-License-Identifier: PostgreSQL
 * tls - one TLS connection without a socket. OpenSSL reads from memory that it is fed and writes into leased
 * blocks, so one system call carries many records in either direction, and an idle connection holds no
 * buffer. */
#include "gateway/net/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/net/tls_parts.h"

/* Key updates and the like cost us a derivation, and most of them an answer: none of them come in crowds. */
enum { HANDSHAKE_STEPS_MAX = 128, REPLIED_MAX_BYTES = 16384 };

static int fed_read(BIO *bio, char *out, int room)
{
    struct tls *tls = BIO_get_data(bio);
    size_t here = tls->fed_bytes < (size_t)room ? tls->fed_bytes : (size_t)room;

    BIO_clear_retry_flags(bio);
    if (here == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, tls->fed, here);
    tls->fed += here;
    tls->fed_bytes -= here;
    return (int)here;
}

static int sealed_write(BIO *bio, const char *bytes, int length)
{
    struct tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (!blocks_add(&tls->sealed, tls->stock, bytes, (size_t)length))
        return -1;
    tls->sealed_bytes += (size_t)length;
    return length;
}

static long memory_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *memory_method;

static void memory_method_make(void)
{
    memory_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "leased blocks");
    CHECK(memory_method != NULL);
    BIO_meth_set_read(memory_method, fed_read);
    BIO_meth_set_write(memory_method, sealed_write);
    BIO_meth_set_ctrl(memory_method, memory_control);
}

static void count_step(const SSL *ssl, int where, int code)
{
    struct tls *tls = SSL_get_app_data(ssl);

    (void)code;
    if ((where & SSL_CB_LOOP) != 0 && tls->established)
        tls->handshake_steps++;
}

static struct tls *tls_new(struct tls_context *context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct tls *tls = calloc(1, sizeof *tls);
    BIO *bio;

    pthread_once(&once, memory_method_make);
    if (tls == NULL)
        return NULL;
    tls->context = tls_context_retain(context);
    tls->ssl = SSL_new(tls_context_ssl(context));
    bio = BIO_new(memory_method);
    if (tls->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        tls_free(tls);
        return NULL;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_info_callback(tls->ssl, count_step);
    return tls;
}

struct tls *tls_accept(struct tls_context *context, enum tls_demand demand, bool demand_alpn)
{
    struct tls *tls = tls_new(context);
    int mode = demand == TLS_ASK_NOTHING ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;

    if (tls == NULL)
        return NULL;
    tls->accepts = true;
    tls->demand_alpn = demand_alpn;
    if (demand == TLS_DEMAND_CERTIFICATE)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_set_verify(tls->ssl, mode, NULL);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

/* Direct TLS without ALPN could be a browser's that somebody leads astray: it ends before anything is
 * agreed. */
int tls_judge_hello(SSL *ssl, int *alert, void *nothing)
{
    const struct tls *tls = SSL_get_app_data(ssl);
    const unsigned char *protocols;
    size_t length;

    (void)nothing;
    if (!tls->demand_alpn ||
        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &protocols,
                                  &length) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static bool is_address(const char *name)
{
    struct in6_addr out;

    return inet_pton(AF_INET, name, &out) == 1 || inet_pton(AF_INET6, name, &out) == 1;
}

/* OpenSSL forgets a certificate that it refuses; its name is what the operator must see. */
static int note_certificate(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);

    if (!good && certificate != NULL && X509_STORE_CTX_get_error_depth(store) == 0)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, tls->shown_name,
                                  sizeof tls->shown_name);
    return good;
}

static bool expect_name(SSL *ssl, const char *name)
{
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1;
}

struct tls *tls_connect(struct tls_context *context, const struct tls_target *target)
{
    struct tls *tls = tls_new(context);
    bool named = target->name != NULL && *target->name != '\0' && *target->name != '/';

    if (tls == NULL)
        return NULL;
    tls->demand_alpn = target->demand_alpn;
    if (target->check_chain || target->check_name)
        SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, note_certificate);
    if ((target->check_name && !(named && expect_name(tls->ssl, target->name))) ||
        (target->send_name && named && !is_address(target->name) &&
         SSL_set_tlsext_host_name(tls->ssl, target->name) != 1)) {
        tls_free(tls);
        return NULL;
    }
    if (named)
        snprintf(tls->wanted_name, sizeof tls->wanted_name, "%s", target->name);
    tls->check_chain = target->check_chain;
    tls->check_name = target->check_name;
    tls->session = target->session;
    if (tls->session != NULL)
        tls_resume_session(tls);
    SSL_set_connect_state(tls->ssl);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    free(tls->early);
    free(tls->failure);
    if (tls->stock != NULL)
        blocks_clear(&tls->sealed, tls->stock);
    tls_context_release(tls->context);
    free(tls);
}

void tls_set_stock(struct tls *tls, struct block_stock *stock)
{
    tls->stock = stock;
}

struct blocks *tls_sealed(struct tls *tls, size_t **length)
{
    *length = &tls->sealed_bytes;
    return &tls->sealed;
}

void tls_feed(struct tls *tls, const void *bytes, size_t length)
{
    CHECK(tls->fed_bytes == 0);
    tls->fed = bytes;
    tls->fed_bytes = length;
}

bool tls_keep_early(struct tls *tls, const void *bytes, size_t length)
{
    if (length == 0)
        return true;
    tls->early = malloc(length);
    if (tls->early == NULL)
        return false;
    memcpy(tls->early, bytes, length);
    tls->early_bytes = length;
    return true;
}

const void *tls_begin(struct tls *tls, size_t *length)
{
    tls->begun = true;
    *length = tls->early_bytes;
    return tls->early;
}

bool tls_begun(const struct tls *tls)
{
    return tls->begun;
}

__attribute__((format(printf, 2, 3))) static void fail(struct tls *tls, const char *format, ...)
{
    va_list arguments;

    tls->failed = true;
    tls->fed_bytes = 0;
    free(tls->failure);
    va_start(arguments, format);
    if (vasprintf(&tls->failure, format, arguments) < 0)
        tls->failure = NULL;
    va_end(arguments);
}

/* Why the peer's certificate was not accepted says more than "certificate verify failed". */
static void note_failure(struct tls *tls, const char *doing)
{
    long verdict = SSL_get_verify_result(tls->ssl);
    const char *why = X509_verify_cert_error_string(verdict);
    char text[160];

    tls_error_text(text, sizeof text);
    if (verdict == X509_V_OK)
        fail(tls, "%s: %s", doing, text);
    else if (tls->shown_name[0] != '\0')
        fail(tls, "%s: %s: %s (wanted: \"%s\", shown: \"%s\")", doing, text, why, tls->wanted_name,
             tls->shown_name);
    else
        fail(tls, "%s: %s: %s", doing, text, why);
}

static bool has_agreed_on_protocol(const struct tls *tls)
{
    const unsigned char *name = NULL;
    unsigned length = 0;

    SSL_get0_alpn_selected(tls->ssl, &name, &length);
    return length == 10 && memcmp(name, "postgresql", 10) == 0;
}

enum tls_step tls_handshake(struct tls *tls)
{
    int result;

    if (tls->failed)
        return TLS_FAILED;
    ERR_clear_error();
    result = SSL_do_handshake(tls->ssl);
    if (result != 1) {
        if (SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ)
            return TLS_WANTS_INPUT;
        note_failure(tls, "TLS handshake");
        return TLS_FAILED;
    }
    if (tls->demand_alpn && !has_agreed_on_protocol(tls)) {
        fail(tls, "TLS without the application protocol \"postgresql\" (ALPN), which direct TLS needs");
        return TLS_FAILED;
    }
    tls->established = true;
    return TLS_DONE;
}

/* A peer that keeps TLS busy, or makes it answer and does not read, would have us work and store for ever. */
static enum tls_step judge_messages(struct tls *tls, size_t sealed_before)
{
    tls->replied_bytes = (sealed_before == 0 ? 0 : tls->replied_bytes) + tls->sealed_bytes - sealed_before;
    if (tls->handshake_steps <= HANDSHAKE_STEPS_MAX && tls->replied_bytes <= REPLIED_MAX_BYTES)
        return TLS_WANTS_INPUT;
    fail(tls, "TLS: the peer renews keys without end");
    return TLS_FAILED;
}

enum tls_step tls_read(struct tls *tls, unsigned char *plain, size_t room, size_t *length)
{
    size_t sealed_before = tls->sealed_bytes;

    *length = 0;
    ERR_clear_error();
    for (;;) {
        size_t here = 0;
        int result;

        CHECK(*length < room);
        result = SSL_read_ex(tls->ssl, plain + *length, room - *length, &here);
        *length += here;
        if (result == 1) {
            tls->handshake_steps = 0;
            continue;
        }
        switch (SSL_get_error(tls->ssl, result)) {
        case SSL_ERROR_WANT_READ:
            return judge_messages(tls, sealed_before);
        case SSL_ERROR_ZERO_RETURN:
            tls->fed_bytes = 0;
            return TLS_CLOSED;
        default:
            note_failure(tls, "TLS");
            return TLS_FAILED;
        }
    }
}

bool tls_write(struct tls *tls, const void *bytes, size_t length)
{
    size_t written = 0;

    if (tls->failed)
        return false;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, bytes, length, &written) == 1 && written == length)
        return true;
    note_failure(tls, "TLS");
    return false;
}

void tls_say_goodbye(struct tls *tls)
{
    if (tls->established && !tls->failed)
        (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

bool tls_established(const struct tls *tls)
{
    return tls->established;
}

bool tls_quiet(const struct tls *tls)
{
    return tls->fed_bytes == 0 && !SSL_has_pending(tls->ssl) && !tls_is_over(tls);
}

bool tls_is_over(const struct tls *tls)
{
    return tls->failed || (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

const char *tls_failure(const struct tls *tls)
{
    return tls->failure == NULL ? "" : tls->failure;
}
