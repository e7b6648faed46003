/* SPDX-License-Identifier: PostgreSQL
 * members - Patroni's answer to GET /cluster: who is in the cluster, and who leads. */
#include "gateway/patroni/members.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "gateway/base/fault.h"
#include "router/hosts.h"

static bool member_read(struct member *member, const json_t *item)
{
    const char *host = json_string_value(json_object_get(item, "host"));
    const char *role = json_string_value(json_object_get(item, "role"));
    const json_t *port = json_object_get(item, "port");

    if (host == NULL || role == NULL || strlen(host) >= sizeof member->host)
        return false;
    strcpy(member->host, host);
    member->port = json_is_integer(port) ? (int)json_integer_value(port) : 5432;
    member->leads = strcmp(role, "leader") == 0 || strcmp(role, "standby_leader") == 0 ||
                    strcmp(role, "master") == 0 || strcmp(role, "primary") == 0;
    return true;
}

bool members_read(struct members *members, const char *text, size_t length, struct fault *fault)
{
    struct members found = {.count = 0};
    json_t *answer = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(answer, "members"), *item;
    bool sense = json_is_array(list) && json_array_size(list) <= MEMBERS_MAX;
    size_t index;

    if (sense)
        json_array_foreach(list, index, item)
            if (member_read(&found.items[found.count], item))
                found.count++;
    json_decref(answer);
    if (!sense || found.count == 0)
        return fault_set(fault, "42804",
                         "expected Patroni's list of members with their hosts and roles, found \"%.*s\"",
                         length > 80 ? 80 : (int)length, text);
    *members = found;
    return true;
}

static bool is_host(const struct member *member, const struct host *host)
{
    const struct host_addresses *known = atomic_load(&host->addresses);
    char text[ADDRESS_TEXT_BYTES];

    if (member->port != host->port)
        return false;
    if (strcasecmp(member->host, host->name) == 0)
        return true;
    for (size_t i = 0; known != NULL && i < known->count; i++)
        if (address_print_host(&known->items[i], text, sizeof text) && strcmp(text, member->host) == 0)
            return true;
    return false;
}

enum patroni_word members_say(const struct members *members, const struct host *host)
{
    for (size_t i = 0; i < members->count; i++)
        if (is_host(&members->items[i], host))
            return members->items[i].leads ? PATRONI_LEADER : PATRONI_MEMBER;
    return PATRONI_ABSENT;
}
