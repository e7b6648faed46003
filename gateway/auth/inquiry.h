/* SPDX-License-Identifier: PostgreSQL
 * inquiry - one login that LDAP or PAM decides, asked on another thread while the event loop goes on. */
#pragma once

#include <stdbool.h>

struct fault;
struct hba_ldap;
struct inquiry;
struct mailbox;
struct offload;

/* Only read during inquiry_send, which copies all of it. */
struct inquiry_request {
    const char *user, *password;
    const struct hba_ldap *ldap; /* NULL asks PAM */
    const char *service, *peer;  /* for PAM; peer may be NULL */
    /* Called once on the asking thread, unless the inquiry was forgotten; the inquiry ends with it. truth
     * is valid during the call: why it was not right, as ldap_check and pam_check say it, or 57P01 at the
     * gateway's end. */
    void (*answered)(void *asker, bool right, const struct fault *truth);
    void *asker;
};

/* Queues the question; mailbox is the asking thread's. NULL with a fault when too many wait already or the
 * gateway ends (53300), or memory is short (53200). The copies are wiped when they are not needed any
 * more. */
struct inquiry *inquiry_send(struct offload *offload, struct mailbox *mailbox,
                             const struct inquiry_request *request, struct fault *fault);

/* The asker has gone: nothing will be answered. Asking thread only, before the answer. */
void inquiry_forget(struct inquiry *inquiry);
