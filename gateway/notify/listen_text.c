/* SPDX-License-Identifier: PostgreSQL
 * listen_text - LISTEN and UNLISTEN as text. */
#include "gateway/notify/listen_text.h"

#include <string.h>
#include <strings.h>

#include "gateway/session/lexer.h"

static bool token_is(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && token->length == strlen(word) &&
           strncasecmp(token->text, word, token->length) == 0;
}

/* Bytes above 0x7f depend on encodings, on this side and on that. */
static bool channel_read(const struct token *token, struct listen_text *out)
{
    size_t used = 0;

    if (token->kind != TOKEN_WORD && token->kind != TOKEN_QUOTED)
        return false;
    out->quoted = token->kind == TOKEN_QUOTED;
    for (size_t i = 0; i < token->length; i++) {
        char c = token->text[i];

        if ((unsigned char)c >= 0x80 || c == '\0' || used == CHANNEL_BYTES - 1)
            return false;
        if (!out->quoted && c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        out->channel[used++] = c;
        if (c == '"')
            i++;
    }
    out->channel[used] = '\0';
    return used > 0;
}

void listen_text_read(const char *text, size_t length, struct listen_text *out)
{
    struct lexer lexer;
    struct token verb, name, next;
    bool listen;

    out->kind = LISTEN_OTHER;
    lexer_init(&lexer, text, length, true);
    lexer_next(&lexer, &verb);
    listen = token_is(&verb, "listen");
    if (!listen && !token_is(&verb, "unlisten"))
        return;
    lexer_next(&lexer, &name);
    do
        lexer_next(&lexer, &next);
    while (next.kind == TOKEN_SYMBOL && *next.text == ';');
    if (next.kind != TOKEN_END)
        return;
    if (!listen && name.kind == TOKEN_SYMBOL && *name.text == '*')
        out->kind = LISTEN_REMOVE_ALL;
    else if (channel_read(&name, out))
        out->kind = listen ? LISTEN_ADD : LISTEN_REMOVE;
}

char *listen_text_add(char *at, const char *verb, const char *channel, bool bare)
{
    at = stpcpy(stpcpy(at, verb), bare ? " " : " \"");
    for (; *channel != '\0'; channel++) {
        if (*channel == '"')
            *at++ = '"';
        *at++ = *channel;
    }
    return stpcpy(at, bare ? ";" : "\";");
}
