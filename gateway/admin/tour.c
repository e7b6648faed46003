/* SPDX-License-Identifier: PostgreSQL
 * tour - a SHOW on its round through the workers and home again. */
#include "gateway/admin/tour.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/show.h"
#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/reply.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"

/* A SHOW on its way round the workers; comes home to `home`. */
struct tour {
    struct letter letter;
    struct worker *home;
    uint64_t client_id;
    const struct show *show;
    int next;
    struct rows rows;
};

static size_t describe(const struct show *show, const char *names[CONSOLE_COLUMNS_MAX],
                       uint32_t types[CONSOLE_COLUMNS_MAX], char *text, size_t room)
{
    enum { TYPE_INT8 = 20, TYPE_TEXT = 25 };
    size_t count = 0;
    char *rest = text;

    snprintf(text, room, "%s", show->columns);
    for (char *name; (name = strsep(&rest, " ")) != NULL && count < CONSOLE_COLUMNS_MAX; count++) {
        size_t length = strlen(name);
        bool number = length > 0 && name[length - 1] == '#';

        if (number)
            name[length - 1] = '\0';
        names[count] = name;
        types[count] = number ? TYPE_INT8 : TYPE_TEXT;
    }
    return count;
}

void tour_describe(struct client *client, const struct show *show, uint32_t binary)
{
    unsigned char message[2048];
    const char *names[CONSOLE_COLUMNS_MAX];
    uint32_t types[CONSOLE_COLUMNS_MAX];
    char text[512];
    struct builder builder;
    size_t count = describe(show, names, types, text, sizeof text);

    builder_init(&builder, message, sizeof message);
    write_row_description(&builder, names, types, binary, count);
    stream_send(&client->stream, builder.bytes, builder.used);
}

static void send_complete(struct client *client, const char *tag)
{
    unsigned char message[128];
    struct builder builder;

    builder_init(&builder, message, sizeof message);
    write_command_complete(&builder, tag);
    stream_send(&client->stream, builder.bytes, builder.used);
}

void tour_done(struct client *client, const char *tag)
{
    send_complete(client, tag);
    if (!client->console->extended)
        reply_ready(client, client->console->status);
}

void tour_fail(struct client *client, const struct fault *fault)
{
    struct console *console = client->console;

    reply_error(client, "ERROR", fault);
    if (console->status == 'T')
        console->status = 'E';
    if (console->extended)
        console->skip_to_sync = true;
    else
        reply_ready(client, console->status);
}

void tour_resume(struct client *client)
{
    static const unsigned char suspended[] = {'s', 0, 0, 0, 4};
    struct console *console = client->console;
    const void *from;
    size_t bytes, count;
    char tag[32];

    from = held_rows(console->portal, console->row_limit, &bytes, &count);
    if (bytes > 0)
        stream_forward(&client->stream, from, bytes);
    if (console->row_limit > 0 && count == console->row_limit) {
        stream_send(&client->stream, suspended, sizeof suspended);
        return;
    }
    snprintf(tag, sizeof tag, "SHOW %zu", count);
    send_complete(client, count == 0 ? "SHOW" : tag);
}

/* A portal keeps its rows: they may be asked for in parts. */
static void send_rows(struct client *client, const struct show *show, struct rows *rows)
{
    struct console *console = client->console;
    struct fault fault;
    char tag[32];

    if (rows->failed) {
        fault_set(&fault, "53200", "out of memory while gathering SHOW %s", show->name);
        tour_fail(client, &fault);
        return;
    }
    if (console->portal != NULL) {
        console->portal->rows = *rows;
        *rows = (struct rows){0};
        tour_resume(client);
        return;
    }
    tour_describe(client, show, 0);
    stream_forward(&client->stream, rows->bytes, rows->used);
    snprintf(tag, sizeof tag, "SHOW %zu", rows->count);
    tour_done(client, rows->count == 0 ? "SHOW" : tag);
}

static void go_on(struct tour *tour);

static void tour_arrives(struct letter *letter, void *owner)
{
    struct tour *tour = (struct tour *)letter;
    struct worker *worker = owner;

    if (worker->stopping) { /* nobody waits for it any more, and the next worker may be gone */
        rows_free(&tour->rows);
        free(tour);
        return;
    }
    tour->show->produce(worker, &tour->rows);
    go_on(tour);
}

static void tour_ends(struct letter *letter, void *owner)
{
    struct tour *tour = (struct tour *)letter;
    struct worker *worker = owner;

    list_each(link, following, &worker->clients) {
        struct client *client = list_entry(link, struct client, link);

        if (client->id != tour->client_id || client->console == NULL)
            continue;
        client->console->touring = false;
        send_rows(client, tour->show, &tour->rows);
        stream_resume(&client->stream);
    }
    rows_free(&tour->rows);
    free(tour);
}

static void go_on(struct tour *tour)
{
    struct gateway *gateway = tour->home->gateway;
    bool more = tour->next < gateway->worker_count;
    struct worker *to = more ? &gateway->workers[tour->next++] : tour->home;

    tour->letter.deliver = more ? tour_arrives : tour_ends;
    mailbox_send(&to->mailbox, &tour->letter);
}

static struct tour *tour_new(struct client *client)
{
    struct tour *tour = calloc(1, sizeof *tour);

    if (tour == NULL)
        return NULL;
    tour->home = client->worker;
    tour->client_id = client->id;
    client->console->touring = true;
    return tour;
}

void tour_show(struct client *client, const struct show *show)
{
    struct tour *tour = show->each_worker ? tour_new(client) : NULL;
    const struct held *portal = client->console->portal;
    struct rows rows = {.binary = portal == NULL ? 0 : portal->binary};

    if (tour != NULL) {
        tour->rows = rows;
        tour->show = show;
        go_on(tour);
        return;
    }
    show->produce(client->worker, &rows);
    send_rows(client, show, &rows);
    rows_free(&rows);
}
