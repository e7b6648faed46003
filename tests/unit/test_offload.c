/* SPDX-License-Identifier: PostgreSQL
 * test_offload - every job is answered once or forgotten, and freed once, whoever leaves first. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/auth/offload.h"
#include "gateway/base/fault.h"
#include "tests/unit/loop.h"

enum { THREADS = 3, ASKERS = 4, ROUNDS = 2000, ASKED_AT_ONCE = 8 };

/* A gate that jobs wait at, so that a test knows what runs. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;   /* [l] */
    int waiting; /* [l] */
};

struct asker {
    struct mailbox mailbox;
    struct ev_loop *loop;
    pthread_t thread; /* that must get the answers */
    int done, cancelled;
    struct offload *offload;
    unsigned seed;
};

struct work {
    struct offload_job job;
    struct asker *asker;
    struct gate *gate;
    struct work **pointer; /* cleared with the answer */
    pthread_t ran_on;      /* result */
    bool signals_blocked;  /* result */
};

static struct fault fault;
static atomic_int submitted, ran, disposed;

static void gate_set(struct gate *gate, bool open)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = open;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_pass(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->waiting++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    gate->waiting--;
    pthread_mutex_unlock(&gate->lock);
}

static void gate_await(struct gate *gate, int waiting)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->waiting < waiting)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void work_run(struct offload_job *job)
{
    struct work *work = list_entry(job, struct work, job);
    sigset_t blocked;

    if (work->gate != NULL)
        gate_pass(work->gate);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    work->signals_blocked = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGHUP) == 1
                            && sigismember(&blocked, SIGCHLD) == 1;
    work->ran_on = pthread_self();
    atomic_fetch_add(&ran, 1);
}

static void work_done(struct offload_job *job, enum offload_outcome outcome)
{
    struct work *work = list_entry(job, struct work, job);

    CHECK(pthread_equal(pthread_self(), work->asker->thread));
    if (outcome == OFFLOAD_DONE) {
        CHECK(!pthread_equal(work->ran_on, work->asker->thread));
        CHECK(work->signals_blocked);
        work->asker->done++;
    } else {
        work->asker->cancelled++;
    }
    if (work->pointer != NULL)
        *work->pointer = NULL;
}

static void work_dispose(struct offload_job *job)
{
    atomic_fetch_add(&disposed, 1);
    free(list_entry(job, struct work, job));
}

/* NULL when it was not taken. */
static struct work *work_submit(struct asker *asker, struct gate *gate, struct work **pointer)
{
    struct work *work = calloc(1, sizeof *work);

    CHECK(work != NULL);
    *work = (struct work){
        .job = { .mailbox = &asker->mailbox, .run = work_run, .done = work_done, .dispose = work_dispose },
        .asker = asker, .gate = gate, .pointer = pointer
    };
    if (offload_submit(asker->offload, &work->job)) {
        atomic_fetch_add(&submitted, 1);
        return work;
    }
    free(work);
    return NULL;
}

static void asker_open(struct asker *asker, struct offload *offload)
{
    *asker = (struct asker){ .thread = pthread_self(), .offload = offload };
    asker->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    mailbox_open(&asker->mailbox, asker->loop, asker);
}

static void asker_close(struct asker *asker)
{
    mailbox_close(&asker->mailbox);
    ev_loop_destroy(asker->loop);
}

struct scene {
    struct gate gate;
    struct asker asker;
};

static int scene_open(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);

    CHECK(scene != NULL);
    atomic_store(&ran, 0);
    atomic_store(&disposed, 0);
    pthread_mutex_init(&scene->gate.lock, NULL);
    pthread_cond_init(&scene->gate.changed, NULL);
    asker_open(&scene->asker, offload_open(THREADS, 10, &fault));
    CHECK(scene->asker.offload != NULL);
    *state = scene;
    return 0;
}

/* The test has closed the offload. */
static int scene_close(void **state)
{
    struct scene *scene = *state;

    asker_close(&scene->asker);
    offload_free(scene->asker.offload);
    pthread_cond_destroy(&scene->gate.changed);
    pthread_mutex_destroy(&scene->gate.lock);
    free(scene);
    return 0;
}

