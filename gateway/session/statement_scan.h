/* SPDX-License-Identifier: PostgreSQL
 * statement_scan - what is known in the middle of a text, and who is asked about which part of it. Only for
 * the files of statement: statement.c moves through the text, the others look ahead and move nothing.
 *
 * Everything that looks ahead does so once for each part of the text, which keeps the whole linear. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/session/keyword.h"
#include "gateway/session/lexer.h"
#include "gateway/session/statement.h"

enum { IDENTIFIER_ROOM = 64 /* the server's NAMEDATALEN */ };

/* How deep a text lies in the client's: 0 is its own, 1 a body, LEVEL_LAST a constant or a body in one. */
enum { LEVEL_BODY = 1, LEVEL_LAST = 2 };

struct scan {
    struct lexer lexer;           /* behind the token that is looked at */
    struct statement_facts *facts;
    const struct routines *routines; /* NULL: none that could be named */
    void (*see)(void *owner, const char *name, size_t length); /* is told all identifiers; NULL: nobody */
    void *owner;
    unsigned level;
    bool wanted;                  /* identifiers are: by `routines` or `see` */
    bool calls_known;             /* what CALL runs is known by its name */
    bool body;                    /* of PL/pgSQL, perhaps of SQL */
    bool dynamic;                 /* a body that executes texts: look into its constants */
    /* Of one statement: */
    enum keyword head;            /* its first word */
    const char *start;
    size_t depth;                 /* of parentheses */
    bool updating;                /* behind UPDATE */
    bool inserting;               /* the next INTO is that of INSERT or MERGE */
    bool pid_seen;                /* pg_backend_pid was named */
    /* Of parts that were looked through from their beginning: */
    const char *config_end;       /* calls of set_config */
    const char *atomic_end;       /* BEGIN ATOMIC ... END, whose semicolons end no statement */
};

static inline void scan_suspect(struct scan *scan, enum pin_reason pin)
{
    scan->facts->suspects |= 1u << pin;
}

/* The next token. Its row when it is a word that is not quoted, otherwise KEYWORD_NONE. */
enum keyword keyword_take(struct lexer *ahead, struct token *token);
/* The row of the next token, which stays to be taken. */
enum keyword keyword_peek(const struct lexer *ahead);
/* Whether the next token is this symbol; it stays to be taken. */
bool symbol_follows(const struct lexer *ahead, char symbol);

/* Copies an identifier as PostgreSQL keeps it: folded unless quoted, doubled quotes once, cut between
 * characters to at most 63 bytes, and a NUL. False when it is empty or does not fit. */
bool identifier_copy(const struct token *token, char *name, size_t room);

/* Whether in PL/pgSQL a statement may begin behind this word. */
static inline bool keyword_opens(enum keyword keyword)
{
    return keyword == KEYWORD_THEN || keyword == KEYWORD_ELSE || keyword == KEYWORD_LOOP
           || keyword == KEYWORD_BEGIN;
}

/* statement.c: all statements from scan->lexer on. */
void statements_see(struct scan *scan);

/* statement_name.c: an identifier that somebody wants to know. */
void identifier_see(struct scan *scan, const struct token *token);
/* An identifier behind which scan->lexer stands. Whether another statement begins behind it. */
bool token_see(struct scan *scan, const struct token *token, enum keyword keyword);

/* statement_head.c: a statement's first word, behind which scan->lexer stands. */
void head_see(struct scan *scan, enum keyword keyword);
/* CREATE and INTO, wherever they stand: TEMP may follow. */
void temporary_see(struct scan *scan);

/* statement_settings.c: SET and RESET, and the function set_config. */
void set_see(struct scan *scan);
void reset_see(struct scan *scan);
void config_see(struct scan *scan);
/* A setting may be changed; its name in any case. */
void setting_add(struct scan *scan, const char *name, size_t length);
/* Some setting, whose name is computed. */
void setting_unknown(struct scan *scan);

/* statement_body.c: DO; EXECUTE in a body; a constant that a body may execute: from `text` to scan->lexer. */
void do_see(struct scan *scan);
void execute_see(struct scan *scan);
void constant_see(struct scan *scan, const char *text);
/* Looks at scan->lexer's text as a body. */
void body_see(struct scan *scan);
