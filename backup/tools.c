/* SPDX-License-Identifier: PostgreSQL
 * tools - finds PostgreSQL's own programs in a version that fits the server. */
#include "backup/tools.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/child.h"
#include "backup/failure.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

struct search {
    const char *program;
    int major;
    struct arena *arena;
    struct tool best;
    char found[256]; /* what there was, for the error */
};

int tools_major(int version_number)
{
    return version_number / 10000;
}

/* "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)" */
static bool version_ask(const char *path, struct arena *arena, struct tool *tool)
{
    const char *const argv[] = { path, "--version", NULL };
    struct command command = { .path = path, .argv = argv, .keep_fd = -1 };
    struct child child;
    struct fault ignored;
    const char *at;
    char version[32];

    if (access(path, X_OK) != 0 || !child_run(&command, &child, NULL, FAILURE_OTHER, &ignored))
        return false;
    at = strstr(child.text, "(PostgreSQL) ");
    if (at == NULL || sscanf(at, "(PostgreSQL) %31s", version) != 1)
        return false;
    tool->path = arena_string(arena, path);
    tool->version = arena_string(arena, version);
    tool->major = atoi(version);
    return tool->major > 0;
}

static void candidate_try(struct search *search, const char *directory)
{
    const char *path = arena_format(search->arena, "%s/%s", directory, search->program);
    size_t used = strlen(search->found);
    struct tool tool;

    if (directory[0] != '/' || !version_ask(path, search->arena, &tool))
        return;
    snprintf(search->found + used, sizeof search->found - used, "%s%s in %s", used == 0 ? "" : ", ",
             tool.version, directory);
    if (tool.major >= search->major && (search->best.path == NULL || tool.major < search->best.major))
        search->best = tool;
}

static void pattern_try(struct search *search, const char *pattern)
{
    glob_t found;

    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            candidate_try(search, found.gl_pathv[i]);
    globfree(&found);
}

static void path_try(struct search *search)
{
    char *path = arena_string(search->arena, getenv("PATH")), *rest = NULL;

    for (char *at = path == NULL ? NULL : strtok_r(path, ":", &rest); at != NULL;
         at = strtok_r(NULL, ":", &rest))
        candidate_try(search, at);
}

bool tools_find(const char *bin_directory, const char *program, int major, struct arena *arena,
                struct tool *tool, struct fault *fault)
{
    struct search search = { .program = program, .major = major, .arena = arena };

    if (bin_directory != NULL)
        candidate_try(&search, bin_directory);
    else {
        pattern_try(&search, "/usr/lib/postgresql/*/bin");
        pattern_try(&search, "/usr/pgsql-*/bin");
        if (search.best.path == NULL) /* Debian's /usr/bin/pg_dump is a wrapper, so PATH comes last */
            path_try(&search);
    }
    *tool = search.best;
    if (tool->path != NULL)
        return true;
    failure_set(fault, FAILURE_VERSION,
                "The server is PostgreSQL %d, so %s of version %d or newer is needed; found %s.", major,
                program, major, search.found[0] == '\0' ? "none" : search.found);
    return fault_hint(fault, "Install postgresql-client-%d, or point bin_directory at such programs.",
                      major);
}