static void a_job_runs_elsewhere_and_is_answered_here(void **state)
{
    struct scene *scene = *state;
    struct work *pointer = NULL;

    pointer = work_submit(&scene->asker, NULL, &pointer);
    assert_non_null(pointer);
    loop_until(scene->asker.loop, pointer == NULL);
    assert_int_equal(scene->asker.done, 1);
    offload_close(scene->asker.offload, UINT64_MAX);
    assert_int_equal(disposed, 1);
}

/* THREADS jobs that wait at the gate. */
static void threads_occupy(struct scene *scene)
{
    for (int i = 0; i < THREADS; i++)
        assert_non_null(work_submit(&scene->asker, &scene->gate, NULL));
    gate_await(&scene->gate, THREADS);
}

static void a_full_queue_refuses(void **state)
{
    struct scene *scene = *state;
    int taken = 0;

    threads_occupy(scene);
    while (work_submit(&scene->asker, NULL, NULL) != NULL)
        taken++;
    assert_int_equal(taken, 10);
    offload_limit(scene->asker.offload, 12);
    assert_non_null(work_submit(&scene->asker, NULL, NULL));
    assert_non_null(work_submit(&scene->asker, NULL, NULL));
    assert_null(work_submit(&scene->asker, NULL, NULL));
    offload_limit(scene->asker.offload, 1);
    assert_null(work_submit(&scene->asker, NULL, NULL));
    gate_set(&scene->gate, true);
    loop_until(scene->asker.loop, scene->asker.done == THREADS + 12);
    assert_non_null(work_submit(&scene->asker, NULL, NULL));
    loop_until(scene->asker.loop, scene->asker.done == THREADS + 13);
    offload_close(scene->asker.offload, UINT64_MAX);
}

static void an_abandoned_job_in_the_queue_leaves_it_and_never_runs(void **state)
{
    struct scene *scene = *state;
    struct work *waiting[10];

    threads_occupy(scene);
    for (int i = 0; i < 10; i++)
        waiting[i] = work_submit(&scene->asker, NULL, NULL);
    assert_null(work_submit(&scene->asker, NULL, NULL));
    offload_abandon(&waiting[0]->job);
    offload_abandon(&waiting[5]->job);
    assert_int_equal(disposed, 2);
    assert_non_null(work_submit(&scene->asker, NULL, NULL));
    assert_non_null(work_submit(&scene->asker, NULL, NULL));
    assert_null(work_submit(&scene->asker, NULL, NULL));
    gate_set(&scene->gate, true);
    loop_until(scene->asker.loop, scene->asker.done == THREADS + 10);
    assert_int_equal(ran, THREADS + 10);
    offload_close(scene->asker.offload, UINT64_MAX);
}

static void an_abandoned_job_that_runs_ends_without_an_answer(void **state)
{
    struct scene *scene = *state;
    struct work *running = work_submit(&scene->asker, &scene->gate, NULL);

    gate_await(&scene->gate, 1);
    offload_abandon(&running->job);
    assert_int_equal(disposed, 0);
    gate_set(&scene->gate, true);
    loop_until(scene->asker.loop, disposed == 1);
    assert_int_equal(ran, 1);
    assert_int_equal(scene->asker.done, 0);
    offload_close(scene->asker.offload, UINT64_MAX);
}

static void an_answer_on_its_way_may_still_be_abandoned(void **state)
{
    struct scene *scene = *state;
    struct work *work = work_submit(&scene->asker, NULL, NULL);

    assert_non_null(work);
    offload_close(scene->asker.offload, UINT64_MAX); /* done or cancelled, the letter is in the mailbox now */
    offload_abandon(&work->job);
    loop_until(scene->asker.loop, disposed == 1);
    assert_int_equal(scene->asker.done + scene->asker.cancelled, 0);
}

static void *gate_open_late(void *argument)
{
    for (int i = 0; i < 1000; i++)
        sched_yield();
    gate_set(argument, true);
    return NULL;
}

