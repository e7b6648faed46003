/* SPDX-License-Identifier: PostgreSQL
 * ldap - asks a directory whether a user's password is right: one connection for the search, one for the
 * user's own bind, because some servers bind only once. The next server is asked only when this one gave
 * no answer. */
#include "gateway/auth/ldap.h"

#include <lber.h>
#include <ldap.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "gateway/auth/hba_ldap.h"
#include "gateway/auth/ldap_deadline.h"
#include "gateway/auth/ldap_names.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"

enum {
    CONNECT_US = 5000000,
    ANSWER_US = 10000000,
    CHECK_US = 20000000,
    INCOMING_MAX_BYTES = 1 << 20, /* one message of a server */
    URI_BYTES = 300,
    PLACE_BYTES = 150,
};

enum answer { ANSWER_YES, ANSWER_NO, ANSWER_NONE };

/* One check. */
struct inquest {
    const struct hba_ldap *options;
    uint64_t end_us;           /* of the whole check */
    struct ldap_deadline step; /* what is waited for now, within the whole */
    char uri[URI_BYTES];       /* of the server that is asked now */
    struct fault *truth;
};

static void step_begin(struct inquest *inquest)
{
    uint64_t until_us = clock_now_us() + ANSWER_US;

    inquest->step.until_us = until_us < inquest->end_us ? until_us : inquest->end_us;
}

/* Never zero, which would stand for no limit. */
static struct timeval step_left(const struct inquest *inquest, uint64_t most_us)
{
    uint64_t now_us = clock_now_us();
    uint64_t left_us = now_us < inquest->step.until_us ? inquest->step.until_us - now_us : 1;

    if (left_us > most_us)
        left_us = most_us;
    return (struct timeval){ .tv_sec = (time_t)(left_us / 1000000),
                             .tv_usec = (suseconds_t)(left_us % 1000000) };
}

/* What a result code means for the check: an answer, or no answer from this server. */
static enum answer answer_of(int code)
{
    switch (code) {
    case LDAP_SUCCESS:
        return ANSWER_YES;
    case LDAP_SERVER_DOWN:
    case LDAP_CONNECT_ERROR:
    case LDAP_TIMEOUT:
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE:
    case LDAP_LOCAL_ERROR:
    case LDAP_NO_MEMORY:
    case LDAP_DECODING_ERROR:
        return ANSWER_NONE;
    default:
        return ANSWER_NO;
    }
}

/* Says what failed, with the words of server or library. */
static enum answer explain(const struct inquest *inquest, LDAP *ldap, int code, const char *what)
{
    enum answer answer = answer_of(code);
    char *more = NULL;

