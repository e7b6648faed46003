/* SPDX-License-Identifier: PostgreSQL
 * hba_ldap - the LDAP options of a rule, and the ldapurl that stands for several of them. */
#include "gateway/auth/hba_ldap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/arena.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL when a percent sign has no two digits behind it, or stands for a zero byte. */
static const char *percent_decode(struct arena *arena, const char *text, size_t length)
{
    char *decoded = arena_copy(arena, text, length), *out = decoded;

    for (size_t i = 0; i < length; i++) {
        int high = text[i] == '%' && i + 2 < length ? hex_digit(text[i + 1]) : -1;
        int low = high < 0 ? -1 : hex_digit(text[i + 2]);

        if (text[i] == '%' && (low < 0 || high * 16 + low == 0))
            return NULL;
        *out++ = text[i] == '%' ? (char)(high * 16 + low) : text[i];
        i += text[i] == '%' ? 2 : 0;
    }
    *out = '\0';
    return decoded;
}

/* The part up to one of `ends`, decoded; at moves behind it and behind that end, if it is there. */
static const char *part_take(struct arena *arena, const char **at, const char *ends)
{
    size_t length = strcspn(*at, ends);
    const char *part = percent_decode(arena, *at, length);

    *at += length + ((*at)[length] == '\0' ? 0 : 1);
    return part;
}

static bool port_parse(const char *text, int *port)
{
    size_t digits = strspn(text, "0123456789");

    *port = digits == 0 || digits > 5 ? 0 : atoi(text);
    return *port >= 1 && *port <= 65535 && text[digits] == '\0';
}

static bool host_take(struct hba_ldap *ldap, struct arena *arena, const char *text, size_t length)
{
    const char *host = arena_copy(arena, text, length);
    const char *bracket = *host == '[' ? strchr(host, ']') : NULL;
    const char *colon = strchr(bracket == NULL ? host : bracket, ':');

    if (*host == '[' && (bracket == NULL || (bracket[1] != ':' && bracket[1] != '\0')))
        return false;
    if (colon != NULL && !port_parse(colon + 1, &ldap->port))
        return false;
    length = colon == NULL ? length : (size_t)(colon - host);
    if (length > 0)
        ldap->server = percent_decode(arena, host, length);
    return length == 0 || ldap->server != NULL;
}

static bool scope_parse(const char *text, enum hba_ldap_scope *scope)
{
    if (*text == '\0' || strcasecmp(text, "base") == 0)
        *scope = HBA_LDAP_BASE;
    else if (strcasecmp(text, "one") == 0 || strcasecmp(text, "onelevel") == 0)
        *scope = HBA_LDAP_ONE;
    else if (strcasecmp(text, "sub") == 0 || strcasecmp(text, "subtree") == 0)
        *scope = HBA_LDAP_SUB;
    else
        return false;
    return true;
}

/* What stands behind the slash after the host. */
static bool tail_take(struct hba_ldap *ldap, struct arena *arena, const char *at, char *why, size_t room)
{
    const char *basedn = part_take(arena, &at, "?");
    const char *attribute = part_take(arena, &at, "?");
    const char *scope = part_take(arena, &at, "?");
    const char *filter = part_take(arena, &at, "?");

    if (basedn == NULL || attribute == NULL || scope == NULL || filter == NULL)
        snprintf(why, room, "ldapurl: expected two hexadecimal digits, not 00, behind each percent sign");
    else if (!scope_parse(scope, &ldap->scope))
        snprintf(why, room, "ldapurl: expected the scope base, one or sub, found \"%.60s\"", scope);
    else if (*at != '\0')
        snprintf(why, room, "ldapurl: nothing may follow the filter; extensions are not supported");
    else {
        ldap->basedn = basedn;
        if (*attribute != '\0')
            ldap->searchattribute = arena_copy(arena, attribute, strcspn(attribute, ","));
        if (*filter != '\0')
            ldap->searchfilter = filter;
        return true;
    }
    return false;
}

bool hba_ldap_url(struct hba_ldap *ldap, struct arena *arena, const char *url, char *why, size_t room)
{
    bool secure = strncasecmp(url, "ldaps://", 8) == 0;
    const char *at = url + (secure ? 8 : 7);
    size_t length;

    if (!secure && strncasecmp(url, "ldap://", 7) != 0) {
        snprintf(why, room, "ldapurl: expected ldap://host:port/basedn?attribute?scope?filter");
        return false;
    }
    ldap->scheme = secure ? "ldaps" : "ldap";
    ldap->port = secure ? 636 : 389;
    length = strcspn(at, "/?");
    if (!host_take(ldap, arena, at, length)) {
        snprintf(why, room, "ldapurl: expected HOST or HOST:PORT, IPv6 in brackets, found \"%.*s\"",
                 length < 60 ? (int)length : 60, at);
        return false;
    }
    if (at[length] == '/')
        return tail_take(ldap, arena, at + length + 1, why, room);
    snprintf(why, room, "ldapurl: expected a slash and the base of the search behind the host");
    return false;
}

static bool empty(const char *text)
{
    return text == NULL || *text == '\0';
}

bool hba_ldap_judge(const struct hba_ldap *ldap, char *why, size_t room)
{
    bool direct = ldap->prefix != NULL || ldap->suffix != NULL;
    bool search = ldap->basedn != NULL || ldap->binddn != NULL || ldap->bindpasswd != NULL ||
                  ldap->searchattribute != NULL || ldap->searchfilter != NULL;

    if (direct && search)
        snprintf(why, room, "ldapprefix and ldapsuffix name the user's entry; ldapbasedn, ldapbinddn, "
                 "ldapbindpasswd, ldapsearchattribute, ldapsearchfilter and ldapurl search for it: keep one");
    else if (!direct && ldap->basedn == NULL)
        snprintf(why, room, "the method ldap needs ldapprefix or ldapsuffix, or ldapbasedn");
    else if (ldap->searchattribute != NULL && ldap->searchfilter != NULL)
        snprintf(why, room, "ldapsearchattribute and ldapsearchfilter exclude each other: keep one");
    else if (empty(ldap->server) && empty(ldap->basedn))
        snprintf(why, room, "the method ldap needs ldapserver, unless ldapbasedn names a domain to find it");
    else
        return true;
    return false;
}
