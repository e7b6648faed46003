/* SPDX-License-Identifier: PostgreSQL
 * test_luggage - what a session takes along to another process arrives there, and nothing that is not
 * whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/arena.h"
#include "tests/unit/luggage_scene.h"


static bool unpacks(const struct luggage *luggage)
{
    struct arena *arena = arena_new();
    struct pack pack = {0};
    struct luggage out;
    struct fault fault;
    bool good;

    assert_non_null(arena);
    assert_true(luggage_pack(luggage, &pack));
    good = luggage_unpack(pack.bytes, pack.used, arena, &out, &fault);
    pack_free(&pack);
    arena_free(arena);
    return good;
}

static void everything_arrives(void **state)
{
    struct arena *arena = arena_new();
    struct luggage_scene scene;
    struct pack pack = {0};
    struct luggage out;
    struct fault fault;

    (void)state;
    assert_non_null(arena);
    luggage_scene_fill(&scene);
    assert_true(luggage_pack(&scene.luggage, &pack));
    assert_true(luggage_unpack(pack.bytes, pack.used, arena, &out, &fault));
    assert_int_equal(out.token, 77);
    assert_int_equal(out.queries, 3);
    assert_int_equal(out.pid, 4);
    assert_int_equal(out.flags, LUGGAGE_UNNAMED | LUGGAGE_DECIDED);
    assert_string_equal(out.listener, "pooled");
    assert_string_equal(out.changed_name, "changed");
    assert_string_equal(out.password, "secret");
    assert_int_equal(out.keys.size, 64);
    assert_memory_equal(out.secret.bytes, "1234", 4);
    assert_int_equal(out.peer.length, scene.luggage.peer.length);
    assert_memory_equal(&out.peer.storage, &scene.luggage.peer.storage, sizeof(struct sockaddr_in));
    assert_int_equal(out.parameters.count, 2);
    assert_string_equal(out.parameters.items[1].value, "-c work_mem=5MB");
    assert_string_equal(out.settings.items[0].value, "");
    assert_int_equal(out.name_count, 2);
    assert_string_equal(out.names[1].query, "select $1");
    assert_int_equal(out.names[1].types.size, 6);
    assert_string_equal(out.names[1].meaning.items[0].value, "a");
    assert_int_equal(out.names[0].shape, 5);
    assert_int_equal(out.channel_count, 2);
    assert_string_equal(out.channels[1], "Other");
    assert_int_equal(out.kept.size, 1);
    pack_free(&pack);
    arena_free(arena);
}

static void nothing_that_was_cut_or_is_too_long_is_taken(void **state)
{
    struct luggage_scene scene;
    struct pack pack = {0};
    struct luggage out;
    struct fault fault;

    (void)state;
    luggage_scene_fill(&scene);
    assert_true(luggage_pack(&scene.luggage, &pack));
    pack_u8(&pack, 0);
    for (size_t size = 0; size <= pack.used; size++) {
        struct arena *arena = arena_new();

        assert_non_null(arena);
        assert_int_equal(luggage_unpack(pack.bytes, size, arena, &out, &fault), size == pack.used - 1);
        arena_free(arena);
    }
    pack_free(&pack);
}

static void what_no_session_can_have_is_not_taken(void **state)
{
    static const unsigned char wrong_types[] = {0, 2, 0, 0, 0, 23};
    struct luggage_scene scene;

    (void)state;
    luggage_scene_fill(&scene);
    assert_true(unpacks(&scene.luggage));
    scene.luggage.pid = 0x80000000;
    assert_false(unpacks(&scene.luggage));
    luggage_scene_fill(&scene);
    scene.luggage.flags = 255;
    assert_false(unpacks(&scene.luggage));
    luggage_scene_fill(&scene);
    scene.luggage.secret.size = 3;
    assert_false(unpacks(&scene.luggage));
    luggage_scene_fill(&scene);
    scene.luggage.keys.size = 63;
    assert_false(unpacks(&scene.luggage));
    luggage_scene_fill(&scene);
    scene.luggage.md5 = "md5 and more than thirty-two digits behind it";
    assert_false(unpacks(&scene.luggage));
    luggage_scene_fill(&scene);
    scene.luggage.user = "";
    assert_false(unpacks(&scene.luggage));
    luggage_scene_fill(&scene);
    scene.luggage.unnamed.size = 3;
    assert_false(unpacks(&scene.luggage));
    luggage_scene_fill(&scene);
    scene.luggage.peer.any.sa_family = AF_NETLINK;
    assert_false(unpacks(&scene.luggage));
    luggage_scene_fill(&scene);
    scene.names[0].types = (struct chunk){wrong_types, sizeof wrong_types};
    assert_false(unpacks(&scene.luggage));
    luggage_scene_fill(&scene);
    scene.names[0].name = "a name of sixty-four bytes, which is one more than PostgreSQL keeps";
    assert_false(unpacks(&scene.luggage));
    luggage_scene_fill(&scene);
    scene.channels[0][0] = '\0';
    assert_false(unpacks(&scene.luggage));
}

static void counts_without_things_take_no_memory(void **state)
{
    struct arena *arena = arena_new();
    struct luggage_scene scene;
    struct pack pack = {0};
    struct luggage out;
    struct fault fault;

    (void)state;
    assert_non_null(arena);
    luggage_scene_fill(&scene);
    scene.luggage.channel_count = 0;
    assert_true(luggage_pack(&scene.luggage, &pack));
    memset(pack.bytes + pack.used - 4, 0xff, 4);
    assert_false(luggage_unpack(pack.bytes, pack.used, arena, &out, &fault));
    assert_int_equal(out.channel_count, 0);
    pack_free(&pack);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_arrives),
        cmocka_unit_test(nothing_that_was_cut_or_is_too_long_is_taken),
        cmocka_unit_test(what_no_session_can_have_is_not_taken),
        cmocka_unit_test(counts_without_things_take_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