    ldap_get_option(ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
    fault_set(inquest->truth, answer == ANSWER_NONE ? "08006" : "28P01", "LDAP server %s %s: %s%s%.*s",
              inquest->uri, what, ldap_err2string(code), more != NULL && *more != '\0' ? ", " : "",
              PLACE_BYTES, more != NULL ? more : "");
    ldap_memfree(more);
    return answer;
}

/* The library's first initialization, and that of its TLS, are not safe in several threads. When there is
 * nothing to make a TLS context of, each connection that needs one says so. */
static void library_open(void)
{
    int for_clients = 0;

    (void)ldap_set_option(NULL, LDAP_OPT_X_TLS_NEWCTX, &for_clients);
}

static bool options_set(struct inquest *inquest, LDAP *ldap)
{
    struct timeval connect = step_left(inquest, CONNECT_US), answer = step_left(inquest, ANSWER_US);
    ber_len_t most = INCOMING_MAX_BYTES;
    int version = LDAP_VERSION3;
    Sockbuf *socket = NULL;

    return ldap_set_option(ldap, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS
           && ldap_set_option(ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS
           && ldap_set_option(ldap, LDAP_OPT_NETWORK_TIMEOUT, &connect) == LDAP_OPT_SUCCESS
           && ldap_set_option(ldap, LDAP_OPT_TIMEOUT, &answer) == LDAP_OPT_SUCCESS
           && ldap_get_option(ldap, LDAP_OPT_SOCKBUF, &socket) == LDAP_OPT_SUCCESS && socket != NULL
           && ber_sockbuf_ctrl(socket, LBER_SB_OPT_SET_MAX_INCOMING, &most) > 0
           && ldap_deadline_attach(&inquest->step, ldap);
}

static void server_close(LDAP *ldap)
{
    if (ldap != NULL)
        ldap_unbind_ext(ldap, NULL, NULL);
}

/* Encrypted if that was asked for. The caller closes *ldap in any case. */
static enum answer server_open(struct inquest *inquest, LDAP **ldap)
{
    int code = ldap_initialize(ldap, inquest->uri);

    step_begin(inquest);
    if (code != LDAP_SUCCESS || !options_set(inquest, *ldap)) {
        fault_set(inquest->truth, "F0000", "the LDAP server \"%s\" cannot be used: %s", inquest->uri,
                  ldap_err2string(code == LDAP_SUCCESS ? LDAP_PARAM_ERROR : code));
        fault_hint(inquest->truth, "Names of hosts separated by spaces are expected in ldapserver.");
        return ANSWER_NO;
    }
    if (!inquest->options->starttls)
        return ANSWER_YES;
    code = ldap_start_tls_s(*ldap, NULL, NULL);
    return code == LDAP_SUCCESS ? ANSWER_YES : explain(inquest, *ldap, code, "did not start TLS");
}

/* The next message for this request, to be freed by the caller, or NULL with the code of what failed. */
static LDAPMessage *message_take(const struct inquest *inquest, LDAP *ldap, int request, int *code)
{
    struct timeval left = step_left(inquest, ANSWER_US);
    LDAPMessage *message = NULL;
    int type = ldap_result(ldap, request, LDAP_MSG_ONE, &left, &message);

    if (type > 0)
        return message;
    *code = LDAP_TIMEOUT;
    if (type < 0 && (ldap_get_option(ldap, LDAP_OPT_RESULT_CODE, code) != LDAP_OPT_SUCCESS
                     || *code == LDAP_SUCCESS)) /* no message is never a yes */
        *code = LDAP_SERVER_DOWN;
    return NULL;
}

/* Frees the message. */
static int result_read(LDAP *ldap, LDAPMessage *message, int type)
{
    int code = LDAP_PROTOCOL_ERROR, parsed;

    if (ldap_msgtype(message) != type) {
        ldap_msgfree(message);
        return code;
    }
    parsed = ldap_parse_result(ldap, message, &code, NULL, NULL, NULL, NULL, 1);
    return parsed == LDAP_SUCCESS ? code : parsed;
}

static enum answer name_bind(struct inquest *inquest, LDAP *ldap, const char *name, const char *password)
{
    struct berval secret = { .bv_len = strlen(password), .bv_val = (char *)password };
    LDAPMessage *message;
    char what[PLACE_BYTES + 40];
    int code, request = 0;

    step_begin(inquest);
    code = ldap_sasl_bind(ldap, name, LDAP_SASL_SIMPLE, &secret, NULL, NULL, &request);
    if (code == LDAP_SUCCESS) {
        message = message_take(inquest, ldap, request, &code);
        if (message != NULL)
            code = result_read(ldap, message, LDAP_RES_BIND);
    }
    if (code == LDAP_SUCCESS)
        return ANSWER_YES;
    snprintf(what, sizeof what, "did not let \"%.*s\" in", PLACE_BYTES, name);
    return explain(inquest, ldap, code, what);
}

/* The name of an entry that was found: false when there was one before, or it has none that fits. */
static bool entry_take(LDAP *ldap, LDAPMessage *message, char *name, size_t room, int *found)
{
    char *entry = ldap_get_dn(ldap, message);
    bool fits = entry != NULL && strlen(entry) < room && *entry != '\0';

    (*found)++;
    if (fits)
        snprintf(name, room, "%s", entry);
    ldap_memfree(entry);
    return fits && *found == 1;
}

/* Reads the answer to a search until its end or a second entry. */
static enum answer entries_read(const struct inquest *inquest, LDAP *ldap, int request, char *name)
{
    LDAPMessage *message;
    int code = LDAP_SUCCESS, found = 0;
    bool right = true, ended = false;

    while (right && !ended && (message = message_take(inquest, ldap, request, &code)) != NULL) {
        ended = ldap_msgtype(message) == LDAP_RES_SEARCH_RESULT;
        if (ended) {
            code = result_read(ldap, message, LDAP_RES_SEARCH_RESULT);
            break;
        }
        if (ldap_msgtype(message) == LDAP_RES_SEARCH_ENTRY)
            right = entry_take(ldap, message, name, LDAP_NAME_BYTES, &found);
        ldap_msgfree(message);
    }
    if (right && code != LDAP_SUCCESS)
        return explain(inquest, ldap, code, "did not search");
    if (right && found == 1)
        return ANSWER_YES;
    fault_set(inquest->truth, "28P01", "LDAP server %s knows %s entry for this user, exactly one is expected",
              inquest->uri, found == 0 ? "no" : found == 1 ? "one nameless or overlong" : "more than one");
    return ANSWER_NO;
}

/* name holds LDAP_NAME_BYTES. */
static enum answer entries_ask(struct inquest *inquest, LDAP *ldap, const char *filter, char *name)
{
    const struct hba_ldap *options = inquest->options;
    char *nothing[] = { LDAP_NO_ATTRS, NULL };
    struct timeval limit = { .tv_sec = ANSWER_US / 1000000 }; /* for the server */
    int code, request = 0;

    step_begin(inquest);
    code = ldap_search_ext(ldap, options->basedn, (int)options->scope, filter, nothing, 0, NULL, NULL, &limit,
                           2, &request);
    return code == LDAP_SUCCESS ? entries_read(inquest, ldap, request, name)
                                : explain(inquest, ldap, code, "could not be asked to search");
}

static enum answer entry_search(struct inquest *inquest, const char *filter, char *name)
{
    const struct hba_ldap *options = inquest->options;
    LDAP *ldap = NULL;
    enum answer answer = server_open(inquest, &ldap);

    if (answer == ANSWER_YES)
        answer = name_bind(inquest, ldap, options->binddn != NULL ? options->binddn : "",
                           options->bindpasswd != NULL ? options->bindpasswd : "");
    if (answer == ANSWER_YES)
        answer = entries_ask(inquest, ldap, filter, name);
    server_close(ldap);
    return answer;
}

static enum answer server_ask(struct inquest *inquest, const char *user, const char *password)
{
    const struct hba_ldap *options = inquest->options;
    char name[LDAP_NAME_BYTES], filter[LDAP_FILTER_BYTES];
    LDAP *ldap = NULL;
    enum answer answer = ANSWER_YES;

    if (options->basedn == NULL && !ldap_name_make(options, user, name, inquest->truth))
        return ANSWER_NO;
    if (options->basedn != NULL && !ldap_filter_make(options, user, filter, inquest->truth))
        return ANSWER_NO;
    if (options->basedn != NULL)
        answer = entry_search(inquest, filter, name);
    if (answer == ANSWER_YES)
        answer = server_open(inquest, &ldap);
    if (answer == ANSWER_YES)
        answer = name_bind(inquest, ldap, name, password);
    server_close(ldap);
    return answer;
}

/* Names the next server of the list, of which *list keeps the rest; false when there is none, or none that
 * could be one. */
static bool server_next(struct inquest *inquest, const char **list)
{
    const struct hba_ldap *options = inquest->options;
    const char *scheme = options->scheme != NULL ? options->scheme : "ldap";
    int port = options->port != 0 ? options->port : strcmp(scheme, "ldaps") == 0 ? LDAPS_PORT : LDAP_PORT;
    const char *server = *list + strspn(*list, " ");
    size_t length = strcspn(server, " ");

    *list = server + length;
    if (length == 0)
        return false;
    if (length < URI_BYTES
        && snprintf(inquest->uri, URI_BYTES, "%s://%.*s:%d", scheme, (int)length, server, port) < URI_BYTES)
        return true;
    return fault_set(inquest->truth, "F0000", "an LDAP server's name is longer than expected: \"%.*s...\"",
                     PLACE_BYTES, server);
}

bool ldap_check(const struct hba_ldap *options, const char *user, const char *password, struct fault *truth)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct inquest inquest = { .options = options, .end_us = clock_now_us() + CHECK_US, .truth = truth };

    const char *servers = options->server != NULL ? options->server : "";
    enum answer answer = ANSWER_NONE;

    pthread_once(&once, library_open);
    if (*user == '\0' || *password == '\0')
        return fault_set(truth, "28P01", "the %s is empty: LDAP was not asked",
                         *user == '\0' ? "name" : "password");
    fault_set(truth, "F0000", "no LDAP server is named: the option ldapserver was expected");
    while (answer == ANSWER_NONE && clock_now_us() < inquest.end_us && server_next(&inquest, &servers))
        answer = server_ask(&inquest, user, password);
    return answer == ANSWER_YES;
}
