/* SPDX-License-Identifier: PostgreSQL
 * opening - the second classifier: what a session's first statements give away, and which later ones need a
 * server of their own. Text only decides when to look closer; nothing here is a security boundary. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "router/classify.h"
#include "router/programs.h"
#include "router/words.h"

enum { CANONICAL_MAX = 128 };

/* One statement in the spelling of openings.def, as far as it fits. */
struct canonical {
    char text[CANONICAL_MAX];
    size_t length;
    bool cut;               /* longer than any opening: it is none */
    bool set;               /* starts with SET */
    enum word_kind last;
};

static void canonical_put(struct canonical *canonical, const char *bytes, size_t length)
{
    if (canonical->length + length >= sizeof canonical->text) {
        canonical->cut = true;
        return;
    }
    memcpy(canonical->text + canonical->length, bytes, length);
    canonical->length += length;
    canonical->text[canonical->length] = '\0';
}

static void canonical_put_lower(struct canonical *canonical, const struct word *word)
{
    for (size_t i = 0; i < word->length && !canonical->cut; i++) {
        char c = word->text[i];

        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        canonical_put(canonical, &c, 1);
    }
}

static void canonical_add(struct canonical *canonical, const struct word *word)
{
    bool quotes = word->kind == WORD_STRING;

    if (canonical->length > 0 && canonical->last != WORD_SYMBOL && word->kind != WORD_SYMBOL)
        canonical_put(canonical, " ", 1);
    if (quotes)
        canonical_put(canonical, "'", 1);
    if (word->kind == WORD_NAME)
        canonical_put_lower(canonical, word);
    else
        canonical_put(canonical, word->text, word->length);
    if (quotes)
        canonical_put(canonical, "'", 1);
    canonical->last = word->kind;
}

/* Words that mean the same with or without them: SESSION and TO of SET, and pg_catalog before a dot. */
static bool canonical_skips(struct canonical *canonical, const struct word *word, struct words *words)
{
    static const struct word equals = { WORD_SYMBOL, "=", 1 };
    struct words ahead = *words;
    struct word next;

    if (canonical->set && word_is(word, "to")) {
        canonical_add(canonical, &equals);
        return true;
    }
    if (canonical->set && canonical->length == strlen("set") && word_is(word, "session"))
        return true;
    if (!word_is(word, "pg_catalog"))
        return false;
    next = word_next(&ahead);
    if (!word_is_symbol(&next, '.'))
        return false;
    *words = ahead;
    return true;
}

/* The first statement of a text that may hold several. */
static void canonical_make(struct canonical *canonical, const char *text, size_t length)
{
    struct words words = { text, text + length };
    struct word word = word_next(&words);

    *canonical = (struct canonical){ .set = word_is(&word, "set") };
    while (word.kind != WORD_END && !word_is_symbol(&word, ';') && !canonical->cut) {
        if (!canonical_skips(canonical, &word, &words))
            canonical_add(canonical, &word);
        word = word_next(&words);
    }
}

static bool canonical_is(const struct canonical *canonical, const char *wanted)
{
    return !canonical->cut && strcmp(canonical->text, wanted) == 0;
}

