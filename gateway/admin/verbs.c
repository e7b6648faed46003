/* SPDX-License-Identifier: PostgreSQL
 * verbs - what the console can be told to do, and what each does in which thread. */
#include "gateway/admin/verbs.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/admin/order.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/direct.h"
#include "gateway/gateway.h"
#include "gateway/serve.h"
#include "gateway/worker.h"

static bool no_memory(struct fault *fault)
{
    return fault_set(fault, "53200", "out of memory");
}

static void log_order(const struct order *order)
{
    log_info("main", "console: %s %s%s", order->verb->name, order->words.database,
             order->words.force ? " FORCE" : "");
}

static bool pause_begin(struct order *order, struct fault *fault)
{
    log_order(order);
    order->counts_pools = true;
    return pools_pause(&order->gateway->pools, order_database(order), true, &order->pools) ||
           no_memory(fault);
}

/* Servers that are somebody's, or on their way. */
static size_t servers_left(struct order *order, struct worker *worker)
{
    size_t left = 0;

    list_each(link, following, &worker->thread.shards) {
        struct pool_shard *shard = list_entry(link, struct pool_shard, in_thread);

        if (!order_concerns(order, shard->pool->database))
            continue;
        for (int state = 0; state < SERVER_STATES; state++)
            if (state != SERVER_LISTENING && state != SERVER_CLOSED)
                list_each(entry, after, &shard->states[state])
                    left++;
    }
    return left;
}

static size_t directs_left(struct order *order, struct worker *worker, bool end_them)
{
    size_t left = 0;

    list_each(link, following, &worker->clients) {
        struct client *client = list_entry(link, struct client, link);

        if (client->state != CLIENT_DIRECT || !order_concerns(order, client->identity.database) ||
            direct_backend_pid(client) == 0)
            continue;
        left++;
        if (end_them)
            client_close(client, REASON_KILLED, NULL);
    }
    return left;
}

static void pause_act(struct order *order, struct worker *worker)
{
    if (!pools_paused(&order->gateway->pools, order->words.database))
        return; /* somebody resumed it meanwhile */
    order->left += servers_left(order, worker) + directs_left(order, worker, order->words.force);
}

static bool resume_begin(struct order *order, struct fault *fault)
{
    log_order(order);
    order->counts_pools = true;
    return pools_pause(&order->gateway->pools, order_database(order), false, &order->pools) ||
           no_memory(fault);
}

static bool disable_begin(struct order *order, struct fault *fault)
{
    log_order(order);
    return pools_disable(&order->gateway->pools, order->words.database, true) || no_memory(fault);
}

static bool enable_begin(struct order *order, struct fault *fault)
{
    log_order(order);
    return pools_disable(&order->gateway->pools, order->words.database, false) || no_memory(fault);
}

static bool reconnect_begin(struct order *order, struct fault *fault)
{
    (void)fault;
    log_order(order);
    order->counts_pools = true;
    order->pools = pools_renew(&order->gateway->pools, order_database(order));
    return true;
}

static void wait_close_act(struct order *order, struct worker *worker)
{
    list_each(link, following, &worker->thread.shards) {
        struct pool_shard *shard = list_entry(link, struct pool_shard, in_thread);
        uint64_t renewed_us = atomic_load(&shard->pool->renewed_us);

        if (!order_concerns(order, shard->pool->database))
            continue;
        for (int state = 0; state < SERVER_STATES; state++)
            if (state != SERVER_LISTENING && state != SERVER_CLOSED)
                list_each(entry, after, &shard->states[state])
                    order->left += list_entry(entry, struct server, link)->opened_us < renewed_us;
    }
}

static void kill_act(struct order *order, struct worker *worker)
{
    list_each(link, following, &worker->clients) {
        struct client *client = list_entry(link, struct client, link);

        if (client->console == NULL && client->identity.database != NULL &&
            order_concerns(order, client->identity.database))
            client_close(client, REASON_KILLED, NULL);
    }
    order->left += servers_left(order, worker);
}

static void kill_client_act(struct order *order, struct worker *worker)
{
    list_each(link, following, &worker->clients) {
        struct client *client = list_entry(link, struct client, link);

        if (client->id != order->words.number)
            continue;
        order->left++;
        if (client->id != order->client_id)
            client_close(client, REASON_KILLED, NULL);
    }
}

static bool kill_client_end(struct order *order, struct fault *fault)
{
    log_info("main", "console: KILL_CLIENT %llu", (unsigned long long)order->words.number);
    if (order->words.number == order->client_id)
        return fault_set(fault, "55006", "client %llu is this session itself",
                         (unsigned long long)order->words.number);
    if (order->left > 0)
        return true;
    fault_set(fault, "42704", "client %llu does not exist", (unsigned long long)order->words.number);
    return fault_hint(fault, "The column id of SHOW CLIENTS has the numbers.");
}

static bool reload_begin(struct order *order, struct fault *fault)
{
    return serve_reload(order->gateway, fault);
}

static bool shutdown_begin(struct order *order, struct fault *fault)
{
    (void)fault;
    log_order(order);
    return true;
}

static bool shutdown_after_clients_begin(struct order *order, struct fault *fault)
{
    (void)fault;
    log_order(order);
    serve_shutdown_after_clients(order->gateway);
    return true;
}

#define ENDS_HINT "SHOW CLIENTS tells more about them. Wait for them, or say FORCE at the end of the command."
#define WAITS "waiting for running transactions, pinned sessions (SHOW PINS) and "
#define KEEPS "these keep their connection and go on: "

