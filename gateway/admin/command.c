/* SPDX-License-Identifier: PostgreSQL
 * command - one command of the console: which it is, and who may give it. Drivers wrap what they are given
 * into transactions and take back what they prepared: these words are understood, too, though nothing here
 * needs them. */
#include "gateway/admin/command.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "gateway/admin/order.h"
#include "gateway/admin/show.h"
#include "gateway/admin/tour.h"
#include "gateway/base/fault.h"
#include "gateway/admin/verbs.h"
#include "gateway/client.h"

void command_tidy(const char *text, size_t length, char command[CONSOLE_COMMAND_BYTES])
{
    size_t used = 0;

    for (size_t i = 0; i < length && used < CONSOLE_COMMAND_BYTES - 1; i++) {
        bool space = isspace((unsigned char)text[i]) != 0;

        if (text[i] == '-' && i + 1 < length && text[i + 1] == '-') {
            while (i < length && text[i] != '\n')
                i++;
            continue;
        }
        if (space && (used == 0 || command[used - 1] == ' '))
            continue;
        command[used++] = space ? ' ' : text[i];
    }
    while (used > 0 && (command[used - 1] == ' ' || command[used - 1] == ';'))
        used--;
    command[used] = '\0';
}

const struct show *command_show(const char *command)
{
    return strncasecmp(command, "SHOW ", 5) == 0 ? show_find(command + 5) : NULL;
}

/* Commands around a transaction block, and its state afterwards. */
static const struct block_word {
    const char *word, *tag;
    char status;
} block_words[] = {
    {"BEGIN", "BEGIN", 'T'},     {"START TRANSACTION", "START TRANSACTION", 'T'},
    {"COMMIT", "COMMIT", 'I'},   {"END", "COMMIT", 'I'},
    {"ROLLBACK", "ROLLBACK", 'I'}, {"ABORT", "ROLLBACK", 'I'},
};

static const struct block_word *block_word_find(const char *command)
{
    for (size_t i = 0; i < sizeof block_words / sizeof *block_words; i++)
        if (strcasecmp(block_words[i].word, command) == 0)
            return &block_words[i];
    return NULL;
}

static void run_block_word(struct client *client, const struct block_word *word)
{
    struct console *console = client->console;
    bool failed = console->status == 'E';

    console->status = word->status;
    tour_done(client, failed && word->status == 'I' ? "ROLLBACK" : word->tag);
}

static void run_deallocate(struct client *client, const char *name)
{
    struct helds *statements = &client->console->statements;
    size_t length = strlen(name);
    char plain[CONSOLE_COMMAND_BYTES];
    struct held *found;
    struct fault fault;

    if (strcasecmp(name, "ALL") == 0) {
        helds_clear(statements);
        tour_done(client, "DEALLOCATE ALL");
        return;
    }
    strcpy(plain, name);
    if (length > 2 && name[0] == '"' && name[length - 1] == '"') {
        memmove(plain, plain + 1, length - 2);
        plain[length - 2] = '\0';
    }
    found = held_find(statements, plain);
    if (found == NULL) {
        fault_set(&fault, "26000", "prepared statement \"%s\" does not exist", plain);
        tour_fail(client, &fault);
        return;
    }
    held_drop(statements, found);
    tour_done(client, "DEALLOCATE");
}

/* False: the command is no verb. */
static bool run_verb(struct client *client, const char *command)
{
    struct order_words words;
    bool understood = false;
    struct fault fault;
    const struct verb *verb = verb_read(command, &words, &understood, &fault);

    if (verb == NULL)
        return false;
    if (client->console->admin && understood) {
        order_give(client, verb, &words);
        return true;
    }
    if (!client->console->admin)
        fault_set(&fault, "42501", "the command \"%s\" is for admin_users", verb->name);
    tour_fail(client, &fault);
    return true;
}

void command_run(struct client *client, const char *command)
{
    const struct block_word *word = block_word_find(command);
    const struct show *show = command_show(command);
    struct fault fault;

    if (client->console->status == 'E' && (word == NULL || word->status != 'I')) {
        fault_set(&fault, "25P02",
                  "current transaction is aborted, commands ignored until end of transaction block");
        tour_fail(client, &fault);
    } else if (word != NULL) {
        run_block_word(client, word);
    } else if (show != NULL) {
        tour_show(client, show);
    } else if (strncasecmp(command, "DEALLOCATE ", 11) == 0) {
        run_deallocate(client, command + 11);
    } else if (!run_verb(client, command)) {
        fault_set(&fault, "42601", "invalid command \"%.80s\"", command);
        fault_hint(&fault, "SHOW HELP lists the commands of this console.");
        tour_fail(client, &fault);
    }
}
