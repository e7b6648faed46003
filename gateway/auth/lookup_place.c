/* SPDX-License-Identifier: PostgreSQL
 * lookup_place - how a look-up reaches PostgreSQL: libpq's parameters, from the configuration. */
#include "gateway/auth/lookup_place.h"

#include <libpq-fe.h>
#include <netdb.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/passfile.h"
#include "gateway/auth/secret.h"
#include "gateway/auth/users.h"
#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/gateway.h"

/* Whatever auth_query says, it can write nothing, meets no operator or function but of pg_catalog by a bare
 * name, and ends. */
#define SESSION_OPTIONS \
    "-c search_path=pg_catalog -c default_transaction_read_only=on -c statement_timeout=5s"

/* A file that cannot be: libpq goes on as if its default were absent, without a word. */
#define NO_FILE "/dev/null/none"

enum { LIBPQ_WITH_SYSTEM_ROOTS = 160000, LIBPQ_WITH_DIRECT_TLS = 170000 };

void lookup_place_isolate(void)
{
    PQconninfoOption *options = PQconndefaults();

    CHECK(options != NULL);
    for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
        if (option->envvar != NULL)
            unsetenv(option->envvar);
    PQconninfoFree(options);
}

static void add(struct lookup_place *place, const char *name, const char *value)
{
    CHECK(place->count < LOOKUP_PLACE_PARAMETERS);
    place->names[place->count] = name;
    place->values[place->count++] = value;
}

static bool address_add(struct lookup_place *place, const struct host *host, const struct address *address,
                        struct fault *fault)
{
    int error;

    add(place, "host", host->name); /* what the certificate must say */
    snprintf(place->port, sizeof place->port, "%d", host->port);
    add(place, "port", place->port);
    if (address->any.sa_family == AF_UNIX)
        return true;
    error = getnameinfo(&address->any, address->length, place->address, sizeof place->address, NULL, 0,
                        NI_NUMERICHOST);
    if (error != 0)
        return fault_set(fault, "08001", "an address of \"%s\" cannot be written: %s", host->name,
                         gai_strerror(error));
    add(place, "hostaddr", place->address); /* so that libpq asks no name server, which would block */
    return true;
}

static const char *password_of(const struct access *access, const struct auth_options *auth,
                               const struct host *host)
{
    const struct user *user = access->users == NULL ? NULL : users_find(access->users, auth->user);

    if (user != NULL && secret_password(user->secret) != NULL)
        return secret_password(user->secret);
    return access->passfile == NULL
               ? NULL
               : passfile_find(access->passfile, host->name, host->port, auth->dbname, auth->user);
}

static void login_add(struct lookup_place *place, const struct generation *generation,
                      const struct host *host, const char *application_name)
{
    const struct auth_options *auth = &generation->snapshot->auth;
    const char *password = password_of(&generation->access, auth, host);

    add(place, "user", auth->user);
    add(place, "dbname", auth->dbname);
    if (password != NULL)
        add(place, "password", password);
    add(place, "passfile", NO_FILE);
    add(place, "options", SESSION_OPTIONS);
    add(place, "application_name", application_name);
    add(place, "client_encoding", "UTF8");
    add(place, "gssencmode", "disable");
    add(place, "target_session_attrs", "any");
}

static const char *roots(const struct tls_side *side, enum sslmode mode)
{
    if (mode < SSLMODE_VERIFY_CA)
        return NO_FILE; /* a file of authorities would make libpq check what nobody asked to be checked */
    if (side->ca_file != NULL)
        return side->ca_file;
    if (mode == SSLMODE_VERIFY_FULL && PQlibVersion() >= LIBPQ_WITH_SYSTEM_ROOTS)
        return "system";
    return X509_get_default_cert_file();
}

static void tls_add(struct lookup_place *place, const struct tls_options *tls, enum sslmode mode)
{
    const struct tls_side *side = &tls->server;
    bool only13 = strcmp(side->protocols, "tlsv1.3") == 0;

    add(place, "sslmode", sslmode_name(mode));
    add(place, "sslrootcert", roots(side, mode));
    add(place, "sslcrl", side->crl_file != NULL ? side->crl_file : NO_FILE);
    add(place, "sslcert", side->cert_file != NULL ? side->cert_file : NO_FILE);
    add(place, "sslkey", side->key_file != NULL ? side->key_file : NO_FILE);
    add(place, "sslsni", tls->sni ? "1" : "0");
    add(place, "ssl_min_protocol_version", only13 ? "TLSv1.3" : "TLSv1.2");
    if (tls->negotiation == TLS_DIRECT && mode >= SSLMODE_REQUIRE && PQlibVersion() >= LIBPQ_WITH_DIRECT_TLS)
        add(place, "sslnegotiation", "direct");
}

bool lookup_place_at(struct lookup_place *place, const struct generation *generation,
                     const struct upstream *upstream, const struct upstream_place *where,
                     const char *application_name, struct fault *fault)
{
    const struct snapshot *snapshot = generation->snapshot;
    const struct upstream_options *options = snapshot_upstream(snapshot, upstream->name);

    CHECK(options != NULL && snapshot->auth.user != NULL);
    memset(place, 0, sizeof *place);
    if (!address_add(place, where->host, &where->address, fault))
        return false;
    place->budget = where->host->budget;
    login_add(place, generation, where->host, application_name);
    tls_add(place, &snapshot->tls, options->server_tls_sslmode);
    return true;
}

bool lookup_place_find(struct lookup_place *place, const struct generation *generation,
                       struct upstream *upstream, unsigned attempt, struct fault *fault)
{
    struct upstream_place where;

    memset(place, 0, sizeof *place);
    return upstream_place(upstream, NULL, attempt, &where, fault) &&
           lookup_place_at(place, generation, upstream, &where, "pgsluice auth", fault);
}
