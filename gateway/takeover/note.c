/* SPDX-License-Identifier: PostgreSQL
 * note - what main and a worker tell each other while a process is taken over, or takes over. */
#include "gateway/takeover/note.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "gateway/takeover/arrive.h"
#include "gateway/takeover/leave.h"
#include "gateway/takeover/takeover.h"
#include "gateway/worker.h"

struct note *note_new(enum note_kind kind, const void *body, size_t size, int fd)
{
    struct note *note = malloc(sizeof *note + size);

    if (note == NULL) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    *note = (struct note){.kind = kind, .fd = fd, .size = size};
    if (size > 0)
        memcpy(note->body, body, size);
    return note;
}

void note_free(struct note *note)
{
    if (note->fd >= 0)
        close(note->fd);
    explicit_bzero(note->body, note->size);
    free(note);
}

static void at_worker(struct letter *letter, void *owner)
{
    struct note *note = (struct note *)letter;

    if (note->side == SIDE_NEW)
        leave_hear(owner, note);
    else
        arrive_hear(owner, note);
    note_free(note);
}

void note_to_worker(struct worker *worker, struct note *note)
{
    if (note == NULL)
        return;
    note->letter.deliver = at_worker;
    mailbox_send(&worker->mailbox, &note->letter);
}

static void at_main(struct letter *letter, void *owner)
{
    struct note *note = (struct note *)letter;

    takeover_pass_on(owner, note);
    note_free(note);
}

void note_to_main(struct gateway *gateway, struct note *note)
{
    if (note == NULL)
        return;
    note->letter.deliver = at_main;
    mailbox_send(&gateway->mailbox, &note->letter);
}
