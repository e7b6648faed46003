/* SPDX-License-Identifier: PostgreSQL
 * startup - parses the first packet of a connection, whole or not at all. */
#include "gateway/wire/startup.h"

#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/fault.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"

enum {
    CODE_CANCEL = 80877102,
    CODE_SSL = 80877103,
    CODE_GSS = 80877104,
    HEADER_BYTES = 8, /* length and code */
    CANCEL_KEY_MIN_BYTES = 4,
    NAME_MAX_BYTES = 63, /* the server's NAMEDATALEN - 1 */
};

static bool word_begins(const char *word, const char *text, size_t length)
{
    if (length > strlen(word))
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 'a' - 'A');
        if (c != word[i])
            return false;
    }
    return true;
}

bool startup_parse_bool(const char *text, bool *value)
{
    static const struct {
        const char *word;
        size_t shortest; /* "o" could be on or off */
        bool value;
    } words[] = {
        { "true", 1, true }, { "false", 1, false }, { "yes", 1, true }, { "no", 1, false },
        { "on", 2, true },   { "off", 2, false },   { "1", 1, true },   { "0", 1, false },
    };
    size_t length = strlen(text);

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (length >= words[i].shortest && word_begins(words[i].word, text, length)) {
            *value = words[i].value;
            return true;
        }
    }
    return false;
}

const char *startup_get(const struct startup *startup, const char *name)
{
    for (size_t i = startup->parameter_count; i-- > 0;) {
        if (strcmp(startup->parameters[i].name, name) == 0)
            return startup->parameters[i].value;
    }
    return NULL;
}

/* The server cuts longer names; cutting between characters keeps the name valid UTF-8 when it was. */
static size_t clipped_length(const char *name)
{
    size_t length = strlen(name), cut = NAME_MAX_BYTES;

    if (length <= NAME_MAX_BYTES)
        return length;
    while (cut > NAME_MAX_BYTES - 3 && ((unsigned char)name[cut] & 0xc0) == 0x80)
        cut--;
    return ((unsigned char)name[cut] & 0xc0) == 0xc0 ? cut : NAME_MAX_BYTES;
}

static const char *name_clip(struct arena *arena, const char *name)
{
    size_t length = clipped_length(name);

    return name[length] == '\0' ? name : arena_copy(arena, name, length);
}

void startup_clean_name(const char *sent, char name[STARTUP_NAME_BYTES], struct fault *notice)
{
    size_t length = clipped_length(sent);

    memcpy(name, sent, length);
    name[length] = '\0';
    notice->message[0] = '\0';
    if (sent[length] != '\0')
        fault_set(notice, "42622", "identifier \"%.300s\" will be truncated to \"%s\"", sent, name);
    for (char *at = name; *at != '\0'; at++)
        *at = *at < 32 || *at > 126 ? '?' : *at;
}

static bool layout_bad(struct fault *fault)
{
    return fault_set(fault, "08P01", "invalid startup packet layout: expected terminator as last byte");
}

/* An empty name is the terminator, and must be the packet's last byte. */
static bool parameters_read(struct reader *r, struct arena *arena, struct startup *startup,
                            struct fault *fault)
{
    startup->parameters = arena_alloc(arena, STARTUP_MAX_PARAMETERS * sizeof *startup->parameters);
    for (;;) {
        struct startup_parameter parameter;

        parameter.name = reader_string(r);
        if (r->bad)
            return layout_bad(fault);
        if (parameter.name[0] == '\0')
            return reader_left(r) == 0 || layout_bad(fault);
        parameter.value = reader_string(r);
        if (r->bad)
            return layout_bad(fault);
        if (startup->parameter_count == STARTUP_MAX_PARAMETERS)
            return fault_set(fault, "54000", "the startup packet has more than %d parameters",
                             STARTUP_MAX_PARAMETERS);
        startup->parameters[startup->parameter_count++] = parameter;
    }
}

/* As in the server, `database` sticks: a later plain boolean does not take the database away again. */
static bool replication_read(struct startup *startup, const char *value, bool *logical, struct fault *fault)
{
    bool wanted = true;

    if (strcmp(value, "database") == 0)
        *logical = true;
    else if (!startup_parse_bool(value, &wanted)) {
        fault_set(fault, "22023", "invalid value for parameter \"replication\": \"%s\"", value);
        return fault_hint(fault, "Valid values are: \"false\", 0, \"true\", 1, \"database\".");
    }
    startup->replication = !wanted ? REPLICATION_NONE : *logical ? REPLICATION_LOGICAL : REPLICATION_PHYSICAL;
    return true;
}

