/* SPDX-License-Identifier: PostgreSQL
 * luggage - what a pooled session takes along when another process takes over. */
#include "gateway/takeover/luggage.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/base/arena.h"

enum { KEYS_BYTES = 64, SECRET_MAX_BYTES = 32, NAME_MAX_BYTES = 63, MD5_MAX_BYTES = 35 };

static void pack_settings(struct pack *pack, const struct setting_list *list)
{
    pack_u32(pack, (uint32_t)list->count);
    for (size_t i = 0; i < list->count; i++) {
        pack_text(pack, list->items[i].name);
        pack_text(pack, list->items[i].value);
    }
}

static void pack_names(struct pack *pack, const struct luggage *luggage)
{
    pack_u32(pack, (uint32_t)luggage->name_count);
    for (size_t i = 0; i < luggage->name_count; i++) {
        const struct packed_name *name = &luggage->names[i];

        pack_text(pack, name->name);
        pack_text(pack, name->query);
        pack_chunk(pack, name->types.bytes, name->types.size);
        pack_u64(pack, name->shape);
        pack_settings(pack, &name->meaning);
    }
}

bool luggage_pack(const struct luggage *luggage, struct pack *pack)
{
    const char *const texts[] = {luggage->listener,     luggage->user,         luggage->database,
                                 luggage->startup_name, luggage->changed_name, luggage->pool_user,
                                 luggage->password,     luggage->md5};
    const struct chunk *const chunks[] = {&luggage->keys, &luggage->secret, &luggage->welcome,
                                          &luggage->unnamed, &luggage->kept};

    pack_u64(pack, luggage->token);
    pack_u64(pack, luggage->connected_us);
    pack_u64(pack, luggage->transactions);
    pack_u64(pack, luggage->queries);
    pack_u32(pack, luggage->pid);
    pack_u8(pack, luggage->flags);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        pack_text(pack, texts[i]);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
        pack_chunk(pack, chunks[i]->bytes, chunks[i]->size);
    pack_chunk(pack, &luggage->peer.storage, luggage->peer.length);
    pack_settings(pack, &luggage->parameters);
    pack_settings(pack, &luggage->settings);
    pack_names(pack, luggage);
    pack_u32(pack, (uint32_t)luggage->channel_count);
    for (size_t i = 0; i < luggage->channel_count; i++)
        pack_text(pack, luggage->channels[i]);
    return !pack->bad;
}

/* A count of things that take at least `least` bytes each, so that memory for them is bounded by the body. */
static size_t unpack_count(struct reader *reader, size_t most, size_t least)
{
    size_t count = reader_u32(reader);

    if (count > most || count > reader_left(reader) / least) {
        reader->bad = true;
        return 0;
    }
    return count;
}

static void unpack_settings(struct reader *reader, struct arena *arena, struct setting_list *list)
{
    list->count = unpack_count(reader, SETTINGS_MAX, 2);
    list->items = arena_alloc(arena, list->count * sizeof *list->items + 1);
    for (size_t i = 0; i < list->count; i++) {
        list->items[i].name = reader_string(reader);
        list->items[i].value = reader_string(reader);
        reader->bad = reader->bad || *list->items[i].name == '\0';
    }
}

/* As long as the 16-bit count at their start says. */
static bool types_are_whole(const struct chunk *types)
{
    const unsigned char *bytes = types->bytes;

    return types->size >= 2 && types->size == 2 + 4 * ((size_t)bytes[0] << 8 | bytes[1]);
}

static void unpack_names(struct reader *reader, struct arena *arena, struct luggage *luggage)
{
    luggage->name_count = unpack_count(reader, LUGGAGE_NAMES_MAX, 20);
    luggage->names = arena_alloc(arena, luggage->name_count * sizeof *luggage->names + 1);
    for (size_t i = 0; i < luggage->name_count && !reader->bad; i++) {
        struct packed_name *name = &luggage->names[i];

        name->name = reader_string(reader);
        name->query = reader_string(reader);
        name->types = unpack_chunk(reader);
        name->shape = unpack_u64(reader);
        unpack_settings(reader, arena, &name->meaning);
        if (*name->name == '\0' || strlen(name->name) > NAME_MAX_BYTES || !types_are_whole(&name->types))
            reader->bad = true;
    }
}

