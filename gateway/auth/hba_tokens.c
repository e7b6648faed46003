/* SPDX-License-Identifier: PostgreSQL
 * hba_tokens - cuts pg_hba.conf and pg_ident.conf into lines, fields and tokens, and follows their includes.
 * Files nest at most HBA_DEPTH_MAX deep, so the functions that call each other here end. */
#include "gateway/auth/hba_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "conf/problems.h"
#include "gateway/auth/hba_source.h"
#include "gateway/base/arena.h"

/* One file, or the text that stands for one. */
struct sheet {
    struct hba_reader *reader;
    const char *file;
    struct hba_token ***names; /* of an @file: where its next token is hung up; NULL for a file of lines */
    const char *from;          /* who includes it; NULL for the outermost */
    int from_line;
    bool optional;
};

/* One logical line, cut in place. */
struct cutter {
    const struct sheet *sheet;
    char *at, *end;
    int line;
    bool bad; /* its problem was noted */
};

static void sheet_read(const struct sheet *sheet);

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void refuse(struct cutter *c, const char *why)
{
    c->bad = true;
    problems_add(c->sheet->reader->problems, c->sheet->file, c->line, "%s", why);
}

static void token_keep(struct cutter *c, struct hba_token ***at, const char *text, size_t length, bool quoted)
{
    struct hba_reader *reader = c->sheet->reader;
    struct hba_token *token;

    if (length > HBA_TOKEN_MAX_BYTES) {
        refuse(c, "a word is longer than 10000 bytes; is a quote missing?");
        return;
    }
    if (reader->tokens == HBA_TOKENS_MAX) {
        refuse(c, "all files together have more than 500000 words; say it with groups (+role) or patterns");
        reader->stopped = true;
        return;
    }
    reader->tokens++;
    token = arena_alloc(reader->arena, sizeof *token);
    token->text = arena_copy(reader->arena, text, length);
    token->quoted = quoted;
    **at = token;
    *at = &token->next;
}

/* The names of an @file take the place of its token. */
static void names_include(struct cutter *c, struct hba_token ***at, const char *name)
{
    struct hba_reader *reader = c->sheet->reader;
    struct hba_token **before = *at;
    size_t problems = reader->problems->count;
    struct sheet sheet = { reader, hba_source_beside(reader->arena, c->sheet->file, name), at,
                           c->sheet->file, c->line, false };

    if (!reader->files_allowed) {
        refuse(c, "@ includes another file, which a text from memory cannot do");
        return;
    }
    sheet_read(&sheet);
    c->bad = c->bad || reader->problems->count > problems;
    if (!c->bad && *at == before)
        refuse(c, "the file behind @ has no names; write at least one into it, or take the line away");
}

/* Quotes vanish as the token moves to its start, byte by byte. */
static size_t token_unquote(struct cutter *c, char *start, bool *found, bool *comma)
{
    bool open = false, doubled = false;
    char *out = start;

    for (; c->at < c->end && (open || !is_blank(*c->at)); c->at++) {
        char byte = *c->at;

        if (!open && byte == '#')
            c->end = c->at;
        if (c->at == c->end || (!open && byte == ','))
            break;
        if (byte != '"' || doubled)
            *out++ = byte;
        doubled = open && byte == '"';
        open = open != (byte == '"');
        *found = true;
    }
    if (open)
        refuse(c, "a double quote is never closed; close it, or write two for one that is meant");
    *comma = c->at < c->end && *c->at == ',';
    return (size_t)(out - start);
}

/* Adds the next token, or what it includes; false when the line is at its end. comma: another one of the same
 * field follows. */
static bool token_cut(struct cutter *c, struct hba_token ***at, bool *comma)
{
    bool found = false, quoted;
    char *start;
    size_t length;

    while (c->at < c->end && (is_blank(*c->at) || *c->at == ','))
        c->at++;
    start = c->at;
    quoted = start < c->end && *start == '"';
    length = token_unquote(c, start, &found, comma);
    if (!found || c->bad)
        return false;
    if (!quoted && length > 1 && length <= HBA_TOKEN_MAX_BYTES && *start == '@')
        names_include(c, at, arena_copy(c->sheet->reader->arena, start + 1, length - 1));
    else
        token_keep(c, at, start, length, quoted);
    return !c->bad;
}

static bool field_cut(struct cutter *c, struct hba_token ***at)
{
    struct hba_token **before = *at;
    bool comma = true;

    while (comma && token_cut(c, at, &comma))
        continue;
    return *at != before && !c->bad;
}

static void directory_include(const struct sheet *directory)
{
    struct hba_reader *reader = directory->reader;
    struct sheet sheet = *directory;
    char why[200];
    char **paths;
    size_t count;

    if (!hba_source_list(reader->arena, directory->file, &paths, &count, why, sizeof why)) {
        problems_add(reader->problems, sheet.from, sheet.from_line,
                     "the directory \"%.200s\" cannot be read: %s", directory->file, why);
        return;
    }
    for (size_t i = 0; i < count && !reader->stopped; i++) {
        sheet.file = paths[i];
        sheet_read(&sheet);
    }
}

