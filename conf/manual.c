/* SPDX-License-Identifier: PostgreSQL
 * manual - the reference of the configuration, written from the tables that the parser reads. */
#include "conf/manual.h"

#include <stdbool.h>
#include <string.h>

#include "conf/options.h"

enum { SAMPLE_WIDTH = 98, MANUAL_WIDTH = 110 };

static const char *const examples[OPTION_SCOPES] = {
#define EXAMPLE(scope, text) [OPTIONS_##scope] = text,
#include "conf/examples.def"
#undef EXAMPLE
};

static const char introduction[] =
    "The file is read with libconfig: `name = value;`, groups in `{ }`, lists of groups in `( )`, lists of "
    "values in `[ ]`, comments after `#` or `//` or in `/* */`. A line `@include \"file\"` stands for that "
    "file's text; a relative name is looked for beside the file that includes it. Durations are strings with "
    "a unit (`us`, `ms`, `s`, `min`, `h`, `d`), sizes too (`B`, `kB`, `MB`, `GB`, `TB`, powers of 1024). An "
    "unknown name, a wrong type, a missing unit or a value out of range is an error that says file and line; "
    "`pgsluice check -c FILE` says all of them at once, and `pgsluice explain -c FILE user=NAME ...` says "
    "which route serves a connection and why.";

/* Prints words up to the width, each line after the prefix. */
static void print_wrapped(FILE *to, const char *prefix, const char *text, size_t width)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t length = strcspn(text, " ");

        if (column > 0 && column + 1 + length > width) {
            fputc('\n', to);
            column = 0;
        }
        column += (size_t)fprintf(to, "%s%.*s", column == 0 ? prefix : " ", (int)length, text);
        text += length + (text[length] == ' ');
    }
    fputc('\n', to);
}

/* `|` would end the cell of a Markdown table. */
static void print_cell(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputc('\\', to);
        fputc(*text, to);
    }
}

static bool is_quoted(enum conf_type type)
{
    return type != CONF_INT && type != CONF_BOOL;
}

static void print_default(FILE *to, const struct conf_row *row, const char *code)
{
    if (row->fallback == conf_required)
        fputs("required", to);
    else if (row->fallback == NULL)
        fputs("none", to);
    else if (row->type == CONF_STRINGS && *row->fallback == '\0')
        fprintf(to, "%s[ ]%s", code, code);
    else
        fprintf(to, is_quoted(row->type) ? "%s\"%s\"%s" : "%s%s%s", code, row->fallback, code);
}

static void print_row(FILE *to, const struct conf_row *row)
{
    char expected[512];

    row_expected(row, expected, sizeof expected);
    fprintf(to, "| `%s` | ", row->name);
    print_default(to, row, "`");
    fputs(" | ", to);
    print_cell(to, expected);
    if (row->unit != NULL && *row->unit != '\0')
        fprintf(to, " (%s)", row->unit);
    fprintf(to, " | %s | ", row->reload == CONF_RELOADED ? "reload" : "start");
    print_cell(to, row->doc);
    fputs(" |\n", to);
}

static void print_scope(FILE *to, enum option_scope scope)
{
    const char *place = option_scope_place(scope);
    size_t count;
    const struct conf_row *rows = options_rows(scope, &count);

    fprintf(to, "\n## %s\n\n", *place == '\0' ? "Top level" : place);
    print_wrapped(to, "", option_scope_doc(scope), MANUAL_WIDTH);
    fputs("\n| name | default | value | takes effect at | meaning |\n| --- | --- | --- | --- | --- |\n", to);
    for (size_t i = 0; i < count; i++)
        print_row(to, &rows[i]);
    if (scope == OPTIONS_match)
        fputs("| `parameters` | none | a group of patterns by parameter name | reload | Any other parameter "
              "of the startup packet, such as { client_encoding = \"LATIN1\"; }; one that was not sent "
              "does not match. |\n", to);
}

void manual_write(FILE *to)
{
    fputs("# pgsluice: the configuration file\n\n", to);
    print_wrapped(to, "", introduction, MANUAL_WIDTH);
    for (int scope = 0; scope < OPTION_SCOPES; scope++)
        print_scope(to, (enum option_scope)scope);
    fputs("\nThis page is printed by `pgsluice manual`; `pgsluice manual --sample` prints a configuration "
          "file to start from.\n", to);
}

/* An option that may stand alone is shown commented out, with its default. */
static void sample_option(FILE *to, const struct conf_row *row, const char *indent)
{
    char prefix[16];

    snprintf(prefix, sizeof prefix, "%s# ", indent);
    print_wrapped(to, prefix, row->doc, SAMPLE_WIDTH);
    if (row->fallback == NULL) {
        fprintf(to, "%s# %s = \"...\";\n", indent, row->name);
        return;
    }
    fprintf(to, "%s# %s = ", indent, row->name);
    print_default(to, row, "");
    fputs(";\n", to);
}

/* An option of a list's groups is only described: the example shows it. */
static void sample_describe(FILE *to, const struct conf_row *rows, size_t count)
{
    char text[1024];

    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%s: %s", rows[i].name, rows[i].doc);
        print_wrapped(to, "#   ", text, SAMPLE_WIDTH);
    }
}

static void sample_scope(FILE *to, enum option_scope scope)
{
    const char *place = option_scope_place(scope);
    bool nested = scope == OPTIONS_listener || scope == OPTIONS_upstream || scope == OPTIONS_route ||
                  scope == OPTIONS_match;
    size_t count;
    const struct conf_row *rows = options_rows(scope, &count);

    fputc('\n', to);
    print_wrapped(to, "# ", option_scope_doc(scope), SAMPLE_WIDTH);
    if (nested)
        sample_describe(to, rows, count);
    else if (*place != '\0')
        fprintf(to, "%s = {\n", place);
    for (size_t i = 0; !nested && i < count; i++)
        sample_option(to, &rows[i], *place == '\0' ? "" : "  ");
    if (!nested && *place != '\0')
        fputs("};\n", to);
    if (examples[scope] != NULL)
        fputs(examples[scope], to);
}

void manual_write_sample(FILE *to)
{
    fputs("# pgsluice.conf - a configuration to start from; what is commented out is the default.\n", to);
    for (int scope = 0; scope < OPTION_SCOPES; scope++)
        sample_scope(to, (enum option_scope)scope);
}
