/* SPDX-License-Identifier: PostgreSQL
 * tls_peer - who is at the other end of a TLS connection, and what was agreed with it. */
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#include "gateway/net/tls.h"
#include "gateway/net/tls_parts.h"

/* A name with a NUL byte in it would be taken for a shorter one. */
static bool copy_name(const char *name, size_t length, char *text, size_t room)
{
    if (length == 0 || length >= room || memchr(name, '\0', length) != NULL)
        return false;
    memcpy(text, name, length);
    text[length] = '\0';
    return true;
}

bool tls_peer_common_name(const struct tls *tls, char *text, size_t room)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    unsigned char *name = NULL;
    X509_NAME *subject;
    bool copied;
    int at, length;

    if (certificate == NULL)
        return false;
    subject = X509_get_subject_name(certificate);
    at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return false;
    length = ASN1_STRING_to_UTF8(&name, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    copied = length > 0 && copy_name((const char *)name, (size_t)length, text, room);
    OPENSSL_free(name);
    return copied;
}

bool tls_peer_distinguished_name(const struct tls *tls, char *text, size_t room)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    BIO *memory = certificate == NULL ? NULL : BIO_new(BIO_s_mem());
    bool copied = false;
    char *name;

    if (memory == NULL)
        return false;
    if (X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
        long length = BIO_get_mem_data(memory, &name);

        copied = length > 0 && copy_name(name, (size_t)length, text, room);
    }
    BIO_free(memory);
    return copied;
}

bool tls_peer_verified(const struct tls *tls)
{
    return SSL_get0_peer_certificate(tls->ssl) != NULL && SSL_get_verify_result(tls->ssl) == X509_V_OK;
}

void tls_server_binding(const struct tls *tls, struct tls_binding *binding)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);

    binding->length = 0;
    if (tls->accepts)
        *binding = *tls_context_binding(tls->context);
    else if (certificate != NULL)
        tls_binding_of(certificate, binding);
}

const char *tls_version(const struct tls *tls)
{
    return SSL_get_version(tls->ssl);
}

const char *tls_cipher(const struct tls *tls)
{
    return SSL_get_cipher_name(tls->ssl);
}

bool tls_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}