static enum opening opened_as_tool(struct first_statements *first, enum class class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum opening opened_as_tool(struct first_statements *first, enum class class, const char *format, ...)
{
    va_list args;

    first->class = class;
    va_start(args, format);
    vsnprintf(first->why, sizeof first->why, format, args);
    va_end(args);
    return OPENING_TOOL;
}

/* SET application_name: programs that send none in their startup packet, such as Barman, say it here. */
static bool see_application_name(struct first_statements *first, const struct canonical *canonical)
{
    static const char prefix[] = "set application_name=";
    char name[CANONICAL_MAX];
    enum class class;

    if (canonical->cut || strncmp(canonical->text, prefix, sizeof prefix - 1) != 0)
        return false;
    snprintf(name, sizeof name, "%s", canonical->text + sizeof prefix - 1);
    if (name[0] == '\'') {
        memmove(name, name + 1, strlen(name));
        name[strcspn(name, "'")] = '\0';
    }
    if (!program_class(name, &class))
        return false;
    return opened_as_tool(first, class, "first statement: SET application_name = %.40s", name) ==
           OPENING_TOOL;
}

enum row_kind { ROW_OPENING, ROW_UNDECIDED, ROW_AFTER };

static const struct opening_row {
    enum row_kind kind;
    const char *before, *statement;
    enum class class;
    const char *why;
} opening_rows[] = {
#define OPENING(statement, class, why) { ROW_OPENING, NULL, statement, CLASS_##class, why },
#define UNDECIDED(statement) { ROW_UNDECIDED, NULL, statement, CLASS_APP, NULL },
#define AFTER(before, statement, class, why) { ROW_AFTER, before, statement, CLASS_##class, why },
#include "router/openings.def"
#undef OPENING
#undef UNDECIDED
#undef AFTER
};

/* Whether the row speaks about this statement at this point of the session. */
static bool row_applies(const struct opening_row *row, const struct first_statements *first,
                        const struct canonical *canonical)
{
    if (!canonical_is(canonical, row->statement))
        return false;
    if (row->kind == ROW_AFTER)
        return first->undecided != NULL && strcmp(first->undecided, row->before) == 0;
    return row->kind == ROW_OPENING || first->undecided == NULL;
}

static enum opening see_statement(struct first_statements *first, const char *text, size_t length)
{
    struct canonical canonical;

    canonical_make(&canonical, text, length);
    for (size_t i = 0; i < sizeof opening_rows / sizeof opening_rows[0]; i++) {
        const struct opening_row *row = &opening_rows[i];

        if (!row_applies(row, first, &canonical))
            continue;
        if (row->kind != ROW_UNDECIDED)
            return opened_as_tool(first, row->class, "%s", row->why);
        first->undecided = row->statement;
        return OPENING_UNDECIDED;
    }
    return see_application_name(first, &canonical) ? OPENING_TOOL : OPENING_APPLICATION;
}

enum opening first_statements_see(struct first_statements *first, const char *text, size_t length)
{
    first->seen++;
    if (first->opening == OPENING_UNDECIDED)
        first->opening = see_statement(first, text, length);
    return first->opening;
}

static const struct {
    const char *function;
    enum class class;
} dedicated_rows[] = {
#define DEDICATED(function, class) { function, CLASS_##class },
#include "router/dedicated.def"
#undef DEDICATED
};

/* Whether text holds `wanted` in any case, found by its rarest letter: most statements fail here, quickly. */
static bool mentions(const char *text, size_t length, const char *wanted, size_t rare)
{
    size_t size = strlen(wanted);
    const char letters[2] = { wanted[rare], (char)(wanted[rare] ^ 0x20) };

    for (size_t i = 0; i < (wanted[rare] == '_' ? 1 : 2); i++) {
        for (const char *at = text; (at = memchr(at, letters[i], (size_t)(text + length - at))) != NULL;
             at++) {
            if ((size_t)(at - text) >= rare && (size_t)(text + length - at) >= size - rare &&
                strncasecmp(at - rare, wanted, size) == 0)
                return true;
        }
    }
    return false;
}

static bool dedicated_function(const struct word *word, enum class *class, const char **function)
{
    for (size_t i = 0; i < sizeof dedicated_rows / sizeof dedicated_rows[0]; i++) {
        if (!word_is(word, dedicated_rows[i].function))
            continue;
        *class = dedicated_rows[i].class;
        *function = dedicated_rows[i].function;
        return true;
    }
    return false;
}

bool statement_needs_dedicated(const char *text, size_t length, enum class *class, char *why, size_t room)
{
    struct words words = { text, text + length };
    struct word before = { .kind = WORD_END }, word = before, next;
    const char *function;

    if (!mentions(text, length, "pg_", 2) && !mentions(text, length, "snapshot", 5))
        return false;
    for (next = word_next(&words); next.kind != WORD_END; next = word_next(&words)) {
        if (word_is_symbol(&next, '(') && dedicated_function(&word, class, &function)) {
            snprintf(why, room, "statement: %s()", function);
            return true;
        }
        if (next.kind == WORD_NAME && word_is(&next, "snapshot") && word_is(&word, "transaction") &&
            word_is(&before, "set")) {
            *class = CLASS_DUMP;
            snprintf(why, room, "statement: SET TRANSACTION SNAPSHOT");
            return true;
        }
        before = word;
        word = next;
    }
    return false;
}