/* True when the line is an include, which is carried out. As in PostgreSQL only a line of two fields is. */
static bool line_includes(struct cutter *c, const struct hba_line *line)
{
    const char *word = line->fields->tokens->text;
    const struct hba_field *second = line->fields->next;
    struct hba_reader *reader = c->sheet->reader;
    struct sheet sheet = { reader, NULL, NULL, line->file, line->number, strcmp(word, "include") != 0 };
    bool directory = strcmp(word, "include_dir") == 0;

    if (second == NULL || second->next != NULL || line->fields->tokens->next != NULL ||
        (strcmp(word, "include") != 0 && strcmp(word, "include_if_exists") != 0 && !directory))
        return false;
    if (!reader->files_allowed)
        refuse(c, "a text from memory cannot include another file");
    else if (second->tokens->next != NULL)
        refuse(c, "one file is expected here, found a list; write one line for each");
    else {
        sheet.file = hba_source_beside(reader->arena, line->file, second->tokens->text);
        (directory ? directory_include : sheet_read)(&sheet);
    }
    return true;
}

static void line_cut(struct cutter *c)
{
    struct hba_reader *reader = c->sheet->reader;
    struct hba_line line = { c->sheet->file, c->line, NULL };
    struct hba_field **at = &line.fields;

    while (c->at < c->end && !c->bad) {
        struct hba_token *tokens = NULL, **end = &tokens;

        if (!field_cut(c, &end))
            break;
        *at = arena_alloc(reader->arena, sizeof **at);
        (*at)->tokens = tokens;
        at = &(*at)->next;
    }
    if (!c->bad && line.fields != NULL && !line_includes(c, &line))
        reader->stopped = !reader->take(reader->context, &line);
}

static void names_cut(struct cutter *c)
{
    while (c->at < c->end && field_cut(c, c->sheet->names))
        continue;
}

/* Takes the next line and those that continue it, and moves them together; gives what follows them. A
 * backslash counts only behind the place where the one before was, else two of them would continue over an
 * empty line. */
static char *line_join(struct cutter *c, char *at, const char *end, int *line)
{
    const char *joint = c->at;

    while (at < end) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t bytes = (size_t)((newline == NULL ? end : newline) - at);

        memmove(c->end, at, bytes);
        c->end += bytes;
        at += bytes + (newline == NULL ? 0 : 1);
        ++*line;
        while (c->end > c->at && c->end[-1] == '\r')
            c->end--;
        if (c->end <= joint || c->end[-1] != '\\')
            break;
        joint = --c->end;
    }
    return at;
}

/* Changes the text as it goes. */
static void text_cut(const struct sheet *sheet, struct hba_source *source)
{
    char *at = source->text, *end = at + source->length;
    int line = 1;

    for (const char *byte = at; byte < end; byte++) {
        line += *byte == '\n';
        if (*byte == '\0') {
            problems_add(sheet->reader->problems, sheet->file, line, "text is expected, found a zero byte");
            return;
        }
    }
    line = 1;
    while (at < end && !sheet->reader->stopped) {
        struct cutter c = { sheet, at, at, line, false };

        at = line_join(&c, at, end, &line);
        (sheet->names == NULL ? line_cut : names_cut)(&c);
    }
}

static void sheet_refuse(const struct sheet *sheet, const char *why)
{
    struct hba_reader *reader = sheet->reader;

    if (sheet->from == NULL)
        problems_add(reader->problems, sheet->file, 0, "the file cannot be read: %s", why);
    else
        problems_add(reader->problems, sheet->from, sheet->from_line,
                     "the file \"%.200s\" cannot be included: %s", sheet->file, why);
    reader->unreadable = sheet->from == NULL;
}

static void sheet_read(const struct sheet *sheet)
{
    struct hba_reader *reader = sheet->reader;
    struct hba_source source;
    enum hba_source_result result;
    char why[200];

    if (reader->depth > HBA_DEPTH_MAX) {
        sheet_refuse(sheet, "files include each other more than 10 deep");
        return;
    }
    if (reader->files == HBA_FILES_MAX) {
        sheet_refuse(sheet, "there are more than 1000 files");
        reader->stopped = true;
        return;
    }
    result = hba_source_read(sheet->file, &source, why, sizeof why);
    if (result == HBA_SOURCE_ABSENT && sheet->optional)
        return;
    if (result != HBA_SOURCE_READ) {
        sheet_refuse(sheet, why);
        return;
    }
    reader->files++;
    reader->depth++;
    text_cut(sheet, &source);
    reader->depth--;
    hba_source_free(&source);
}

void hba_tokens_of_file(struct hba_reader *reader, const char *path)
{
    struct sheet sheet = { reader, arena_string(reader->arena, path), NULL, NULL, 0, false };

    reader->files_allowed = true;
    sheet_read(&sheet);
}

void hba_tokens_of_text(struct hba_reader *reader, const char *text, size_t length, const char *where)
{
    struct sheet sheet = { reader, arena_string(reader->arena, where), NULL, NULL, 0, false };
    struct hba_source source = { malloc(length + 1), length };

    reader->files_allowed = false;
    if (length > HBA_FILE_MAX_BYTES || source.text == NULL) {
        sheet_refuse(&sheet, source.text == NULL ? "out of memory" : "it is larger than 1048576 bytes");
        free(source.text);
        return;
    }
    memcpy(source.text, text, length);
    text_cut(&sheet, &source);
    hba_source_free(&source);
}
