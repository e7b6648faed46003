/* SPDX-License-Identifier: PostgreSQL
 * problems - everything that is wrong with a configuration, collected so that all of it is said at once. */
#include "conf/problems.h"

#include <stdarg.h>
#include <string.h>

#include "gateway/base/arena.h"

bool problems_init(struct problems *problems)
{
    *problems = (struct problems){ .arena = arena_new() };
    return problems->arena != NULL;
}

void problems_free(struct problems *problems)
{
    arena_free(problems->arena);
    *problems = (struct problems){ 0 };
}

static bool problem_same_file(const struct problem *a, const struct problem *b)
{
    if (a->file == NULL || b->file == NULL)
        return a->file == b->file;
    return strcmp(a->file, b->file) == 0;
}

/* Keeps the files in the order in which they were first met, and each file's problems by line. */
static void problem_insert(struct problems *problems, struct problem *problem)
{
    struct problem **at = &problems->first;
    struct problem **end_of_file = NULL;

    for (; *at != NULL; at = &(*at)->next) {
        if (!problem_same_file(*at, problem))
            continue;
        if ((*at)->line > problem->line)
            break;
        end_of_file = &(*at)->next;
    }
    if (*at == NULL && end_of_file != NULL)
        at = end_of_file;
    problem->next = *at;
    *at = problem;
}

void problems_add(struct problems *problems, const char *file, int line, const char *format, ...)
{
    struct problem *problem;
    char text[1024];
    va_list args;

    problems->count++;
    if (problems->count > PROBLEMS_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    problem = arena_alloc(problems->arena, sizeof *problem);
    problem->file = arena_string(problems->arena, file);
    problem->line = line;
    problem->text = arena_string(problems->arena, text);
    problem_insert(problems, problem);
}

/* File names and quoted values are the operator's, yet a control character must not reach a terminal. */
static void print_clean(FILE *to, const char *text)
{
    for (; *text != '\0'; text++)
        fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, to);
}

void problems_print(const struct problems *problems, FILE *to)
{
    for (const struct problem *problem = problems->first; problem != NULL; problem = problem->next) {
        if (problem->file != NULL)
            print_clean(to, problem->file);
        if (problem->file != NULL && problem->line > 0)
            fprintf(to, ":%d", problem->line);
        if (problem->file != NULL)
            fputs(": ", to);
        print_clean(to, problem->text);
        fputc('\n', to);
    }
    if (problems->count > PROBLEMS_MAX)
        fprintf(to, "%zu further problems are not shown\n", problems->count - PROBLEMS_MAX);
}
