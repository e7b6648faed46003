/* SPDX-License-Identifier: PostgreSQL
 * pam - asks the system's PAM modules; the password is the only answer that they can have from here. */
#include "gateway/auth/pam.h"

#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/fault.h"

enum { PLACE_BYTES = 100 };

/* What the conversation needs; it lives as long as one check. */
struct talk {
    const char *password;
    bool answered; /* the password was given */
    bool strange;  /* a module asked for something else */
};

static void answers_free(struct pam_response *answers, int count)
{
    for (int i = 0; i < count; i++) {
        if (answers[i].resp != NULL)
            explicit_bzero(answers[i].resp, strlen(answers[i].resp));
        free(answers[i].resp);
    }
    free(answers);
}

/* Texts need no answer. */
static bool question_answer(struct talk *talk, const struct pam_message *question,
                            struct pam_response *answer)
{
    if (question->msg_style == PAM_TEXT_INFO || question->msg_style == PAM_ERROR_MSG)
        return true;
    if (question->msg_style != PAM_PROMPT_ECHO_OFF || talk->answered) {
        talk->strange = true;
        return false;
    }
    talk->answered = true;
    answer->resp = strdup(talk->password);
    return answer->resp != NULL;
}

/* pam_conv(3); the modules own the answers. */
static int converse(int count, const struct pam_message **questions, struct pam_response **answers,
                    void *data)
{
    struct pam_response *own;

    if (count <= 0 || count > PAM_MAX_NUM_MSG)
        return PAM_CONV_ERR;
    own = calloc((size_t)count, sizeof *own);
    if (own == NULL)
        return PAM_BUF_ERR;
    for (int i = 0; i < count; i++) {
        if (!question_answer(data, questions[i], &own[i])) {
            answers_free(own, count);
            return PAM_CONV_ERR;
        }
    }
    *answers = own;
    return PAM_SUCCESS;
}

static const char *sqlstate_of(int status)
{
    switch (status) {
    case PAM_AUTH_ERR:
    case PAM_USER_UNKNOWN:
    case PAM_CRED_INSUFFICIENT:
    case PAM_MAXTRIES:
        return "28P01";
    case PAM_PERM_DENIED:
    case PAM_ACCT_EXPIRED:
    case PAM_NEW_AUTHTOK_REQD:
    case PAM_AUTHTOK_EXPIRED:
    case PAM_CRED_EXPIRED:
        return "28000";
    default:
        return "58000";
    }
}

static bool explain(pam_handle_t *pam, int status, const char *what, const struct talk *talk,
                    struct fault *truth)
{
    fault_set(truth, sqlstate_of(status), "PAM %s: %s", what, pam_strerror(pam, status));
    if (talk->strange)
        fault_hint(truth, "A module asked for more than a password, which only a person could answer.");
    return false;
}

static bool modules_ask(pam_handle_t *pam, const char *peer, const struct talk *talk, int *status,
                        struct fault *truth)
{
    *status = peer == NULL ? PAM_SUCCESS : pam_set_item(pam, PAM_RHOST, peer);
    if (*status != PAM_SUCCESS)
        return explain(pam, *status, "did not take the client's address", talk, truth);
    *status = pam_authenticate(pam, PAM_DISALLOW_NULL_AUTHTOK);
    if (*status != PAM_SUCCESS)
        return explain(pam, *status, "did not accept the password", talk, truth);
    *status = pam_acct_mgmt(pam, PAM_DISALLOW_NULL_AUTHTOK);
    return *status == PAM_SUCCESS || explain(pam, *status, "did not accept the account", talk, truth);
}

bool pam_check(const char *service, const char *user, const char *password, const char *peer_or_null,
               struct fault *truth)
{
    struct talk talk = { .password = password };
    struct pam_conv conversation = { .conv = converse, .appdata_ptr = &talk };
    const char *directory = secure_getenv("PGSLUICE_PAM_DIRECTORY");
    pam_handle_t *pam = NULL;
    int status;
    bool right;

    if (*user == '\0' || *password == '\0')
        return fault_set(truth, "28P01", "the %s is empty: PAM was not asked",
                         *user == '\0' ? "name" : "password");
    status = directory == NULL ? pam_start(service, user, &conversation, &pam)
                               : pam_start_confdir(service, user, &conversation, directory, &pam);
    if (status != PAM_SUCCESS || pam == NULL)
        return fault_set(truth, "58000", "PAM could not begin for the service \"%.*s\": %s", PLACE_BYTES,
                         service, pam_strerror(pam, status));
    right = modules_ask(pam, peer_or_null, &talk, &status, truth);
    pam_end(pam, status);
    return right;
}
