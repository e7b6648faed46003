/* SPDX-License-Identifier: PostgreSQL
 * tls_session - what makes the next TLS connection to the same PostgreSQL shorter, and when it may be. */
#include <openssl/ssl.h>

#include "gateway/net/tls.h"
#include "gateway/net/tls_parts.h"

/* OpenSSL calls this for each ticket; 1 = the reference is ours now. */
int tls_keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = SSL_get_app_data(ssl);
    SSL_SESSION *before;

    if (tls->session == NULL || !SSL_SESSION_is_resumable(session))
        return 0;
    pthread_mutex_lock(&tls->session->lock);
    before = tls->session->newest;
    tls->session->newest = session;
    tls->session->context = tls_context_number(tls->context);
    tls->session->check_chain = tls->check_chain;
    tls->session->check_name = tls->check_name;
    pthread_mutex_unlock(&tls->session->lock);
    SSL_SESSION_free(before);
    return 1;
}

/* A ticket is used once: TLS 1.3 asks for that. */
void tls_resume_session(struct tls *tls)
{
    SSL_SESSION *session;
    bool alike;

    pthread_mutex_lock(&tls->session->lock);
    session = tls->session->newest;
    tls->session->newest = NULL;
    alike = tls->session->context == tls_context_number(tls->context) &&
            tls->session->check_chain == tls->check_chain && tls->session->check_name == tls->check_name;
    pthread_mutex_unlock(&tls->session->lock);
    if (session != NULL && alike)
        SSL_set_session(tls->ssl, session);
    SSL_SESSION_free(session);
}

void tls_session_open(struct tls_session *session)
{
    pthread_mutex_init(&session->lock, NULL);
    session->newest = NULL;
}

void tls_session_close(struct tls_session *session)
{
    SSL_SESSION_free(session->newest);
    pthread_mutex_destroy(&session->lock);
}