static void unpack_channels(struct reader *reader, struct arena *arena, struct luggage *luggage)
{
    luggage->channel_count = unpack_count(reader, LUGGAGE_CHANNELS_MAX, 2);
    luggage->channels = arena_alloc(arena, luggage->channel_count * CHANNEL_BYTES + 1);
    for (size_t i = 0; i < luggage->channel_count && !reader->bad; i++) {
        const char *name = reader_string(reader);
        size_t length = strlen(name);

        if (length == 0 || length >= CHANNEL_BYTES)
            reader->bad = true;
        else
            memcpy(luggage->channels[i], name, length + 1);
    }
}

static void unpack_peer(struct reader *reader, struct address *peer)
{
    struct chunk bytes = unpack_chunk(reader);

    memset(peer, 0, sizeof *peer);
    if (bytes.size < sizeof peer->any.sa_family || bytes.size > sizeof peer->storage) {
        reader->bad = true;
        return;
    }
    memcpy(&peer->storage, bytes.bytes, bytes.size);
    peer->length = (socklen_t)bytes.size;
    if (peer->any.sa_family != AF_UNIX &&
        (peer->any.sa_family != AF_INET || bytes.size != sizeof(struct sockaddr_in)) &&
        (peer->any.sa_family != AF_INET6 || bytes.size != sizeof(struct sockaddr_in6)))
        reader->bad = true;
}

static void unpack_head(struct reader *reader, struct luggage *luggage)
{
    const char **const texts[] = {&luggage->listener,     &luggage->user,         &luggage->database,
                                  &luggage->startup_name, &luggage->changed_name, &luggage->pool_user,
                                  &luggage->password,     &luggage->md5};
    struct chunk *const chunks[] = {&luggage->keys, &luggage->secret, &luggage->welcome, &luggage->unnamed,
                                    &luggage->kept};

    luggage->token = unpack_u64(reader);
    luggage->connected_us = unpack_u64(reader);
    luggage->transactions = unpack_u64(reader);
    luggage->queries = unpack_u64(reader);
    luggage->pid = reader_u32(reader);
    luggage->flags = reader_u8(reader);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = reader_string(reader);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
        *chunks[i] = unpack_chunk(reader);
}

static bool is_sound(const struct luggage *luggage)
{
    struct parse_fields parse;

    if ((luggage->flags & LUGGAGE_UNNAMED) != 0 &&
        !fields_parse(luggage->unnamed.bytes, luggage->unnamed.size, &parse))
        return false;
    return luggage->pid > 0 && luggage->pid <= INT32_MAX && (luggage->flags & ~LUGGAGE_FLAGS) == 0 &&
           *luggage->user != '\0' && *luggage->database != '\0' &&
           strlen(luggage->md5) <= MD5_MAX_BYTES &&
           (luggage->keys.size == 0 || luggage->keys.size == KEYS_BYTES) && luggage->secret.size >= 4 &&
           luggage->secret.size <= SECRET_MAX_BYTES &&
           luggage->parameters.count <= LUGGAGE_PARAMETERS_MAX;
}

bool luggage_unpack(const void *bytes, size_t size, struct arena *arena, struct luggage *luggage,
                    struct fault *fault)
{
    struct reader reader;

    memset(luggage, 0, sizeof *luggage);
    reader_init(&reader, bytes, size);
    unpack_head(&reader, luggage);
    unpack_peer(&reader, &luggage->peer);
    unpack_settings(&reader, arena, &luggage->parameters);
    unpack_settings(&reader, arena, &luggage->settings);
    unpack_names(&reader, arena, luggage);
    unpack_channels(&reader, arena, luggage);
    if (reader.bad || reader_left(&reader) != 0 || !is_sound(luggage))
        return fault_set(fault, "08P01", "expected a session of another process, found bytes that are none");
    return true;
}
