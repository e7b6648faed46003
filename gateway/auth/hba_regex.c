/* SPDX-License-Identifier: PostgreSQL
 * hba_regex - PostgreSQL's regular expressions of pg_hba.conf and pg_ident.conf, for the C library. */
#include "gateway/auth/hba_regex.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/check.h"

/* An escape of two bytes becomes at most LONGEST_REWRITE bytes. */
enum { LONGEST_REWRITE = 14, REPEAT_MAX = 255, REPEATS_MAX = 1000 };

struct hba_regex {
    struct hba_regex *next;
    regex_t compiled;
};

struct rewriter {
    const char *at;
    char out[HBA_REGEX_MAX_BYTES * LONGEST_REWRITE + 1];
    size_t used;
    bool repeatable;       /* the last thing may be followed by a repeat */
    unsigned long repeats; /* the counted ones, multiplied */
    int depth;             /* parentheses that are open */
    const char *objection; /* why it is refused, else NULL */
};

static void put(struct rewriter *r, const char *text, size_t length)
{
    CHECK(r->used + length < sizeof r->out);
    memcpy(r->out + r->used, text, length);
    r->used += length;
}

/* From now on at may be behind the text's end. */
static void objection_make(struct rewriter *r, const char *objection)
{
    if (r->objection == NULL)
        r->objection = objection;
}

static void escape_rewrite(struct rewriter *r)
{
    static const struct { char letter; bool repeatable; const char *text; } rows[] = {
        { 'd', true, "[[:digit:]]" },  { 'D', true, "[^[:digit:]]" },  { 's', true, "[[:space:]]" },
        { 'S', true, "[^[:space:]]" }, { 'w', true, "[[:alnum:]_]" },  { 'W', true, "[^[:alnum:]_]" },
        { 'A', false, "^" },           { 'Z', false, "$" },            { 'y', false, "\\b" },
        { 'Y', false, "\\B" },         { 'm', false, "\\<" },          { 'M', false, "\\>" },
    };
    char letter = r->at[1];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].letter != letter)
            continue;
        put(r, rows[i].text, strlen(rows[i].text));
        r->repeatable = rows[i].repeatable;
        r->at += 2;
        return;
    }
    if (letter >= '0' && letter <= '9')
        objection_make(r, "back-references are not supported");
    else if (letter == '\0')
        objection_make(r, "nothing follows its last backslash");
    else if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter & 0x80) != 0)
        objection_make(r, "of the escapes of letters, only \\d \\D \\s \\S \\w \\W \\A \\Z \\y \\Y \\m \\M "
                          "are supported");
    else
        put(r, r->at, 2);
    r->repeatable = true;
    r->at += 2;
}

/* In PostgreSQL a backslash escapes within brackets too; in POSIX it stands for itself there. */
static void bracket_escape_rewrite(struct rewriter *r)
{
    switch (r->at[1]) {
    case 'd': put(r, "[:digit:]", 9); break;
    case 's': put(r, "[:space:]", 9); break;
    case 'w': put(r, "[:alnum:]_", 10); break;
    default:
        if (r->at[1] == '\0' || strchr("[]^-", r->at[1]) != NULL || (r->at[1] & 0x80) != 0 ||
            (r->at[1] >= '0' && r->at[1] <= '9') || ((r->at[1] | 0x20) >= 'a' && (r->at[1] | 0x20) <= 'z'))
            objection_make(r, "of the escapes within brackets, only \\d \\s \\w and those of marks other "
                              "than [ ] ^ - are supported");
        put(r, r->at + 1, 1);
    }
    r->at += 2;
}

/* [[:alpha:]] and its like; at stands on the inner bracket. */
static void bracket_class_rewrite(struct rewriter *r)
{
    const char *end = r->at[1] == ':' ? strstr(r->at + 2, ":]") : NULL;

    if (end == NULL) {
        if (strchr(":.=\\", r->at[1]) != NULL)
            objection_make(r, "within brackets, of [: [. [= and [\\ only a whole [:class:] is supported");
        put(r, r->at++, 1);
        return;
    }
    put(r, r->at, (size_t)(end + 2 - r->at));
    r->at = end + 2;
}

