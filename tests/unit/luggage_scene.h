/* SPDX-License-Identifier: PostgreSQL
 * luggage_scene - a session with some of everything, for the tests of what it takes along. */
#pragma once

#include <netinet/in.h>
#include <string.h>

#include "gateway/takeover/luggage.h"

struct luggage_scene {
    struct luggage luggage;
    struct setting parameters[2], settings[2], meaning[1];
    struct packed_name names[2];
    char channels[2][CHANNEL_BYTES];
};

static inline void luggage_scene_fill(struct luggage_scene *scene)
{
    static const unsigned char no_types[] = {0, 0}, one_type[] = {0, 1, 0, 0, 0, 23}, keys[64] = {7};
    static const char unnamed[] = "\0select 1\0\0";
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = 4711};
    struct luggage *luggage = &scene->luggage;

    memset(scene, 0, sizeof *scene);
    scene->parameters[0] = (struct setting){"client_encoding", "UTF8"};
    scene->parameters[1] = (struct setting){"options", "-c work_mem=5MB"};
    scene->settings[0] = (struct setting){"my.own", ""};
    scene->settings[1] = (struct setting){"search_path", "a, b"};
    scene->meaning[0] = (struct setting){"search_path", "a"};
    scene->names[0] = (struct packed_name){"one", "select 1", {no_types, sizeof no_types}, 5, {NULL, 0}};
    scene->names[1] =
        (struct packed_name){"two", "select $1", {one_type, sizeof one_type}, 0, {scene->meaning, 1}};
    strcpy(scene->channels[0], "news");
    strcpy(scene->channels[1], "Other");
    *luggage = (struct luggage){.token = 77,
                                .connected_us = 1,
                                .transactions = 2,
                                .queries = 3,
                                .pid = 4,
                                .flags = LUGGAGE_UNNAMED | LUGGAGE_DECIDED,
                                .listener = "pooled",
                                .user = "app",
                                .database = "app",
                                .startup_name = "",
                                .changed_name = "changed",
                                .pool_user = "app",
                                .password = "secret",
                                .md5 = "",
                                .keys = {keys, sizeof keys},
                                .secret = {"1234", 4},
                                .welcome = {"S", 1},
                                .unnamed = {unnamed, sizeof unnamed},
                                .kept = {"Q", 1},
                                .parameters = {scene->parameters, 2},
                                .settings = {scene->settings, 2},
                                .names = scene->names,
                                .name_count = 2,
                                .channels = scene->channels,
                                .channel_count = 2};
    luggage->peer.length = sizeof peer;
    memcpy(&luggage->peer.storage, &peer, sizeof peer);
}
