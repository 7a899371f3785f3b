/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agents' group with a Corosync that holds messages back, as played_corosync.c plays it. */
#include "config.h"

#include "cluster_corosync.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock_qb.h"
#include "cluster_impl.h"
#include "log_qb.h"
#include "played_corosync.h"
#include "unit.h"

#define SMALL     64u
#define LARGE     65536u
#define RETRY_MS  10000u /* longer than any wait before the next attempt to connect */
#define N_FILLING (XF_GROUP_QUEUE_MAX / LARGE)

static struct played_corosync *cs;

static struct {
    qb_loop_t *loop;
    struct xf_group *group;
    uint64_t now_ms;
    uint32_t number; /* of the last message sent */
    unsigned n_views;
    char told[16];    /* f: a frame, v: a view, h: heard */
    size_t n_members; /* of the last view */
    unsigned n_logged;
    char logged[256]; /* the last error */
} me;

/* ---- the rest of the agent, as far as the group needs it ---- */

int xf_group_read_cmap(struct xf_group *group)
{
    group->n_nodes = 1;
    group->nodes[0].node.id = PLAYED_SELF;
    return 0;
}

int xf_group_track_cmap(struct xf_group *group)
{
    (void)group;
    return 0;
}

uint64_t xf_now_ms(void)
{
    return me.now_ms;
}

void xf_log(int priority, const char *fmt, ...)
{
    va_list ap;

    if (priority > LOG_ERR) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(me.logged, sizeof(me.logged), fmt, ap);
    va_end(ap);
    me.n_logged++;
}

static void on_connected(void *arg, struct xf_node self, const struct xf_group_node *nodes,
                         size_t n)
{
    (void)arg;
    (void)nodes;
    assert_int_equal(self.id, PLAYED_SELF);
    assert_int_equal(n, 1);
    xf_group_join(me.group);
}

static void on_nodes(void *arg, const struct xf_group_node *nodes, size_t n)
{
    (void)arg;
    (void)nodes;
    (void)n;
}

static void on_setting(void *arg, const char *key, const char *value)
{
    (void)arg;
    (void)key;
    (void)value;
}

static void tell(char what)
{
    size_t n = strlen(me.told);

    if (n + 1 < sizeof(me.told)) {
        me.told[n] = what;
    }
}

static void on_view(void *arg, const struct xf_group_view *view)
{
    (void)arg;
    me.n_views++;
    tell('v');
    me.n_members = view->n_members;
}

static void on_frame(void *arg, struct xf_node from, const uint8_t *bytes, size_t size)
{
    (void)arg;
    (void)from;
    (void)bytes;
    (void)size;
    tell('f');
}

static void on_heard(void *arg)
{
    (void)arg;
    tell('h');
}

static const struct xf_group_events events = {
    .connected = on_connected,
    .nodes = on_nodes,
    .setting = on_setting,
    .view = on_view,
    .frame = on_frame,
    .heard = on_heard,
};

/* ---- steps ---- */

static void send_next(size_t size)
{
    static uint8_t bytes[LARGE];

    me.number++;
    memcpy(bytes, &me.number, sizeof(me.number));
    for (size_t i = sizeof(me.number); i < size; i++) {
        bytes[i] = played_byte(me.number, i);
    }
    xf_group_send(me.group, bytes, size);
    memset(bytes, 0, sizeof(bytes)); /* what waits must not be the caller's bytes */
    assert_true(me.group->queued_size <= XF_GROUP_QUEUE_MAX);
}

/* What went out is first, first + 1, … last: none lost, none twice, none before another. */
static void sent_are(uint32_t first, uint32_t last)
{
    assert_int_equal(cs->n_sent, last - first + 1);
    for (size_t i = 0; i < cs->n_sent; i++) {
        assert_int_equal(cs->sent[i], first + i);
    }
    assert_int_equal(cs->n_damaged, 0);
}

static void on_stop(void *loop)
{
    qb_loop_stop(loop);
}

/* One message of Corosync's wakes the group, as every one does. */
static void corosync_delivers(void)
{
    qb_loop_timer_handle timer;

    assert_int_equal(eventfd_write(cs->cpg_fd, 1), 0);
    assert_int_equal(qb_loop_timer_add(me.loop, QB_LOOP_LOW, 20000000, me.loop, on_stop, &timer),
                     0);
    qb_loop_run(me.loop);
}

static void deliver(uint32_t node, uint32_t pid)
{
    uint8_t bytes[SMALL] = { 0 };

    cs->model.cpg_deliver_fn(cs->n_connects, NULL, node, pid, bytes, sizeof(bytes));
}

