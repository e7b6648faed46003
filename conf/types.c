/* SPDX-License-Identifier: PostgreSQL
 * types - the words of the configuration contract, as the operator writes them. */
#include "conf/types.h"

#include "conf/options.h"
#include "conf/session_state.h"
#include "gateway/base/check.h"

const struct conf_word mode_words[] = {
    { "transaction", MODE_TRANSACTION }, { "session", MODE_SESSION }, { "statement", MODE_STATEMENT },
    { "direct", MODE_DIRECT },           { "reject", MODE_REJECT },   { 0 },
};

const struct conf_word class_words[] = {
    { "app", CLASS_APP },       { "dump", CLASS_DUMP },
    { "restore", CLASS_RESTORE }, { "backup", CLASS_BACKUP },
    { "replication", CLASS_REPLICATION }, { "maintenance", CLASS_MAINTENANCE },
    { "admin", CLASS_ADMIN },   { 0 },
};

const struct conf_word auth_type_words[] = {
    { "relay", AUTH_RELAY }, { "trust", AUTH_TRUST },         { "plain", AUTH_PLAIN },
    { "md5", AUTH_MD5 },     { "scram-sha-256", AUTH_SCRAM }, { "cert", AUTH_CERT },
    { "hba", AUTH_HBA },     { 0 },
};

const struct conf_word sslmode_words[] = {
    { "disable", SSLMODE_DISABLE },     { "allow", SSLMODE_ALLOW },
    { "prefer", SSLMODE_PREFER },       { "require", SSLMODE_REQUIRE },
    { "verify-ca", SSLMODE_VERIFY_CA }, { "verify-full", SSLMODE_VERIFY_FULL },
    { 0 },
};

const struct conf_word own_sslmode_words[] = {
    { "default", SSLMODE_DEFAULT },     { "disable", SSLMODE_DISABLE },
    { "allow", SSLMODE_ALLOW },         { "prefer", SSLMODE_PREFER },
    { "require", SSLMODE_REQUIRE },     { "verify-ca", SSLMODE_VERIFY_CA },
    { "verify-full", SSLMODE_VERIFY_FULL }, { 0 },
};

const struct conf_word tls_negotiation_words[] = {
    { "postgres", TLS_POSTGRES }, { "direct", TLS_DIRECT }, { 0 },
};

const struct conf_word listener_tls_words[] = {
    { "terminate", LISTENER_TERMINATES }, { "passthrough", LISTENER_PASSES_THROUGH }, { 0 },
};

const struct conf_word on_wrong_port_words[] = {
    { "move", ON_WRONG_PORT_MOVE }, { "refuse", ON_WRONG_PORT_REFUSE }, { "warn", ON_WRONG_PORT_WARN }, { 0 },
};

const struct conf_word state_policy_words[] = {
    { "pin", STATE_PIN }, { "refuse", STATE_REFUSE }, { "allow", STATE_ALLOW }, { 0 },
};

const struct conf_word rate_words[] = { { "none", RATE_NONE }, { "adaptive", RATE_ADAPTIVE }, { 0 } };

const struct conf_word memory_words[] = { { "none", MEMORY_NO_LIMIT }, { "auto", MEMORY_AUTO }, { 0 } };

const struct conf_word isolation_words[] = {
    { "normal", ISOLATION_NORMAL }, { "strict", ISOLATION_STRICT }, { 0 },
};

const struct conf_word target_words[] = {
    { "primary", TARGET_PRIMARY }, { "standby", TARGET_STANDBY },
    { "prefer-standby", TARGET_PREFER_STANDBY }, { "any", TARGET_ANY }, { 0 },
};

static const char *word_of(const struct conf_word *words, int value)
{
    for (; words->word != NULL; words++)
        if (words->value == value)
            return words->word;
    UNREACHABLE();
}

const char *mode_name(enum mode mode)
{
    return word_of(mode_words, (int)mode);
}

const char *class_name(enum class class)
{
    return word_of(class_words, (int)class);
}

const char *auth_type_name(enum auth_type type)
{
    static const char *const of_hba[] = { "peer", "ldap", "pam", "reject" };

    return type > AUTH_HBA ? of_hba[type - AUTH_PEER] : word_of(auth_type_words, (int)type);
}

const char *sslmode_name(enum sslmode mode)
{
    return word_of(own_sslmode_words, (int)mode);
}

const char *on_wrong_port_name(enum on_wrong_port what)
{
    return word_of(on_wrong_port_words, (int)what);
}

const char *target_name(enum target target)
{
    return word_of(target_words, (int)target);
}

const char *isolation_name(enum isolation isolation)
{
    return word_of(isolation_words, (int)isolation);
}
