/* SPDX-License-Identifier: PostgreSQL
 * listen_text - LISTEN and UNLISTEN as text: recognises the plain ones, and writes those that the gateway
 * says itself. Source: PostgreSQL manual, "LISTEN", "UNLISTEN", "Lexical Structure". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { CHANNEL_BYTES = 64 /* the server's NAMEDATALEN */, LISTEN_TEXT_BYTES = 2 * CHANNEL_BYTES + 16 };

struct listen_text {
    enum { LISTEN_OTHER, LISTEN_ADD, LISTEN_REMOVE, LISTEN_REMOVE_ALL } kind;
    bool quoted;               /* the name stood in quotes: any word may be one then */
    char channel[CHANNEL_BYTES]; /* as PostgreSQL keeps it */
};

/* Whether the whole text is one LISTEN or UNLISTEN whose name is plain: ASCII, at most 63 bytes. Everything
 * else is LISTEN_OTHER, and PostgreSQL's to read. */
void listen_text_read(const char *text, size_t length, struct listen_text *out);

/* Appends `LISTEN name;` or `UNLISTEN name;` at `at`, which has room for LISTEN_TEXT_BYTES; returns the
 * end. The name is quoted unless `bare`, which is for names that listen_text_read took without quotes. */
char *listen_text_add(char *at, const char *verb, const char *channel, bool bare);
