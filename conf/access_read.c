/* SPDX-License-Identifier: PostgreSQL
 * access_read - the groups `auth` and `tls` of a configuration file, and what must fit together in them.
 * Whether the files hold what they should is found out by who loads them. */
#include "conf/access_read.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/conf.h"
#include "conf/options.h"
#include "conf/snapshot.h"

static void scope_read(struct conf_group *group, enum option_scope scope, void *into)
{
    size_t count;
    const struct conf_row *rows = options_rows(scope, &count);

    conf_read(group, rows, count, into);
    conf_end(group);
}

/* Every row that names a file must name one that is there. */
static void files_check(const struct conf_group *group, enum option_scope scope, const void *from)
{
    size_t count;
    const struct conf_row *rows = options_rows(scope, &count);
    struct stat status;

    for (size_t i = 0; i < count; i++) {
        const char *path;

        if (rows[i].type != CONF_PATH)
            continue;
        memcpy(&path, (const char *)from + rows[i].offset, sizeof path);
        if (path == NULL)
            continue;
        if (stat(path, &status) != 0)
            conf_problem(group, rows[i].name, "expected a file that can be read, found \"%.200s\": %s", path,
                         strerror(errno));
        else if (!S_ISREG(status.st_mode))
            conf_problem(group, rows[i].name,
                         "expected a regular file, found something else at \"%.200s\"", path);
    }
}

static void auth_check(const struct conf_group *group, const struct snapshot *snapshot)
{
    const struct auth_options *auth = &snapshot->auth;
    bool needs_secrets = auth->type == AUTH_PLAIN || auth->type == AUTH_MD5 || auth->type == AUTH_SCRAM;

    files_check(group, OPTIONS_auth, auth);
    if (needs_secrets && auth->file == NULL && auth->user == NULL)
        conf_problem(group, "auth_type",
                     "\"%s\" checks passwords, which come from a file or from PostgreSQL; add auth_file or "
                     "auth_user",
                     auth_type_name(auth->type));
    if (auth->type == AUTH_HBA && auth->hba_file == NULL)
        conf_problem(group, "auth_type", "\"hba\" goes by a file of rules; add auth_hba_file");
    for (size_t i = 0; auth->type == AUTH_RELAY && i < snapshot->own_route_count; i++)
        if (snapshot->routes[i].user != NULL)
            conf_problem(group, "auth_type",
                         "\"relay\" cannot log in as another user, which the route \"%s\" wants; use "
                         "\"scram-sha-256\", for example",
                         snapshot->routes[i].name);
    if (auth->type != AUTH_HBA && auth->hba_file != NULL)
        conf_problem(group, "auth_hba_file", "it is used by auth_type = \"hba\" only, found \"%s\"",
                     auth_type_name(auth->type));
    if (auth->ident_file != NULL && auth->hba_file == NULL)
        conf_problem(group, "auth_ident_file", "it serves the option map= of auth_hba_file; add that");
}

static void pair_check(const struct conf_group *group, const struct tls_side *side, const char *key,
                       const char *cert)
{
    if (side->key_file != NULL && side->cert_file == NULL)
        conf_problem(group, key, "a key needs its certificate; add %s", cert);
    if (side->cert_file != NULL && side->key_file == NULL)
        conf_problem(group, cert, "a certificate needs its key; add %s", key);
}

static void client_mode_check(const struct conf_group *group, const struct tls_side *side,
                              enum sslmode mode, const char *whose)
{
    if (mode >= SSLMODE_REQUIRE && side->cert_file == NULL)
        conf_problem(group, "client_tls_sslmode",
                     "\"%s\"%s needs a certificate; add client_tls_key_file and client_tls_cert_file",
                     sslmode_name(mode), whose);
    if (mode >= SSLMODE_VERIFY_CA && side->ca_file == NULL)
        conf_problem(group, "client_tls_sslmode",
                     "\"%s\"%s checks the certificates of clients; add client_tls_ca_file",
                     sslmode_name(mode), whose);
}

/* Any host with a certificate from anybody's authority would do. libpq refuses this as well. */
static void server_mode_check(const struct conf_group *group, const struct snapshot *snapshot)
{
    bool lax = snapshot->tls.server.mode == SSLMODE_VERIFY_CA;

    for (size_t i = 0; i < snapshot->upstream_count; i++)
        lax = lax || snapshot->upstreams[i].server_tls_sslmode == SSLMODE_VERIFY_CA;
    if (lax && snapshot->tls.server.ca_file == NULL)
        conf_problem(
            group, "server_tls_sslmode",
            "\"verify-ca\" with the system's authorities would believe every host that has a certificate; "
            "add server_tls_ca_file, or use \"verify-full\"");
}

static void tls_check(const struct conf_group *group, const struct snapshot *snapshot)
{
    const struct tls_options *tls = &snapshot->tls;

    files_check(group, OPTIONS_tls, tls);
    pair_check(group, &tls->client, "client_tls_key_file", "client_tls_cert_file");
    pair_check(group, &tls->server, "server_tls_key_file", "server_tls_cert_file");
    client_mode_check(group, &tls->client, tls->client.mode, "");
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (snapshot->listeners[i].client_tls_sslmode != tls->client.mode)
            client_mode_check(group, &tls->client, snapshot->listeners[i].client_tls_sslmode,
                              " of a listener");
    server_mode_check(group, snapshot);
    if (tls->negotiation == TLS_DIRECT && tls->server.mode < SSLMODE_REQUIRE)
        conf_problem(group, "server_tls_negotiation",
                     "\"direct\" cannot fall back to a connection without TLS; use server_tls_sslmode = "
                     "\"require\" or stricter, found \"%s\"",
                     sslmode_name(tls->server.mode));
}

static void inherit_modes(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (snapshot->listeners[i].client_tls_sslmode == SSLMODE_DEFAULT)
            snapshot->listeners[i].client_tls_sslmode = snapshot->tls.client.mode;
    for (size_t i = 0; i < snapshot->upstream_count; i++)
        if (snapshot->upstreams[i].server_tls_sslmode == SSLMODE_DEFAULT)
            snapshot->upstreams[i].server_tls_sslmode = snapshot->tls.server.mode;
}

void access_read(struct snapshot *snapshot, struct conf_group *root)
{
    struct conf_group auth = conf_child(root, option_scope_place(OPTIONS_auth));
    struct conf_group tls = conf_child(root, option_scope_place(OPTIONS_tls));

    scope_read(&auth, OPTIONS_auth, &snapshot->auth);
    scope_read(&tls, OPTIONS_tls, &snapshot->tls);
    inherit_modes(snapshot);
    auth_check(&auth, snapshot);
    tls_check(&tls, snapshot);
    if (snapshot->auth.type == AUTH_CERT && snapshot->tls.client.ca_file == NULL)
        conf_problem(&auth, "auth_type",
                     "\"cert\" checks the certificates of clients; add client_tls_ca_file "
                     "to tls");
}