static bool parameters_judge(struct startup *startup, struct arena *arena, struct fault *fault)
{
    const char *database, *application_name;
    bool logical = false;

    for (size_t i = 0; i < startup->parameter_count; i++) {
        const struct startup_parameter *parameter = &startup->parameters[i];

        if (strncmp(parameter->name, "_pq_.", 5) == 0)
            startup->unknown_protocol_options = true;
        if (strcmp(parameter->name, "replication") == 0
            && !replication_read(startup, parameter->value, &logical, fault))
            return false;
    }
    startup->user = startup_get(startup, "user");
    if (startup->user == NULL || startup->user[0] == '\0')
        return fault_set(fault, "28000", "no PostgreSQL user name specified in startup packet");
    startup->user = name_clip(arena, startup->user);
    database = startup_get(startup, "database");
    if (startup->replication == REPLICATION_PHYSICAL)
        startup->database = "";
    else if (database == NULL || database[0] == '\0')
        startup->database = startup->user;
    else
        startup->database = name_clip(arena, database);
    application_name = startup_get(startup, "application_name");
    startup->application_name = application_name == NULL ? "" : application_name;
    return true;
}

static bool session_parse(struct reader *r, uint32_t code, struct arena *arena, struct startup *startup,
                          struct fault *fault)
{
    startup->kind = STARTUP_SESSION;
    startup->major = (uint16_t)(code >> 16);
    startup->minor = (uint16_t)code;
    if (startup->major != 3)
        return fault_set(fault, "0A000", "unsupported frontend protocol %u.%u: server supports 3.0 to 3.%d",
                         (unsigned)startup->major, (unsigned)startup->minor, STARTUP_NEWEST_MINOR);
    startup->unknown_protocol_options = startup->minor > STARTUP_NEWEST_MINOR;
    return parameters_read(r, arena, startup, fault) && parameters_judge(startup, arena, fault);
}

static bool cancel_parse(struct reader *r, struct arena *arena, struct startup *startup, struct fault *fault)
{
    size_t key_bytes = reader_left(r) < 4 ? 0 : reader_left(r) - 4;

    startup->kind = STARTUP_CANCEL;
    if (key_bytes < CANCEL_KEY_MIN_BYTES || key_bytes > CANCEL_KEY_MAX_BYTES)
        return fault_set(fault, "08P01",
                         "invalid length of a cancel request: its key must have %d to %d bytes, it has %zu",
                         CANCEL_KEY_MIN_BYTES, CANCEL_KEY_MAX_BYTES, key_bytes);
    startup->cancel_pid = reader_u32(r);
    startup->cancel_key = (const unsigned char *)arena_copy(arena, reader_bytes(r, key_bytes), key_bytes);
    startup->cancel_key_bytes = key_bytes;
    return true;
}

/* The packet is complete and within the limits. */
static bool packet_parse(const void *bytes, size_t size, struct arena *arena, struct startup *startup,
                         struct fault *fault)
{
    uint32_t code = frame_u32((const char *)bytes + 4);
    struct reader r;

    reader_init(&r, arena_copy(arena, bytes, size), size);
    (void)reader_bytes(&r, HEADER_BYTES);
    if (code == CODE_CANCEL)
        return cancel_parse(&r, arena, startup, fault);
    if (code != CODE_SSL && code != CODE_GSS)
        return session_parse(&r, code, arena, startup, fault);
    startup->kind = code == CODE_SSL ? STARTUP_SSL : STARTUP_GSS;
    if (size == HEADER_BYTES)
        return true;
    return fault_set(fault, "08P01",
                     "invalid length of an encryption request: 8 bytes were expected, %zu were found", size);
}

enum startup_result startup_parse(const void *bytes, size_t available, struct arena *arena,
                                  struct startup *startup, size_t *used, struct fault *fault)
{
    uint32_t length;

    memset(startup, 0, sizeof *startup);
    *used = 0;
    if (available < 4)
        return STARTUP_SHORT;
    length = frame_u32(bytes);
    if (length < HEADER_BYTES || length > STARTUP_MAX_BYTES) {
        fault_set(fault, "08P01", "invalid length of startup packet");
        return STARTUP_BAD;
    }
    if (available < length)
        return STARTUP_SHORT;
    if (!packet_parse(bytes, length, arena, startup, fault))
        return STARTUP_BAD;
    *used = length;
    return STARTUP_OK;
}
