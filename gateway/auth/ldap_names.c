/* SPDX-License-Identifier: PostgreSQL
 * ldap_names - what a directory is asked for. Whatever the user is called, it stays one value in it. */
#include "gateway/auth/ldap_names.h"

#include <stdio.h>
#include <string.h>

#include "gateway/auth/hba_ldap.h"
#include "gateway/base/fault.h"

enum { PLACE_BYTES = 100 };

#define NAME_SPECIALS "\"+,;<>\\=#"
#define FILTER_SPECIALS "*()\\/"
#define USERNAME "$username"

/* Text that grows in a fixed place; once it did not fit it stays so. */
struct text {
    char *at;
    size_t used, room;
    bool fits;
};

static void text_add(struct text *text, const char *bytes, size_t length)
{
    if (!text->fits || length >= text->room - text->used) {
        text->fits = false;
        return;
    }
    memcpy(text->at + text->used, bytes, length);
    text->used += length;
    text->at[text->used] = '\0';
}

static bool is_control(unsigned char byte)
{
    return byte < ' ' || byte == 0x7f;
}

/* One byte of a value; those that can stand for something are escaped wherever they stand. */
static void escaped_add(struct text *text, const char *byte, bool outermost)
{
    char hex[4];

    if (is_control((unsigned char)*byte)) {
        snprintf(hex, sizeof hex, "\\%02X", (unsigned char)*byte);
        text_add(text, hex, 3);
        return;
    }
    if (strchr(NAME_SPECIALS, *byte) != NULL || (outermost && *byte == ' '))
        text_add(text, "\\", 1);
    text_add(text, byte, 1);
}

static bool overlong(const char *what, const char *user, struct fault *fault)
{
    return fault_set(fault, "54000", "the LDAP %s of user \"%.*s\" is longer than expected", what,
                     PLACE_BYTES, user);
}

static bool unwelcome(const char *user, const char *characters, struct fault *fault)
{
    return fault_set(fault, "28P01", "user \"%.*s\" has a character of %s in its name: LDAP was not asked",
                     PLACE_BYTES, user, characters);
}

bool ldap_name_make(const struct hba_ldap *options, const char *user, char *name, struct fault *fault)
{
    const char *prefix = options->prefix != NULL ? options->prefix : "";
    const char *suffix = options->suffix != NULL ? options->suffix : "";
    struct text text = { .at = name, .room = LDAP_NAME_BYTES, .fits = true };
    bool distinguished = strchr(prefix, '=') != NULL;

    if (*prefix == '\0' && *suffix == '\0')
        return fault_set(fault, "F0000", "LDAP needs to know where users are: one of the options ldapbasedn, "
                         "ldapprefix and ldapsuffix was expected");
    if (!distinguished && strpbrk(user, NAME_SPECIALS) != NULL)
        return unwelcome(user, NAME_SPECIALS, fault);
    text_add(&text, prefix, strlen(prefix));
    for (const char *at = user; *at != '\0'; at++) {
        if (distinguished)
            escaped_add(&text, at, at == user || at[1] == '\0');
        else
            text_add(&text, at, 1);
    }
    text_add(&text, suffix, strlen(suffix));
    return text.fits || overlong("name", user, fault);
}

bool ldap_filter_make(const struct hba_ldap *options, const char *user, char *filter, struct fault *fault)
{
    const char *attribute = options->searchattribute != NULL ? options->searchattribute : "uid";
    const char *rest = options->searchfilter;
    const char *found;
    struct text text = { .at = filter, .room = LDAP_FILTER_BYTES, .fits = true };

    if (strpbrk(user, FILTER_SPECIALS) != NULL)
        return unwelcome(user, FILTER_SPECIALS, fault);
    if (rest == NULL || *rest == '\0') {
        text_add(&text, "(", 1);
        text_add(&text, attribute, strlen(attribute));
        text_add(&text, "=", 1);
        text_add(&text, user, strlen(user));
        text_add(&text, ")", 1);
        return text.fits || overlong("filter", user, fault);
    }
    if (strstr(rest, USERNAME) == NULL)
        return fault_set(fault, "F0000", "%s was expected in the LDAP filter \"%.*s\", which is the same "
                         "for all users", USERNAME, PLACE_BYTES, rest);
    while ((found = strstr(rest, USERNAME)) != NULL) {
        text_add(&text, rest, (size_t)(found - rest));
        text_add(&text, user, strlen(user));
        rest = found + strlen(USERNAME);
    }
    text_add(&text, rest, strlen(rest));
    return text.fits || overlong("filter", user, fault);
}
