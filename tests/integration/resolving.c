/* SPDX-License-Identifier: PostgreSQL
 * resolving - a name server for one program: getaddrinfo of "moving.test" gives the address in a file. */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    char address[64] = "";
    FILE *file;

    *(void **)&real = dlsym(RTLD_NEXT, __func__);
    if (name == NULL || strcmp(name, "moving.test") != 0)
        return real(name, service, hints, found);
    file = fopen(getenv("MOVING_TEST"), "r");
    if (file == NULL || fscanf(file, "%63s", address) != 1)
        strcpy(address, "127.0.0.9");
    if (file != NULL)
        fclose(file);
    return real(address, service, hints, found);
}
