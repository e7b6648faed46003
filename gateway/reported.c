/* SPDX-License-Identifier: PostgreSQL
 * reported - settings that PostgreSQL reports and whose value is not that of the login. */
#include "gateway/reported.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/session/owed.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "router/server.h"

static bool is_login_value(const struct server *server, const char *name, const char *value)
{
    const struct welcome *welcome = atomic_load(&server->profile->welcome);
    const char *known, *known_value;
    struct frame frame;

    for (size_t at = 0; welcome != NULL && at < welcome->length; at += frame.size) {
        if (frame_peek(welcome->bytes + at, welcome->length - at, &frame) != FRAME_OK)
            return false;
        if (fields_parameter_status(welcome->bytes + at + FRAME_HEADER_BYTES, frame.size - FRAME_HEADER_BYTES,
                                    &known, &known_value) &&
            strcmp(known, name) == 0)
            return strcmp(known_value, value) == 0;
    }
    return false;
}

static void forget_differing(struct server_session *session, const char *name)
{
    for (size_t i = 0; i < session->differing_count; i++) {
        if (strcmp(session->differing[i], name) != 0)
            continue;
        free(session->differing[i]);
        session->differing[i] = session->differing[--session->differing_count];
        return;
    }
}

static void remember_differing(struct server *server, const char *name)
{
    struct server_session *session = server->session;
    char **wider = realloc(session->differing, (session->differing_count + 1) * sizeof *wider);
    char *copy = strdup(name);

    if (wider != NULL)
        session->differing = wider;
    if (wider == NULL || copy == NULL) {
        free(copy);
        server->retire = true;
        return;
    }
    session->differing[session->differing_count++] = copy;
}

void reported_note(struct server *server, const char *name, const char *value)
{
    forget_differing(server->session, name);
    if (!is_login_value(server, name, value))
        remember_differing(server, name);
}
