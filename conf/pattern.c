/* SPDX-License-Identifier: PostgreSQL
 * pattern - one value of a route's match group: a glob, a regular expression or a network. */
#include "conf/pattern.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/base/check.h"

enum { REGEX_MAX_BYTES = 512, REGEX_MAX_REPEATS = 1000 };

bool glob_matches(const char *glob, const char *text)
{
    const char *star = NULL, *resume = NULL;

    while (*text != '\0') {
        if (*glob == '*') {
            star = glob++;
            resume = text;
        } else if (*glob == '?' || *glob == *text) {
            glob++;
            text++;
        } else if (star != NULL) {
            glob = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

/* Back-references make matching exponential, and nested counted repeats make compiling so: both would let
 * one line of a file, or a client's name, stop a thread. */
static const char *regex_objection(const char *text)
{
    unsigned long repeats = 1;

    if (strlen(text) > REGEX_MAX_BYTES)
        return "it may have at most 512 bytes";
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\' && at[1] >= '1' && at[1] <= '9')
            return "back-references are not supported";
        if (*at == '\\' && at[1] != '\0')
            at++;
        else if (*at == '{') {
            const char *comma = at + 1 + strspn(at + 1, "0123456789");
            unsigned long low = strtoul(at + 1, NULL, 10);
            unsigned long high = *comma == ',' ? strtoul(comma + 1, NULL, 10) : 0;

            repeats *= 1 + (low > high ? low : high);
            if (low > REGEX_MAX_REPEATS || high > REGEX_MAX_REPEATS || repeats > REGEX_MAX_REPEATS)
                return "its counted repeats multiply to more than 1000";
        }
    }
    return NULL;
}

static bool regex_compile(struct pattern *pattern, const char *text, char *why, size_t room)
{
    const char *objection = regex_objection(text);
    char said[128];
    int code;

    if (objection != NULL) {
        snprintf(why, room, "the regular expression is not usable: %s", objection);
        return false;
    }
    code = regcomp(&pattern->regex, text, REG_EXTENDED | REG_NOSUB);
    if (code == 0)
        return true;
    regerror(code, &pattern->regex, said, sizeof said);
    snprintf(why, room, "the regular expression is not valid: %s", said);
    return false;
}

bool pattern_compile(struct pattern *pattern, const char *text, char *why, size_t room)
{
    *pattern = (struct pattern){ .kind = PATTERN_GLOB, .text = text };
    if (*text != '~')
        return true;
    pattern->kind = PATTERN_REGEX;
    return regex_compile(pattern, text + 1, why, room);
}

static bool bits_parse(const char *text, unsigned most, unsigned *bits)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || value > most)
        return false;
    *bits = (unsigned)value;
    return true;
}

bool pattern_compile_address(struct pattern *pattern, const char *text, char *why, size_t room)
{
    size_t length = strcspn(text, "/");
    char address[INET6_ADDRSTRLEN];

    *pattern = (struct pattern){ .kind = strcmp(text, "local") == 0 ? PATTERN_LOCAL : PATTERN_NETWORK,
                                 .text = text };
    if (pattern->kind == PATTERN_LOCAL)
        return true;
    snprintf(address, sizeof address, "%.*s", (int)length, text);
    pattern->family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
    pattern->bits = pattern->family == AF_INET ? 32 : 128;
    if (length < sizeof address && inet_pton(pattern->family, address, pattern->network) == 1 &&
        (text[length] == '\0' || bits_parse(text + length + 1, pattern->bits, &pattern->bits)))
        return true;
    snprintf(why, room,
             "expected an address such as \"10.0.0.7\", a network such as \"10.0.0.0/8\" or \"fd00::/8\", "
             "or \"local\"");
    return false;
}

void pattern_free(struct pattern *pattern)
{
    if (pattern->kind == PATTERN_REGEX)
        regfree(&pattern->regex);
}

bool pattern_matches(const struct pattern *pattern, const char *text)
{
    switch (pattern->kind) {
    case PATTERN_GLOB: return glob_matches(pattern->text, text);
    case PATTERN_REGEX: return regexec(&pattern->regex, text, 0, NULL, 0) == 0;
    case PATTERN_NETWORK:
    case PATTERN_LOCAL: return false;
    }
    UNREACHABLE();
}

/* The raw address bytes, IPv4-mapped ones unwrapped; AF_UNSPEC for local. */
static int address_bytes(const struct sockaddr *address, unsigned char bytes[16])
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (address != NULL && address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        memcpy(bytes, &v4.sin_addr, 4);
        return AF_INET;
    }
    if (address == NULL || address->sa_family != AF_INET6)
        return AF_UNSPEC;
    memcpy(&v6, address, sizeof v6);
    memcpy(bytes, &v6.sin6_addr, 16);
    if (memcmp(bytes, mapped, sizeof mapped) != 0)
        return AF_INET6;
    memmove(bytes, bytes + 12, 4);
    return AF_INET;
}

bool pattern_matches_address(const struct pattern *pattern, const struct sockaddr *address)
{
    unsigned char bytes[16];
    int family = address_bytes(address, bytes);
    unsigned whole = pattern->bits / 8, rest = pattern->bits % 8;

    if (pattern->kind == PATTERN_LOCAL)
        return family == AF_UNSPEC;
    if (pattern->kind != PATTERN_NETWORK || family != pattern->family ||
        memcmp(bytes, pattern->network, whole) != 0)
        return false;
    return rest == 0 || ((bytes[whole] ^ pattern->network[whole]) >> (8 - rest)) == 0;
}