static void deliver_back(size_t n)
{
    for (; n > 0 && cs->n_delivered < cs->n_sent; n--) {
        cs->n_delivered++;
        deliver(PLAYED_SELF, (uint32_t)getpid());
    }
}

/* It takes so many messages more, and delivers what it took. */
static void corosync_takes(uint64_t n)
{
    size_t before;

    cs->takes = n;
    do {
        before = cs->n_sent;
        xf_group_tick(me.group);
        deliver_back(SIZE_MAX);
    } while (cs->n_sent > before);
}

static void fill(void)
{
    cs->takes = 0;
    for (unsigned i = 0; i < N_FILLING; i++) {
        send_next(LARGE);
    }
    assert_int_equal(me.group->queued_size, XF_GROUP_QUEUE_MAX);
    assert_int_equal(me.n_logged, 0);
}

static int set_up(void **state)
{
    (void)state;
    cs = played_corosync();
    memset(cs, 0, sizeof(*cs));
    memset(&me, 0, sizeof(me));
    cs->error = CS_OK;
    cs->takes = PLAYED_FOR_EVER;
    cs->cpg_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cs->quorum_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cs->cmap_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    me.loop = qb_loop_create();
    me.group = xf_group_open(me.loop, &events, NULL);
    xf_group_tick(me.group); /* connects */
    xf_group_tick(me.group); /* joins */
    return cs->n_joins == 1 && me.n_members == 1 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    xf_group_close(me.group);
    qb_loop_destroy(me.loop);
    (void)close(cs->cpg_fd);
    (void)close(cs->quorum_fd);
    (void)close(cs->cmap_fd);
    return 0;
}

/* ---- claims ---- */

static void what_is_held_back_goes_out_whole_and_in_order(void **state)
{
    (void)state;
    cs->takes = 3;
    for (unsigned i = 0; i < 1000; i++) {
        send_next(SMALL + i);
    }
    sent_are(1, 3);
    corosync_takes(5);
    sent_are(1, 8);
    corosync_takes(PLAYED_FOR_EVER);
    sent_are(1, 1000);
    assert_int_equal(me.group->queued_size, 0);
    assert_int_equal(me.n_logged, 0);
}

static void a_new_message_does_not_overtake_those_that_wait(void **state)
{
    (void)state;
    cs->takes = 0;
    send_next(SMALL);
    send_next(SMALL);
    cs->takes = PLAYED_FOR_EVER; /* takes again before the group knows */
    send_next(SMALL);
    assert_true(cs->n_sent == 0 || cs->n_sent == 3);
    xf_group_tick(me.group);
    sent_are(1, 3);
    send_next(SMALL);
    sent_are(1, 4); /* nothing waits: at once */
}

static void what_waits_goes_out_as_soon_as_corosync_delivers(void **state)
{
    (void)state;
    cs->takes = 0;
    send_next(SMALL);
    send_next(LARGE);
    corosync_delivers();
    assert_int_equal(cs->n_sent, 0);
    cs->takes = PLAYED_FOR_EVER;
    corosync_delivers();
    sent_are(1, 2);
}

/* It says "try again" to none of them, and delivers none. */
static void a_corosync_that_stands_still_is_given_a_few_only(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        send_next(SMALL);
    }
    xf_group_tick(me.group);
    sent_are(1, XF_GROUP_FLIGHT_MAX);
    for (unsigned i = 0; i < 10; i++) {
        deliver(PLAYED_SELF + 1, (uint32_t)getpid());
        deliver(PLAYED_SELF, (uint32_t)getpid() + 1);
    }
    corosync_delivers();
    sent_are(1, XF_GROUP_FLIGHT_MAX); /* those were others' */
    deliver_back(10);
    corosync_delivers();
    sent_are(1, XF_GROUP_FLIGHT_MAX + 10);
    deliver_back(SIZE_MAX);
    corosync_takes(PLAYED_FOR_EVER);
    sent_are(1, 1000);
}

static void what_was_never_delivered_does_not_count_in_the_next_group(void **state)
{
    (void)state;
    for (unsigned i = 0; i < XF_GROUP_FLIGHT_MAX; i++) {
        send_next(SMALL);
    }
    cs->error = CS_ERR_LIBRARY;
    deliver_back(1);
    send_next(SMALL);
    xf_group_tick(me.group);
    assert_int_equal(me.n_members, 0);
    cs->error = CS_OK;
    cs->n_delivered = cs->n_sent = 0;
    me.now_ms += RETRY_MS;
    xf_group_tick(me.group);
    xf_group_tick(me.group);
    assert_int_equal(me.n_members, 1);
    for (unsigned i = 0; i < XF_GROUP_FLIGHT_MAX; i++) {
        send_next(SMALL);
    }
    assert_int_equal(cs->n_sent, XF_GROUP_FLIGHT_MAX);
}

