/* SPDX-License-Identifier: PostgreSQL
 * authenticate - how a client proves who it is: one driver for each auth_type, rows of auth.def. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/types.h"

struct client;

/* A driver says login_authenticated or client_close/client_refuse in the end. */
struct auth_driver {
    void (*start)(struct client *client);
    /* The body of a 'p' message. */
    void (*answer)(struct client *client, const unsigned char *body, size_t size);
    /* The login is given up, or over: frees the driver's state. */
    void (*end)(struct client *client);
};

const struct auth_driver *auth_driver(enum auth_type type);

#define AUTH(id, name, sentence) extern const struct auth_driver auth_##id;
#include "gateway/auth.def"
#undef AUTH

/* For drivers. An answer that nobody asked for ends the connection. */
void auth_no_answer(struct client *client, const unsigned char *body, size_t size);
/* The `end` of drivers that keep nothing. */
void auth_no_end(struct client *client);

/* Asks for the password in clear text; and the text in a 'p' message, NULL when that is malformed. */
void auth_ask_password(struct client *client);
const char *auth_password_of(const unsigned char *body, size_t size);

/* What names the user in the client's certificate, by the rule that matched; false when nothing does. */
bool auth_certificate_name(const struct client *client, char *text, size_t room);
/* Whether that name, or the operating system's, may be the client's user: by the rule's map, or as it is. */
bool auth_name_fits(struct client *client, const char *name);

/* The client is who it says: goes on to the welcome. */
void auth_passed(struct client *client);
/* It is not, as far as anybody can tell: the client hears "WHAT authentication failed", the log why
 * (truth). The answer is held back by auth_delay. */
void auth_failed(struct client *client, const char *what, const char *truth);
