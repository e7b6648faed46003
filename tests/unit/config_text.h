/* SPDX-License-Identifier: PostgreSQL
 * config_text - configuration files for unit tests, written from text into a directory of their own. */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/problems.h"
#include "conf/snapshot.h"
#include "gateway/base/check.h"

#define CONFIG_LISTENERS \
    "listeners = ( { name = \"pooled\"; listen = \"127.0.0.1:6432\"; mode = \"transaction\"; },\n" \
    "  { name = \"direct\"; listen = \"127.0.0.1:6433\"; mode = \"direct\"; } );\n"
#define CONFIG_UPSTREAMS "upstreams = ( { name = \"main\"; hosts = \"127.0.0.1:5432\"; } );\n"
#define CONFIG_BASE CONFIG_LISTENERS CONFIG_UPSTREAMS

/* The directory of this process's files; removed by config_text_end. */
static inline const char *config_text_directory(void)
{
    static char directory[64];

    if (directory[0] == '\0') {
        snprintf(directory, sizeof directory, "/tmp/pgsluice-unit-%d", (int)getpid());
        CHECK(mkdir(directory, 0700) == 0);
    }
    return directory;
}

static inline const char *config_text_path(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", config_text_directory(), name);
    return path;
}

static inline const char *config_text_write(const char *name, const char *text)
{
    const char *path = config_text_path(name);
    FILE *file = fopen(path, "w");

    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    return path;
}

/* Loads the text; NULL with its problems as one string in `said` when it is not valid. */
static inline struct snapshot *config_text_load(const char *text, char *said, size_t room)
{
    struct problems problems;
    struct snapshot *snapshot;
    FILE *to = fmemopen(said, room, "w");

    CHECK(problems_init(&problems) && to != NULL);
    memset(said, 0, room);
    snapshot = snapshot_load(config_text_write("test.conf", text), &problems);
    problems_print(&problems, to);
    fclose(to);
    problems_free(&problems);
    return snapshot;
}

static inline struct snapshot *config_text_valid(const char *text)
{
    static char said[4096];
    struct snapshot *snapshot = config_text_load(text, said, sizeof said);

    if (snapshot == NULL)
        fputs(said, stderr);
    CHECK(snapshot != NULL);
    return snapshot;
}

static inline void config_text_end(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        unlink(config_text_path(names[i]));
    rmdir(config_text_directory());
}
