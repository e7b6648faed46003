/* SPDX-License-Identifier: PostgreSQL
 * tls_context - keys, certificates, authorities and rules for one side of TLS. */
#include "gateway/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/fault.h"

/* Forward secrecy and authenticated encryption; TLS 1.3 has nothing else. */
#define CIPHERS_DEFAULT "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:@SECLEVEL=2"

struct tls_context {
    _Atomic int references;
    SSL_CTX *ssl;
    uint64_t number;
    bool has_certificate;
    struct tls_binding binding;
};

static _Atomic uint64_t contexts_made;

static const unsigned char protocol_postgresql[] = "\x0apostgresql";

const char *tls_error_text(char *text, size_t room)
{
    unsigned long first = ERR_peek_error(), code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);

    if (ERR_SYSTEM_ERROR(first))
        snprintf(text, room, "%s", strerror(ERR_GET_REASON(first)));
    else if (code == 0)
        snprintf(text, room, "no reason was given");
    else if (reason != NULL)
        snprintf(text, room, "%s", reason);
    else
        snprintf(text, room, "error %lx of the TLS library", code);
    ERR_clear_error();
    return text;
}

static bool refused(struct fault *fault, const char *sentence, const char *what)
{
    char text[200];

    return fault_set(fault, "F0000", "%s \"%s\": %s", sentence, what, tls_error_text(text, sizeof text));
}

/* MD5 and SHA-1 are replaced by SHA-256, as the RFC says. */
void tls_binding_of(X509 *certificate, struct tls_binding *binding)
{
    const EVP_MD *digest;
    unsigned length = 0;
    int digest_id;

    binding->length = 0;
    if (X509_get_signature_info(certificate, &digest_id, NULL, NULL, NULL) != 1 || digest_id == NID_undef)
        return;
    if (digest_id == NID_md5 || digest_id == NID_sha1)
        digest_id = NID_sha256;
    digest = EVP_get_digestbynid(digest_id);
    if (digest != NULL && EVP_MD_get_size(digest) <= (int)sizeof binding->bytes &&
        X509_digest(certificate, digest, binding->bytes, &length) == 1)
        binding->length = length;
}

static bool load_certificate(struct tls_context *context, const struct tls_setup *setup, struct fault *fault)
{
    if (setup->cert_file == NULL || setup->key_file == NULL)
        return true;
    if (SSL_CTX_use_certificate_chain_file(context->ssl, setup->cert_file) != 1)
        return refused(fault, "expected a certificate in PEM format in", setup->cert_file);
    if (SSL_CTX_use_PrivateKey_file(context->ssl, setup->key_file, SSL_FILETYPE_PEM) != 1)
        return refused(fault,
                       "expected a private key in PEM format, without a passphrase, that belongs to the "
                       "certificate, in",
                       setup->key_file);
    if (SSL_CTX_check_private_key(context->ssl) != 1)
        return refused(fault, "the key does not belong to the certificate:", setup->key_file);
    context->has_certificate = true;
    tls_binding_of(SSL_CTX_get0_certificate(context->ssl), &context->binding);
    return true;
}

static bool load_revoked(SSL_CTX *ssl, const char *path, struct fault *fault)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

    if (lookup == NULL || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) <= 0)
        return refused(fault, "expected a certificate revocation list in PEM format in", path);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return true;
}

static bool load_authorities(SSL_CTX *ssl, const struct tls_setup *setup, struct fault *fault)
{
    if (setup->ca_file != NULL) {
        if (SSL_CTX_load_verify_locations(ssl, setup->ca_file, NULL) != 1)
            return refused(fault, "expected certificates of authorities in PEM format in", setup->ca_file);
        if (setup->accepts)
            SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(setup->ca_file));
    } else if (!setup->accepts) {
        SSL_CTX_set_default_verify_paths(ssl);
    }
    return setup->crl_file == NULL || load_revoked(ssl, setup->crl_file, fault);
}

