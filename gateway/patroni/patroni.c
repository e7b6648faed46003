/* SPDX-License-Identifier: PostgreSQL
 * patroni - asks Patroni's REST API of each upstream that names it who leads. All APIs of an upstream are
 * asked side by side; the answer that came last counts. */
#include "gateway/patroni/patroni.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/patroni/members.h"
#include "conf/snapshot.h"
#include "router/hosts.h"

enum { EVERY_US = 1000000, SOON_US = 100000, FRESH_US = 3000000, LIMIT_MS = 2000, ANSWER_MAX_BYTES = 262144 };

/* One API. */
struct voice {
    struct list link;           /* cluster->voices */
    struct cluster *cluster;
    CURL *easy;
    char *url;
    bool asking, failing;
    uint64_t asked_us;
    ev_timer alarm;
    char error[CURL_ERROR_SIZE];
    char *answer;               /* ANSWER_MAX_BYTES */
    size_t used;
};

/* The APIs of one upstream. */
struct cluster {
    struct list link;           /* patroni->clusters */
    struct patroni *patroni;
    char *name;
    struct list voices;
    struct members members;
    uint64_t answered_us;       /* 0: never */
};

struct patroni {
    struct ev_loop *loop;
    CURLM *multi;
    ev_timer timer;
    struct list clusters;
};

static void alarm_set(struct voice *voice, uint64_t wait_us)
{
    struct ev_loop *loop = voice->cluster->patroni->loop;

    ev_timer_stop(loop, &voice->alarm);
    ev_timer_set(&voice->alarm, (double)wait_us / 1e6, 0.);
    ev_timer_start(loop, &voice->alarm);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *owner)
{
    struct voice *voice = owner;
    size_t length = size * count;

    if (ANSWER_MAX_BYTES - voice->used < length)
        return 0;
    memcpy(voice->answer + voice->used, bytes, length);
    voice->used += length;
    return length;
}

static void complain(struct voice *voice, const char *why)
{
    if (!voice->failing)
        log_warn("patroni", "upstream=%s api=%s said nothing about the cluster: %s", voice->cluster->name,
                 voice->url, why);
    voice->failing = true;
}

static void heard(struct voice *voice, CURLcode code)
{
    struct cluster *cluster = voice->cluster;
    struct fault fault;
    long status = 0;

    curl_easy_getinfo(voice->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        complain(voice, *voice->error != '\0' ? voice->error : curl_easy_strerror(code));
    } else if (status != 200) {
        snprintf(voice->error, sizeof voice->error, "expected the HTTP status 200, found %ld", status);
        complain(voice, voice->error);
    } else if (!members_read(&cluster->members, voice->answer, voice->used, &fault)) {
        complain(voice, fault.message);
    } else {
        if (voice->failing)
            log_info("patroni", "upstream=%s api=%s tells about the cluster again", cluster->name,
                     voice->url);
        voice->failing = false;
        cluster->answered_us = clock_now_us();
    }
}