/* Longer names stand before those that they begin with. */
static const struct verb verbs[] = {
    {"PAUSE", ARGUMENT_MAY_DATABASE, HITS_TELL, pause_begin, pause_act, true, NULL, NULL, WAITS, "",
     "PAUSE [database] [FORCE]: let transactions end, close server connections, and hold clients until "
     "RESUME; "
     "waits for direct sessions, ends them with FORCE"},
    {"RESUME", ARGUMENT_MAY_DATABASE, HITS_NOBODY, resume_begin, NULL, false, NULL, NULL, "", "",
     "RESUME [database]: go on after PAUSE or KILL"},
    {"DISABLE", ARGUMENT_DATABASE, HITS_NOBODY, disable_begin, NULL, false, NULL, NULL, "", "",
     "DISABLE database: refuse new logins to it"},
    {"ENABLE", ARGUMENT_DATABASE, HITS_NOBODY, enable_begin, NULL, false, NULL, NULL, "", "",
     "ENABLE database: accept logins to it again"},
    {"RECONNECT", ARGUMENT_MAY_DATABASE, HITS_TELL, reconnect_begin, NULL, false, NULL, NULL, KEEPS, "",
     "RECONNECT [database]: open every server connection anew when its session lets go of it"},
    {"WAIT_CLOSE", ARGUMENT_MAY_DATABASE, HITS_NOBODY, NULL, wait_close_act, true, NULL, NULL, "", "",
     "WAIT_CLOSE [database]: wait until RECONNECT has closed all that was open"},
    {"KILL_CLIENT", ARGUMENT_NUMBER, HITS_NEED_FORCE, NULL, kill_client_act, false, kill_client_end, NULL,
     "ended: ", ENDS_HINT, "KILL_CLIENT id [FORCE]: end one session; a direct one only with FORCE"},
    {"KILL", ARGUMENT_DATABASE, HITS_NEED_FORCE, pause_begin, kill_act, true, NULL, NULL,
     "ended: ", ENDS_HINT,
     "KILL database [FORCE]: end all sessions of a database at once and pause it; direct ones only with "
     "FORCE"},
    {"RELOAD", ARGUMENT_NONE, HITS_NOBODY, reload_begin, NULL, false, NULL, NULL, "", "",
     "RELOAD: read the configuration file again; all of it is taken, or nothing"},
    {"SHUTDOWN WAIT_FOR_CLIENTS", ARGUMENT_NONE, HITS_TELL, shutdown_after_clients_begin, NULL, false, NULL,
     NULL, "waiting for all clients to leave, among them ", "",
     "SHUTDOWN WAIT_FOR_CLIENTS: take no new connections, and end when all clients have left"},
    {"SHUTDOWN WAIT_FOR_SERVERS", ARGUMENT_NONE, HITS_TELL, shutdown_begin, NULL, false, NULL, serve_shutdown,
     WAITS, "", "SHUTDOWN WAIT_FOR_SERVERS: end when running transactions and direct sessions are over"},
    {"SHUTDOWN", ARGUMENT_NONE, HITS_TELL, shutdown_begin, NULL, false, NULL, serve_shutdown, WAITS, "",
     "SHUTDOWN [FORCE]: end when running transactions and direct sessions are over; with FORCE at once"},
};

const struct verb *verb_at(size_t i)
{
    return i < sizeof verbs / sizeof *verbs ? &verbs[i] : NULL;
}

/* " FORCE" at the end is taken off. */
static bool take_force(char *rest)
{
    size_t length = strlen(rest);

    if (length == 5 && strcasecmp(rest, "FORCE") == 0) {
        *rest = '\0';
        return true;
    }
    if (length <= 6 || strcasecmp(rest + length - 6, " FORCE") != 0)
        return false;
    rest[length - 6] = '\0';
    return true;
}

static bool read_database(const char *rest, char database[ORDER_DATABASE_BYTES])
{
    size_t length = strlen(rest);

    if (length >= 2 && *rest == '"' && rest[length - 1] == '"') {
        rest++;
        length -= 2;
    } else if (strchr(rest, ' ') != NULL) {
        return false;
    }
    if (length >= ORDER_DATABASE_BYTES)
        return false;
    memcpy(database, rest, length);
    database[length] = '\0';
    return true;
}

static bool read_number(const char *rest, uint64_t *number)
{
    char *end;

    *number = strtoull(rest, &end, 10);
    return isdigit((unsigned char)*rest) && *end == '\0';
}

static bool read_words(const struct verb *verb, char *rest, struct order_words *words)
{
    words->force = take_force(rest);
    switch (verb->argument) {
    case ARGUMENT_NONE:
        return *rest == '\0';
    case ARGUMENT_MAY_DATABASE:
        return read_database(rest, words->database);
    case ARGUMENT_DATABASE:
        return *rest != '\0' && read_database(rest, words->database);
    case ARGUMENT_NUMBER:
        break;
    }
    return read_number(rest, &words->number);
}

const struct verb *verb_read(const char *command, struct order_words *words, bool *understood,
                             struct fault *fault)
{
    char rest[256];

    for (const struct verb *verb = verbs; verb < verbs + sizeof verbs / sizeof *verbs; verb++) {
        size_t length = strlen(verb->name);

        if (strncasecmp(command, verb->name, length) != 0 ||
            (command[length] != ' ' && command[length] != '\0'))
            continue;
        memset(words, 0, sizeof *words);
        *understood = strlen(command) - length < sizeof rest;
        if (*understood) {
            strcpy(rest, command + length + (command[length] == ' '));
            *understood = read_words(verb, rest, words);
        }
        if (!*understood)
            fault_set(fault, "42601", "expected %s", verb->sentence);
        return verb;
    }
    return NULL;
}