static bool set_protocols(SSL_CTX *ssl, const char *text, struct fault *fault)
{
    bool old = false, new = false;
    char words[256], *rest = NULL;

    snprintf(words, sizeof words, "%s", text);
    for (char *word = strtok_r(words, ",: ", &rest); word != NULL; word = strtok_r(NULL, ",: ", &rest)) {
        bool both = strcasecmp(word, "secure") == 0 || strcasecmp(word, "all") == 0;

        if (!both && strcasecmp(word, "tlsv1.2") != 0 && strcasecmp(word, "tlsv1.3") != 0)
            return fault_set(fault, "F0000",
                             "expected \"secure\", \"tlsv1.2\" or \"tlsv1.3\" as version of TLS, found "
                             "\"%.40s\"; older versions are not safe",
                             word);
        old = old || both || strcasecmp(word, "tlsv1.2") == 0;
        new = new || both || strcasecmp(word, "tlsv1.3") == 0;
    }
    SSL_CTX_set_min_proto_version(ssl, old ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(ssl, new ? TLS1_3_VERSION : TLS1_2_VERSION);
    return true;
}

static bool set_rules(SSL_CTX *ssl, const struct tls_setup *setup, struct fault *fault)
{
    const char *ciphers = strcmp(setup->ciphers, "default") == 0 ? CIPHERS_DEFAULT : setup->ciphers;

    if (!set_protocols(ssl, setup->protocols, fault))
        return false;
    if (SSL_CTX_set_cipher_list(ssl, ciphers) != 1)
        return refused(fault, "expected a list of TLS 1.2 ciphers in OpenSSL's words, found", ciphers);
    if (*setup->ciphers13 != '\0' && SSL_CTX_set_ciphersuites(ssl, setup->ciphers13) != 1)
        return refused(fault, "expected a list of TLS 1.3 cipher suites in OpenSSL's words, found",
                       setup->ciphers13);
    if (setup->groups != NULL && strcmp(setup->groups, "auto") != 0 &&
        SSL_CTX_set1_groups_list(ssl, setup->groups) != 1)
        return refused(fault, "expected a list of key exchange groups in OpenSSL's words, found",
                       setup->groups);
    return true;
}

/* A client that names protocols must name ours; one that names none is let in, but see tls_spoke_alpn. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                           const unsigned char *in, unsigned in_length, void *argument)
{
    unsigned char *selected;

    (void)ssl;
    (void)argument;
    if (SSL_select_next_proto(&selected, out_length, protocol_postgresql, sizeof protocol_postgresql - 1, in,
                              in_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = selected;
    return SSL_TLSEXT_ERR_OK;
}

/* Nobody is there to type one: without this, OpenSSL asks the terminal and waits. */
static int no_passphrase(char *text, int room, int writing, void *nothing)
{
    (void)text;
    (void)room;
    (void)writing;
    (void)nothing;
    return -1;
}

/* Sessions of clients are never resumed: a certificate that is replaced or revoked counts at once. */
static void set_habits(SSL_CTX *ssl, bool accepts)
{
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    if (accepts) {
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ssl, 0);
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_alpn_select_cb(ssl, select_protocol, NULL);
        SSL_CTX_set_client_hello_cb(ssl, tls_judge_hello, NULL);
        SSL_CTX_set_dh_auto(ssl, 1);
        return;
    }
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, tls_keep_session);
    SSL_CTX_set_alpn_protos(ssl, protocol_postgresql, sizeof protocol_postgresql - 1);
}

struct tls_context *tls_context_new(const struct tls_setup *setup, struct fault *fault)
{
    struct tls_context *context = calloc(1, sizeof *context);

    if (context != NULL)
        context->ssl = SSL_CTX_new(setup->accepts ? TLS_server_method() : TLS_client_method());
    if (context == NULL || context->ssl == NULL) {
        free(context);
        fault_set(fault, "53200", "out of memory for TLS");
        return NULL;
    }
    atomic_init(&context->references, 1);
    context->number = atomic_fetch_add(&contexts_made, 1) + 1;
    set_habits(context->ssl, setup->accepts);
    if (set_rules(context->ssl, setup, fault) && load_certificate(context, setup, fault) &&
        load_authorities(context->ssl, setup, fault))
        return context;
    tls_context_release(context);
    return NULL;
}

struct tls_context *tls_context_retain(struct tls_context *context)
{
    if (context != NULL)
        atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_context_release(struct tls_context *context)
{
    if (context == NULL || atomic_fetch_sub(&context->references, 1) > 1)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

bool tls_context_has_certificate(const struct tls_context *context)
{
    return context != NULL && context->has_certificate;
}

const struct tls_binding *tls_context_binding(const struct tls_context *context)
{
    return &context->binding;
}

uint64_t tls_context_number(const struct tls_context *context)
{
    return context->number;
}

SSL_CTX *tls_context_ssl(struct tls_context *context)
{
    return context->ssl;
}