static void bracket_rewrite(struct rewriter *r)
{
    size_t negated = r->at[1] == '^' ? 1 : 0;
    size_t literal = r->at[1 + negated] == ']' ? 1 : 0;

    put(r, r->at, 1 + negated + literal);
    r->at += 1 + negated + literal;
    while (r->objection == NULL && *r->at != '\0' && *r->at != ']') {
        if (*r->at == '\\')
            bracket_escape_rewrite(r);
        else if (*r->at == '[')
            bracket_class_rewrite(r);
        else
            put(r, r->at++, 1);
    }
    if (r->objection == NULL && *r->at == '\0')
        objection_make(r, "a bracket is never closed");
    if (r->objection == NULL)
        put(r, r->at++, 1);
    r->repeatable = true;
}

/* A count in braces; nested ones multiply what has to be compiled, so they are bounded. */
static size_t counts_measure(struct rewriter *r)
{
    char *end;
    unsigned long low = strtoul(r->at + 1, &end, 10), high = low;

    if (*end == ',' && end[1] >= '0' && end[1] <= '9')
        high = strtoul(end + 1, &end, 10);
    else if (*end == ',')
        end++;
    if (r->at[1] < '0' || r->at[1] > '9' || *end != '}' || low > high || high > REPEAT_MAX)
        objection_make(r, "a count in braces is {m}, {m,} or {m,n} of at most 255; a brace that is meant is "
                          "\\{");
    else
        r->repeats *= 1 + high;
    if (r->repeats > REPEATS_MAX)
        objection_make(r, "its counted repeats multiply to more than 1000");
    return (size_t)(end + 1 - r->at);
}

static void repeat_rewrite(struct rewriter *r)
{
    size_t length = 1;

    if (!r->repeatable)
        objection_make(r, "a repeat (* + ? {}) stands where there is nothing to repeat, or it is not a "
                          "greedy one");
    if (*r->at == '{')
        length = counts_measure(r);
    if (r->objection != NULL)
        return;
    put(r, r->at, length);
    r->at += length;
    r->repeatable = false;
}

static void plain_rewrite(struct rewriter *r)
{
    char byte = *r->at;

    r->repeatable = strchr("^$(|", byte) == NULL;
    if (byte == '(' && r->at[1] == '?')
        objection_make(r, "(? is not supported");
    r->depth += byte == '(';
    r->depth -= byte == ')';
    if (r->depth < 0)
        objection_make(r, "a parenthesis is closed that was not opened");
    put(r, r->at++, 1);
}

static const char *rewrite(struct rewriter *r)
{
    if (*r->at == '\0')
        return "it is empty, and would match everything";
    if (strlen(r->at) > HBA_REGEX_MAX_BYTES)
        return "it may have at most 512 bytes";
    while (r->objection == NULL && *r->at != '\0') {
        if (*r->at == '\\')
            escape_rewrite(r);
        else if (*r->at == '[')
            bracket_rewrite(r);
        else if (strchr("*+?{", *r->at) != NULL)
            repeat_rewrite(r);
        else
            plain_rewrite(r);
    }
    r->out[r->used] = '\0';
    return r->objection;
}

const regex_t *hba_regex_make(struct hba_regexes *regexes, const char *text, char *why, size_t room)
{
    struct rewriter rewriter = { .at = text, .repeats = 1 };
    const char *objection = regexes->count == HBA_REGEXES_MAX
                                ? "there are more than 1000 of them" : rewrite(&rewriter);
    struct hba_regex *regex;
    char said[128];
    int code;

    if (objection != NULL) {
        snprintf(why, room, "the regular expression \"%.80s\" is not usable: %s", text, objection);
        return NULL;
    }
    regex = arena_alloc(regexes->arena, sizeof *regex);
    code = regcomp(&regex->compiled, rewriter.out, REG_EXTENDED);
    if (code != 0) {
        regerror(code, &regex->compiled, said, sizeof said);
        snprintf(why, room, "the regular expression \"%.80s\" is not valid: %s", text, said);
        return NULL;
    }
    regex->next = regexes->first;
    regexes->first = regex;
    regexes->count++;
    return &regex->compiled;
}

void hba_regexes_free(struct hba_regexes *regexes)
{
    for (struct hba_regex *regex = regexes->first; regex != NULL; regex = regex->next)
        regfree(&regex->compiled);
    regexes->first = NULL;
    regexes->count = 0;
}