static void closing_cancels_what_waits_and_awaits_what_runs(void **state)
{
    struct scene *scene = *state;
    pthread_t opener;

    threads_occupy(scene);
    for (int i = 0; i < 5; i++)
        assert_non_null(work_submit(&scene->asker, NULL, NULL));
    assert_int_equal(pthread_create(&opener, NULL, gate_open_late, &scene->gate), 0);
    offload_close(scene->asker.offload, UINT64_MAX);
    pthread_join(opener, NULL);
    assert_int_equal(ran, THREADS);
    assert_null(work_submit(&scene->asker, NULL, NULL));
    loop_until(scene->asker.loop, disposed == THREADS + 5);
    assert_int_equal(scene->asker.done, THREADS);
    assert_int_equal(scene->asker.cancelled, 5);
}

/* The gate outlives the scene: the thread comes back to a world in which everybody else has gone. */
static void a_job_that_hangs_does_not_hold_the_end_up(void **state)
{
    static struct gate gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    struct work *pointer = NULL;
    struct scene *scene;

    scene_open(state);
    scene = *state;
    pointer = work_submit(&scene->asker, &gate, &pointer);
    gate_await(&gate, 1);
    offload_close(scene->asker.offload, 1000);
    loop_until(scene->asker.loop, pointer == NULL);
    assert_int_equal(scene->asker.cancelled, 1);
    scene_close(state);
    assert_int_equal(disposed, 0);
    gate_set(&gate, true);
    for (uint64_t until_us = clock_now_us() + LOOP_PATIENCE_US; disposed == 0; sched_yield())
        CHECK(clock_now_us() < until_us);
    assert_int_equal(ran, 1);
}

static void work_forget(struct work **work)
{
    offload_abandon(&(*work)->job);
    *work = NULL;
}

/* Some are answered, some forgotten in the queue, some while they run, some with the answer under way. */
static void *ask_and_forget(void *argument)
{
    struct asker *asker = argument;
    struct work *works[ASKED_AT_ONCE] = { NULL };
    struct offload *offload = asker->offload;
    unsigned seed = asker->seed;

    asker_open(asker, offload);
    for (int round = 0; round < ROUNDS; round++) {
        struct work **work = &works[rand_r(&seed) % ASKED_AT_ONCE];

        if (*work == NULL)
            *work = work_submit(asker, NULL, work);
        else if (rand_r(&seed) % 2 == 0)
            work_forget(work);
        if (rand_r(&seed) % 4 == 0)
            ev_run(asker->loop, EVRUN_NOWAIT);
    }
    for (int i = 0; i < ASKED_AT_ONCE; i++)
        loop_until(asker->loop, works[i] == NULL);
    return NULL;
}

static void many_askers_that_come_and_go_lose_and_double_nothing(void **state)
{
    struct asker askers[ASKERS];
    struct offload *offload = offload_open(THREADS, ASKERS * 3, &fault);
    pthread_t threads[ASKERS];

    (void)state;
    assert_non_null(offload);
    atomic_store(&submitted, 0);
    atomic_store(&disposed, 0);
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){ .offload = offload, .seed = (unsigned)i + 1 };
        assert_int_equal(pthread_create(&threads[i], NULL, ask_and_forget, &askers[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++)
        pthread_join(threads[i], NULL);
    offload_close(offload, UINT64_MAX);
    for (int i = 0; i < ASKERS; i++)
        asker_close(&askers[i]);
    assert_true(submitted > 0);
    assert_int_equal(disposed, submitted);
    offload_free(offload);
    offload_free(NULL);
}

#define with_scene(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_scene(a_job_runs_elsewhere_and_is_answered_here),
        with_scene(a_full_queue_refuses),
        with_scene(an_abandoned_job_in_the_queue_leaves_it_and_never_runs),
        with_scene(an_abandoned_job_that_runs_ends_without_an_answer),
        with_scene(an_answer_on_its_way_may_still_be_abandoned),
        with_scene(closing_cancels_what_waits_and_awaits_what_runs),
        cmocka_unit_test(a_job_that_hangs_does_not_hold_the_end_up),
        cmocka_unit_test(many_askers_that_come_and_go_lose_and_double_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
