/* SPDX-License-Identifier: PostgreSQL
 * machine - how much memory there is for this process, and how much it has. */
#include "gateway/base/machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The number at the beginning of the file, or -1: "max" is none. */
static int64_t number_in(const char *path)
{
    FILE *file = fopen(path, "re");
    long long number = -1;

    if (file == NULL)
        return -1;
    if (fscanf(file, "%lld", &number) != 1)
        number = -1;
    fclose(file);
    return number;
}

/* Of cgroup v2, the group that the process is in: "0::/PATH". */
static int64_t group_limit(void)
{
    char line[512], path[600];
    int64_t limit = -1;
    FILE *file = fopen("/proc/self/cgroup", "re");

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::", 3) != 0)
            continue;
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", line + 3);
        limit = number_in(path);
    }
    if (file != NULL)
        fclose(file);
    return limit >= 0 ? limit : number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes");
}

int64_t machine_memory(void)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE), limit = group_limit();
    int64_t memory = pages > 0 && page > 0 ? pages * page : 0;

    return limit > 0 && (memory == 0 || limit < memory) ? limit : memory;
}

int64_t machine_resident(void)
{
    long long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%lld %lld", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}
