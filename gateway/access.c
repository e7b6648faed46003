/* SPDX-License-Identifier: PostgreSQL
 * access - what a configuration's files hold about who may come in and how connections are encrypted. */
#include "gateway/access.h"

#include <string.h>

#include "conf/problems.h"
#include "gateway/auth/hba.h"
#include "gateway/auth/ident.h"
#include "gateway/auth/passfile.h"
#include "gateway/auth/users.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/net/tls_context.h"
#include "router/hosts.h"

static struct tls_context *load_tls(const struct tls_side *side, bool accepts, struct fault *fault)
{
    const struct tls_setup setup = {.accepts = accepts,
                                    .key_file = side->key_file,
                                    .cert_file = side->cert_file,
                                    .ca_file = side->ca_file,
                                    .crl_file = side->crl_file,
                                    .protocols = side->protocols,
                                    .ciphers = side->ciphers,
                                    .ciphers13 = side->ciphers13,
                                    .groups = side->groups};

    return tls_context_new(&setup, fault);
}

static bool load_users(struct access *access, const char *file, struct fault *fault)
{
    char warning[512] = "";

    if (file == NULL)
        return true;
    access->users = users_load(file, warning, sizeof warning, fault);
    if (*warning != '\0')
        log_warn("main", "%s", warning);
    return access->users != NULL;
}

static bool load_passfile(struct access *access, const char *file, struct fault *fault)
{
    char warning[512] = "";

    if (file == NULL)
        return true;
    access->passfile = passfile_load(file, warning, sizeof warning, fault);
    if (*warning != '\0')
        log_warn("main", "%s", warning);
    return access->passfile != NULL;
}

static bool load_rules(struct access *access, const struct auth_options *auth, struct problems *problems,
                       struct fault *fault)
{
    if (auth->type != AUTH_HBA)
        return true;
    access->hba = hba_load(auth->hba_file, problems, fault);
    if (auth->ident_file != NULL)
        access->ident = ident_load(auth->ident_file, problems, fault);
    return access->hba != NULL && (auth->ident_file == NULL || access->ident != NULL);
}

static void log_problems(const struct problems *problems)
{
    for (const struct problem *problem = problems->first; problem != NULL; problem = problem->next)
        log_error("main", "%s:%d: %s", problem->file == NULL ? "" : problem->file, problem->line,
                  problem->text);
}

static bool load_rules_or_tell(struct access *access, const struct auth_options *auth,
                               struct problems *problems, struct fault *fault)
{
    struct problems own;
    bool loaded;

    if (problems != NULL)
        return load_rules(access, auth, problems, fault);
    if (!problems_init(&own))
        return fault_set(fault, "53200", "out of memory");
    loaded = load_rules(access, auth, &own, fault);
    log_problems(&own);
    problems_free(&own);
    return loaded;
}

bool access_load(struct access *access, const struct snapshot *snapshot, struct problems *problems,
                 struct fault *fault)
{
    memset(access, 0, sizeof *access);
    if (load_users(access, snapshot->auth.file, fault) &&
        load_passfile(access, snapshot->auth.passfile, fault) &&
        load_rules_or_tell(access, &snapshot->auth, problems, fault) &&
        (access->client_tls = load_tls(&snapshot->tls.client, true, fault)) != NULL &&
        (access->server_tls = load_tls(&snapshot->tls.server, false, fault)) != NULL)
        return true;
    access_free(access);
    return false;
}

void access_free(struct access *access)
{
    users_free(access->users);
    hba_free(access->hba);
    ident_free(access->ident);
    passfile_free(access->passfile);
    tls_context_release(access->client_tls);
    tls_context_release(access->server_tls);
    memset(access, 0, sizeof *access);
}

void access_apply(const struct access *access, const struct snapshot *snapshot,
                  const struct upstreams *upstreams)
{
    for (size_t i = 0; i < snapshot->upstream_count; i++) {
        const struct upstream_options *options = &snapshot->upstreams[i];
        struct upstream_tls tls = {.mode = options->server_tls_sslmode,
                                   .negotiation = snapshot->tls.negotiation,
                                   .sni = snapshot->tls.sni,
                                   .context = tls_context_retain(access->server_tls)};

        upstream_set_tls(upstreams_find(upstreams, options->name), &tls);
    }
}