static void read_messages(struct patroni *patroni)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(patroni->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        struct voice *voice = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&voice);
        curl_multi_remove_handle(patroni->multi, easy);
        voice->asking = false;
        heard(voice, code);
        alarm_set(voice, EVERY_US);
    }
}

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    struct patroni *patroni = io->data;
    int running, flags = ((events & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
                         ((events & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);

    (void)loop;
    curl_multi_socket_action(patroni->multi, io->fd, flags, &running);
    read_messages(patroni);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct patroni *patroni = timer->data;
    int running;

    (void)loop;
    (void)events;
    curl_multi_socket_action(patroni->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    read_messages(patroni);
}

/* libcurl says what it waits for on a socket; `io` is what we gave it for that one. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *io_of)
{
    struct patroni *patroni = owner;
    ev_io *io = io_of;

    (void)easy;
    if (io == NULL && (io = calloc(1, sizeof *io)) == NULL)
        return -1;
    if (io_of != NULL)
        ev_io_stop(patroni->loop, io);
    if (what == CURL_POLL_REMOVE) {
        free(io);
        return 0;
    }
    ev_io_init(io, on_socket, fd, ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
                                      ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0));
    io->data = patroni;
    ev_io_start(patroni->loop, io);
    curl_multi_assign(patroni->multi, fd, io);
    return 0;
}

static int watch_time(CURLM *multi, long wait_ms, void *owner)
{
    struct patroni *patroni = owner;

    (void)multi;
    ev_timer_stop(patroni->loop, &patroni->timer);
    if (wait_ms < 0)
        return 0;
    ev_timer_set(&patroni->timer, (double)wait_ms / 1e3, 0.);
    ev_timer_start(patroni->loop, &patroni->timer);
    return 0;
}

static void on_alarm(struct ev_loop *loop, ev_timer *alarm, int events)
{
    struct voice *voice = alarm->data;

    (void)loop;
    (void)events;
    voice->used = 0;
    *voice->error = '\0';
    voice->asked_us = clock_now_us();
    voice->asking = curl_multi_add_handle(voice->cluster->patroni->multi, voice->easy) == CURLM_OK;
    if (!voice->asking)
        alarm_set(voice, EVERY_US);
}

static void voice_free(struct voice *voice)
{
    struct patroni *patroni = voice->cluster->patroni;

    list_remove(&voice->link);
    ev_timer_stop(patroni->loop, &voice->alarm);
    if (voice->asking)
        curl_multi_remove_handle(patroni->multi, voice->easy);
    curl_easy_cleanup(voice->easy);
    free(voice->url);
    free(voice->answer);
    free(voice);
}

static void voice_add(struct cluster *cluster, const char *base)
{
    size_t length = strlen(base);
    struct voice *voice = calloc(1, sizeof *voice);

    CHECK(voice != NULL);
    while (length > 0 && base[length - 1] == '/')
        length--;
    voice->cluster = cluster;
    voice->easy = curl_easy_init();
    voice->answer = malloc(ANSWER_MAX_BYTES);
    CHECK(voice->easy != NULL && voice->answer != NULL &&
          asprintf(&voice->url, "%.*s/cluster", (int)length, base) > 0);
    list_append(&cluster->voices, &voice->link);
    curl_easy_setopt(voice->easy, CURLOPT_URL, voice->url);
    curl_easy_setopt(voice->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(voice->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(voice->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(voice->easy, CURLOPT_TIMEOUT_MS, (long)LIMIT_MS);
    curl_easy_setopt(voice->easy, CURLOPT_ERRORBUFFER, voice->error);
    curl_easy_setopt(voice->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(voice->easy, CURLOPT_WRITEDATA, voice);
    curl_easy_setopt(voice->easy, CURLOPT_PRIVATE, voice);
    ev_timer_init(&voice->alarm, on_alarm, 0., 0.);
    voice->alarm.data = voice;
    alarm_set(voice, 0);
}

static void cluster_free(struct cluster *cluster)
{
    while (!list_empty(&cluster->voices))
        voice_free(list_entry(cluster->voices.next, struct voice, link));
    list_remove(&cluster->link);
    free(cluster->name);
    free(cluster);
}

static struct cluster *cluster_find(const struct patroni *patroni, const char *name)
{
    list_each(link, following, &patroni->clusters)
        if (strcmp(list_entry(link, struct cluster, link)->name, name) == 0)
            return list_entry(link, struct cluster, link);
    return NULL;
}

/* What was heard under this name before is worth something until the new APIs have answered. */
static void cluster_renew(struct patroni *patroni, const struct upstream_options *options)
{
    struct cluster *before = cluster_find(patroni, options->name);
    struct cluster *cluster = calloc(1, sizeof *cluster);

    CHECK(cluster != NULL);
    cluster->patroni = patroni;
    cluster->name = strdup(options->name);
    CHECK(cluster->name != NULL);
    list_init(&cluster->voices);
    if (before != NULL) {
        cluster->members = before->members;
        cluster->answered_us = before->answered_us;
        cluster_free(before);
    }
    list_append(&patroni->clusters, &cluster->link);
    for (size_t i = 0; i < options->patroni.count; i++)
        voice_add(cluster, options->patroni.items[i]);
}

void patroni_reload(struct patroni *patroni, const struct snapshot *snapshot)
{
    list_each(link, following, &patroni->clusters) {
        struct cluster *cluster = list_entry(link, struct cluster, link);
        const struct upstream_options *options = snapshot_upstream(snapshot, cluster->name);

        if (options == NULL || options->patroni.count == 0)
            cluster_free(cluster);
    }
    for (size_t i = 0; i < snapshot->upstream_count; i++)
        if (snapshot->upstreams[i].patroni.count > 0)
            cluster_renew(patroni, &snapshot->upstreams[i]);
}

struct patroni *patroni_open(struct ev_loop *loop, struct fault *fault)
{
    struct patroni *patroni = calloc(1, sizeof *patroni);

    if (patroni == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (patroni->multi = curl_multi_init()) == NULL) {
        free(patroni);
        fault_set(fault, "53200", "libcurl could not be started");
        return NULL;
    }
    patroni->loop = loop;
    list_init(&patroni->clusters);
    ev_timer_init(&patroni->timer, on_timer, 0., 0.);
    patroni->timer.data = patroni;
    curl_multi_setopt(patroni->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(patroni->multi, CURLMOPT_SOCKETDATA, patroni);
    curl_multi_setopt(patroni->multi, CURLMOPT_TIMERFUNCTION, watch_time);
    curl_multi_setopt(patroni->multi, CURLMOPT_TIMERDATA, patroni);
    return patroni;
}

void patroni_close(struct patroni *patroni)
{
    while (!list_empty(&patroni->clusters))
        cluster_free(list_entry(patroni->clusters.next, struct cluster, link));
    curl_multi_cleanup(patroni->multi);
    ev_timer_stop(patroni->loop, &patroni->timer);
    curl_global_cleanup();
    free(patroni);
}

enum patroni_word patroni_says(const struct patroni *patroni, const struct upstream *upstream,
                               const struct host *host)
{
    const struct cluster *cluster = cluster_find(patroni, upstream->name);

    if (cluster == NULL || cluster->answered_us == 0 || clock_now_us() > cluster->answered_us + FRESH_US)
        return PATRONI_SILENT;
    return members_say(&cluster->members, host);
}

void patroni_hurry(struct patroni *patroni, const struct upstream *upstream)
{
    const struct cluster *cluster = cluster_find(patroni, upstream->name);
    uint64_t now_us = clock_now_us();

    if (cluster == NULL)
        return;
    list_each(link, following, &cluster->voices) {
        struct voice *voice = list_entry(link, struct voice, link);

        if (!voice->asking)
            alarm_set(voice, now_us > voice->asked_us + SOON_US ? 0 : voice->asked_us + SOON_US - now_us);
    }
}
