/* SPDX-License-Identifier: PostgreSQL
 * hba_options - the options behind the method in pg_hba.conf: name=value, each for some methods only. */
#include "gateway/auth/hba_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/hba_ldap.h"
#include "gateway/base/arena.h"

enum option_for { FOR_MAP, FOR_TLS, FOR_PAM, FOR_LDAP };

static bool refuse(struct hba_draft *draft, const char *expected, const char *value)
{
    snprintf(draft->why, sizeof draft->why, "expected %s, found \"%.60s\"", expected, value);
    return false;
}

static bool flag_take(struct hba_draft *draft, const char *expected, const char *value, bool *flag)
{
    *flag = strcmp(value, "1") == 0;
    return *flag || strcmp(value, "0") == 0 || refuse(draft, expected, value);
}

static bool take_map(struct hba_draft *draft, const char *value)
{
    draft->rule->map = *value == '\0' ? NULL : value;
    return true;
}

static bool take_clientcert(struct hba_draft *draft, const char *value)
{
    bool full = strcmp(value, "verify-full") == 0;

    if (!full && strcmp(value, "verify-ca") != 0)
        return refuse(draft, "clientcert=verify-ca or clientcert=verify-full", value);
    if (!full && draft->rule->method == AUTH_CERT)
        return refuse(draft, "clientcert=verify-full, or none, as the method cert checks the name anyway",
                      value);
    draft->rule->clientcert = full ? HBA_CLIENTCERT_FULL : HBA_CLIENTCERT_CA;
    return true;
}

static bool take_clientname(struct hba_draft *draft, const char *value)
{
    bool whole = strcmp(value, "DN") == 0;

    draft->rule->clientname = whole ? HBA_CLIENTNAME_DN : HBA_CLIENTNAME_CN;
    return whole || strcmp(value, "CN") == 0 || refuse(draft, "clientname=CN or clientname=DN", value);
}

static bool take_pamservice(struct hba_draft *draft, const char *value)
{
    draft->rule->pamservice = value;
    return true;
}

static bool take_pam_use_hostname(struct hba_draft *draft, const char *value)
{
    return flag_take(draft, "pam_use_hostname=0 or pam_use_hostname=1", value,
                     &draft->rule->pam_use_hostname);
}

static bool take_ldapurl(struct hba_draft *draft, const char *value)
{
    return hba_ldap_url(draft->ldap, draft->arena, value, draft->why, sizeof draft->why);
}

static bool take_ldaptls(struct hba_draft *draft, const char *value)
{
    return flag_take(draft, "ldaptls=0 or ldaptls=1", value, &draft->ldap->starttls);
}

static bool take_ldapscheme(struct hba_draft *draft, const char *value)
{
    draft->ldap->scheme = value;
    return strcmp(value, "ldap") == 0 || strcmp(value, "ldaps") == 0
           || refuse(draft, "ldapscheme=ldap or ldapscheme=ldaps", value);
}

static bool take_ldapport(struct hba_draft *draft, const char *value)
{
    size_t digits = strspn(value, "0123456789");

    draft->ldap->port = digits == 0 || digits > 5 || value[digits] != '\0' ? 0 : atoi(value);
    return (draft->ldap->port >= 1 && draft->ldap->port <= 65535)
           || refuse(draft, "ldapport= with a number from 1 to 65535", value);
}

#define LDAP_TEXT(field) \
    static bool take_ldap##field(struct hba_draft *draft, const char *value) \
    { \
        draft->ldap->field = value; \
        return true; \
    }
LDAP_TEXT(server)
LDAP_TEXT(binddn)
LDAP_TEXT(bindpasswd)
LDAP_TEXT(searchattribute)
LDAP_TEXT(searchfilter)
LDAP_TEXT(basedn)
LDAP_TEXT(prefix)
LDAP_TEXT(suffix)

static const struct option {
    const char *name;
    bool (*take)(struct hba_draft *draft, const char *value);
    enum option_for valid;
} options[] = {
#define HBA_METHOD(word, id)
#define HBA_FOREIGN(word)
#define HBA_OPTION(name, takes, methods) { name, take_##takes, methods },
#include "gateway/auth/hba_methods.def"
};

/* NULL when the option is valid for this rule, else what it is for. */
static const char *objection(const struct option *option, const struct hba_rule *rule)
{
    switch (option->valid) {
    case FOR_MAP:
        return rule->method == AUTH_PEER || rule->method == AUTH_CERT ? NULL : "the methods peer and cert";
    case FOR_TLS: return rule->type == HBA_HOSTSSL ? NULL : "lines of type hostssl";
    case FOR_PAM: return rule->method == AUTH_PAM ? NULL : "the method pam";
    case FOR_LDAP: break;
    }
    return rule->method == AUTH_LDAP ? NULL : "the method ldap";
}

static bool option_take(struct hba_draft *draft, const char *text)
{
    size_t length = strcspn(text, "=");
    const char *value = text + length + 1, *why;

    if (text[length] == '\0') { /* not shown: it may be the rest of a password */
        snprintf(draft->why, sizeof draft->why, "expected options as NAME=VALUE behind the method, found a "
                 "word without =; put values with blanks or commas into quotes");
        return false;
    }
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strlen(options[i].name) != length || memcmp(options[i].name, text, length) != 0)
            continue;
        why = objection(&options[i], draft->rule);
        if (why == NULL)
            return options[i].take(draft, value);
        snprintf(draft->why, sizeof draft->why, "the option %s is for %s only", options[i].name, why);
        return false;
    }
    if (draft->ldap != NULL && draft->ldap->bindpasswd != NULL)
        snprintf(draft->why, sizeof draft->why, "an option behind ldapbindpasswd is not known; put a "
                                                "password with blanks or commas into quotes");
    else
        snprintf(draft->why, sizeof draft->why, "the option \"%.*s\" is not known",
                 length < 60 ? (int)length : 60, text);
    return false;
}

bool hba_options_take(struct hba_draft *draft, const struct hba_field *fields)
{
    struct hba_rule *rule = draft->rule;

    if (rule->method == AUTH_LDAP) {
        draft->ldap = arena_alloc(draft->arena, sizeof *draft->ldap);
        *draft->ldap = (struct hba_ldap){ .scheme = "ldap", .scope = HBA_LDAP_SUB };
        rule->ldap = draft->ldap;
    }
    for (; fields != NULL; fields = fields->next) {
        for (const struct hba_token *token = fields->tokens; token != NULL; token = token->next) {
            if (!option_take(draft, token->text))
                return false;
        }
    }
    if (rule->method == AUTH_CERT)
        rule->clientcert = HBA_CLIENTCERT_FULL;
    return draft->ldap == NULL || hba_ldap_judge(draft->ldap, draft->why, sizeof draft->why);
}