static void the_queue_holds_what_it_may_and_loses_none_of_it(void **state)
{
    unsigned n_views = me.n_views;

    (void)state;
    fill();
    xf_group_tick(me.group);
    assert_int_equal(me.n_views, n_views); /* not lost yet */
    corosync_takes(PLAYED_FOR_EVER);
    sent_are(1, N_FILLING);
    fill(); /* and as much again */
    corosync_takes(PLAYED_FOR_EVER);
    sent_are(1, 2 * N_FILLING);
}

static void one_byte_too_many_ends_the_group_and_says_so(void **state)
{
    uint32_t after;

    (void)state;
    fill();
    send_next(SMALL);
    assert_string_equal(me.logged, "the group is lost: Corosync takes no messages");
    assert_int_equal(me.n_members, 1); /* not from inside the sending */
    send_next(SMALL);
    assert_int_equal(me.n_logged, 1);
    cs->takes = PLAYED_FOR_EVER;
    xf_group_tick(me.group);
    assert_int_equal(me.n_members, 0);
    assert_int_equal(me.group->queued_size, 0);
    send_next(SMALL); /* without a group: dropped */
    assert_int_equal(cs->n_sent, 0);
    assert_int_equal(cs->n_connects, 1);
    me.now_ms += RETRY_MS;
    xf_group_tick(me.group);
    xf_group_tick(me.group);
    assert_int_equal(cs->n_connects, 2);
    assert_int_equal(cs->n_joins, 2);
    assert_int_equal(me.n_members, 1);
    assert_int_equal(cs->n_sent, 0); /* nothing of the old view is said in the new one */
    after = me.number + 1;
    send_next(SMALL);
    send_next(SMALL);
    sent_are(after, after + 1);
    assert_int_equal(me.n_logged, 1);
}

static void a_message_that_corosync_refuses_ends_the_group_and_says_so(void **state)
{
    (void)state;
    cs->takes = 0;
    send_next(SMALL);
    cs->error = CS_ERR_LIBRARY;
    xf_group_tick(me.group);
    assert_string_equal(me.logged, "the group is lost: a message could not be sent");
    xf_group_tick(me.group);
    assert_int_equal(me.n_members, 0);
}

static void what_waits_goes_out_before_the_group_is_left(void **state)
{
    (void)state;
    cs->takes = 0;
    send_next(SMALL);
    send_next(SMALL);
    cs->takes = PLAYED_FOR_EVER;
    xf_group_close(me.group);
    me.group = NULL;
    assert_int_equal(cs->n_leaves, 1);
    assert_int_equal(cs->sent_at_leave, 2);
    sent_are(1, 2);
}

static void a_word_arrives_with_the_news_that_its_sender_left(void)
{
    struct cpg_address self = { .nodeid = PLAYED_SELF, .pid = (uint32_t)getpid() };
    struct cpg_address other = { .nodeid = PLAYED_SELF + 1, .pid = 1 };

    deliver(other.nodeid, other.pid);
    cs->model.cpg_confchg_fn(cs->n_connects, NULL, &self, 1, &other, 1, NULL, 0);
    deliver(self.nodeid, self.pid);
}

static void all_that_has_arrived_is_told_before_it_counts_as_heard(void **state)
{
    (void)state;
    memset(me.told, 0, sizeof(me.told));
    cs->has_arrived = a_word_arrives_with_the_news_that_its_sender_left;
    corosync_delivers();
    assert_string_equal(me.told, "fvfh");
}

static void corosync_fails(void)
{
    deliver(PLAYED_SELF + 1, 1);
    cs->error = CS_ERR_LIBRARY;
    send_next(SMALL);
}

static void what_a_lost_group_told_is_not_taken_for_all(void **state)
{
    (void)state;
    memset(me.told, 0, sizeof(me.told));
    cs->has_arrived = corosync_fails;
    corosync_delivers();
    assert_string_equal(me.told, "fv"); /* the view without anybody */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_held_back_goes_out_whole_and_in_order),
        TEST(a_new_message_does_not_overtake_those_that_wait),
        TEST(what_waits_goes_out_as_soon_as_corosync_delivers),
        TEST(a_corosync_that_stands_still_is_given_a_few_only),
        TEST(what_was_never_delivered_does_not_count_in_the_next_group),
        TEST(the_queue_holds_what_it_may_and_loses_none_of_it),
        TEST(one_byte_too_many_ends_the_group_and_says_so),
        TEST(a_message_that_corosync_refuses_ends_the_group_and_says_so),
        TEST(what_waits_goes_out_before_the_group_is_left),
        TEST(all_that_has_arrived_is_told_before_it_counts_as_heard),
        TEST(what_a_lost_group_told_is_not_taken_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
