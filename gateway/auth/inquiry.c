/* SPDX-License-Identifier: PostgreSQL
 * inquiry - one login that LDAP or PAM decides. It owns copies of all that it needs, in one wiped block. */
#include "gateway/auth/inquiry.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/hba_ldap.h"
#include "gateway/auth/ldap.h"
#include "gateway/auth/offload.h"
#include "gateway/auth/pam.h"
#include "gateway/base/check.h"
#include "gateway/base/fault.h"

enum { TEXTS_MAX = 13 };

struct inquiry {
    struct offload_job job;
    struct inquiry_request request; /* points into texts */
    struct hba_ldap ldap;
    bool right;         /* the result */
    struct fault truth; /* the result */
    size_t text_bytes;
    char texts[]; /* wiped */
};

/* The places in an inquiry that hold a text to copy. */
struct texts {
    const char **places[TEXTS_MAX];
    int count;
    size_t bytes;
};

static void text_list(struct texts *texts, const char **place)
{
    if (*place == NULL)
        return;
    CHECK(texts->count < TEXTS_MAX);
    texts->places[texts->count++] = place;
    texts->bytes += strlen(*place) + 1;
}

static void texts_list(struct texts *texts, struct inquiry_request *request, struct hba_ldap *ldap)
{
    text_list(texts, &request->user);
    text_list(texts, &request->password);
    text_list(texts, &request->service);
    text_list(texts, &request->peer);
    text_list(texts, &ldap->server);
    text_list(texts, &ldap->scheme);
    text_list(texts, &ldap->prefix);
    text_list(texts, &ldap->suffix);
    text_list(texts, &ldap->basedn);
    text_list(texts, &ldap->binddn);
    text_list(texts, &ldap->bindpasswd);
    text_list(texts, &ldap->searchattribute);
    text_list(texts, &ldap->searchfilter);
}

static void inquiry_run(struct offload_job *job)
{
    struct inquiry *inquiry = list_entry(job, struct inquiry, job);
    const struct inquiry_request *request = &inquiry->request;

    inquiry->right = request->ldap != NULL
                         ? ldap_check(request->ldap, request->user, request->password, &inquiry->truth)
                         : pam_check(request->service, request->user, request->password, request->peer,
                                     &inquiry->truth);
}

static void inquiry_done(struct offload_job *job, enum offload_outcome outcome)
{
    struct inquiry *inquiry = list_entry(job, struct inquiry, job);
    struct fault ending;

    if (outcome == OFFLOAD_DONE) {
        inquiry->request.answered(inquiry->request.asker, inquiry->right, &inquiry->truth);
        return;
    }
    fault_set(&ending, "57P01", "the gateway ends before LDAP or PAM answered");
    inquiry->request.answered(inquiry->request.asker, false, &ending);
}

static void inquiry_dispose(struct offload_job *job)
{
    struct inquiry *inquiry = list_entry(job, struct inquiry, job);

    explicit_bzero(inquiry->texts, inquiry->text_bytes);
    free(inquiry);
}

static struct inquiry *inquiry_new(const struct inquiry_request *request)
{
    static const struct hba_ldap none;
    struct inquiry_request own = *request;
    struct hba_ldap ldap = request->ldap != NULL ? *request->ldap : none;
    struct texts texts = { .count = 0 };
    struct inquiry *inquiry;
    char *at;

    texts_list(&texts, &own, &ldap);
    inquiry = calloc(1, sizeof *inquiry + texts.bytes);
    if (inquiry == NULL)
        return NULL;
    inquiry->text_bytes = texts.bytes;
    at = inquiry->texts;
    for (int i = 0; i < texts.count; i++) {
        size_t length = strlen(*texts.places[i]) + 1;

        memcpy(at, *texts.places[i], length);
        *texts.places[i] = at;
        at += length;
    }
    inquiry->ldap = ldap;
    inquiry->request = own;
    inquiry->request.ldap = request->ldap != NULL ? &inquiry->ldap : NULL;
    return inquiry;
}

struct inquiry *inquiry_send(struct offload *offload, struct mailbox *mailbox,
                             const struct inquiry_request *request, struct fault *fault)
{
    struct inquiry *inquiry = inquiry_new(request);

    if (inquiry == NULL) {
        fault_set(fault, "53200", "out of memory while asking LDAP or PAM about user \"%s\"", request->user);
        return NULL;
    }
    inquiry->job = (struct offload_job){
        .mailbox = mailbox, .run = inquiry_run, .done = inquiry_done, .dispose = inquiry_dispose
    };
    if (offload_submit(offload, &inquiry->job))
        return inquiry;
    inquiry_dispose(&inquiry->job);
    fault_set(fault, "53300", "too many logins wait for LDAP or PAM");
    fault_hint(fault, "Raise auth_helper_threads, or auth_helper_queue for more patience.");
    return NULL;
}

void inquiry_forget(struct inquiry *inquiry)
{
    offload_abandon(&inquiry->job);
}
