/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses that a guest itself tells of, in the agent: for which vifs the Xen driver asks, and what
 * an attempt makes of the answer. All that is around agent/attempt_net.c and agent/hyper_xen.c is
 * played here.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attempt.h"
#include "hyper_xen.h"
#include "log_qb.h"
#include "net_announce.h"
#include "unit.h"

#define HEARD 0x0a000001u
#define TOLD  0x0a000002u

static const struct xf_uuid uuid = { { 7 } };

/* ---- played ---- */

static unsigned n_asked;
static struct xf_dom_info asked_of;
static struct xf_addresses asked;
static uint32_t asked_devid[XF_ADDRESSES_VIFS];
static int listening; /* what xf_learn_start() says */
static struct xf_addresses heard;
static struct xf_addresses announced;

void xf_xen_addresses_start(struct xf_hyper *hyper, const struct xf_dom_info *info,
                            const struct xf_addresses *vifs, const uint32_t *devid)
{
    (void)hyper;
    n_asked++;
    asked_of = *info;
    asked = *vifs;
    memcpy(asked_devid, devid, vifs->n_vifs * sizeof(*devid));
}

int xf_learn_start(qb_loop_t *loop, const struct xf_dom_needs *needs, struct xf_learn **ret_learn)
{
    (void)loop;
    (void)needs;
    if (listening == 0) {
        *ret_learn = (struct xf_learn *)&heard;
    }
    return listening;
}

void xf_learn_get(struct xf_learn *learn, struct xf_addresses *ret_addresses)
{
    assert_ptr_equal(learn, &heard);
    *ret_addresses = heard;
}

void xf_learn_stop(struct xf_learn *learn)
{
    (void)learn;
}

int xf_watch_prepare(qb_loop_t *loop, const struct xf_dom_needs *needs, xf_watch_seen_fn seen,
                     void *arg, struct xf_watch **ret_watch)
{
    (void)loop;
    (void)needs;
    (void)seen;
    (void)arg;
    (void)ret_watch;
    return -ENOENT;
}

void xf_watch_stop(struct xf_watch *watch)
{
    (void)watch;
}

int xf_announce_prepare(qb_loop_t *loop, const struct xf_dom_needs *needs,
                        const struct xf_addresses *learned, struct xf_announce **ret_announce)
{
    (void)loop;
    (void)needs;
    (void)learned;
    *ret_announce = (struct xf_announce *)&announced;
    return 0;
}

void xf_announce_learned(struct xf_announce *announce, const struct xf_addresses *learned)
{
    assert_ptr_equal(announce, &announced);
    announced = *learned;
}

void xf_announce_free(struct xf_announce *announce)
{
    (void)announce;
}

void xf_agent_send(struct xf_agent *agent, const void *payload, size_t payload_size)
{
    (void)agent;
    (void)payload;
    (void)payload_size;
}

void xf_domain_log(const struct xf_domain *dom, int priority, const char *fmt, ...)
{
    (void)dom;
    (void)priority;
    (void)fmt;
}

void xf_log(int priority, const char *fmt, ...)
{
    (void)priority;
    (void)fmt;
}

/* ---- of the driver nothing else is called ---- */

int xf_xen_watcher_open(struct xf_hyper *hyper)
{
    (void)hyper;
    abort();
}

void xf_xen_watcher_close(struct xf_hyper *hyper)
{
    (void)hyper;
    abort();
}

void xf_xen_jobs_close(struct xf_hyper *hyper)
{
    (void)hyper;
    abort();
}

void xf_xen_unpause(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *id)
{
    (void)hyper;
    (void)cookie;
    (void)id;
    abort();
}

void xf_xen_job_start(struct xf_hyper *hyper, uint64_t cookie, enum xf_xen_type type,
                      const struct xf_uuid *id, enum xf_variant variant, const char *config)
{
    (void)hyper;
    (void)cookie;
    (void)type;
    (void)id;
    (void)variant;
    (void)config;
    abort();
}

bool xf_xen_destroying(const struct xf_hyper *hyper, const struct xf_uuid *id)
{
    (void)hyper;
    (void)id;
    abort();
}

/* ---- a move's two ends ---- */

static struct xf_hyper hyper;
static struct xf_xen_domain running;
static struct xf_agent agent;
static struct xf_domain dom;
static struct xf_attempt at, at_dest;

static struct xf_addresses one(uint32_t address)
{
    struct xf_addresses addresses = { .n_vifs = 1 };

    memcpy(addresses.vif[0].mac, at.needs.vif[0].mac, XF_MAC_SIZE);
    addresses.vif[0].n_ipv4 = address != 0 ? 1 : 0;
    addresses.vif[0].ipv4[0].address = address;
    return addresses;
}

static int up(void **state)
{
    (void)state;
    n_asked = 0;
    listening = 0;
    memset(&at, 0, sizeof(at));
    memset(&at_dest, 0, sizeof(at_dest));
    memset(&announced, 0, sizeof(announced));
    running = (struct xf_xen_domain){ .info = { .uuid = uuid, .domid = { 4 } } };
    hyper.domains = &running;
    agent.hyper = &hyper;
    agent.hyper_ops = &xf_hyper_xen;
    dom.agent = &agent;
    dom.uuid = uuid;
    dom.attempt = &at;
    at.source = at.needs_known = true;
    at.needs.n_vifs = 1;
    memcpy(at.needs.vif[0].mac, "\x00\x16\x3e\x00\x00\x01", XF_MAC_SIZE);
    heard = one(0);
    return 0;
}

/* What the target is to announce, sent as the source would. False: there is no news. */
static bool hands_over(void)
{
    json_t *addresses = xf_attempt_net_addresses(&at);
    bool news = addresses != NULL;

    if (news) {
        at_dest.announce = (struct xf_announce *)&announced;
        xf_attempt_net_learned(&at_dest, json_string_value(addresses));
    }
    json_decref(addresses);
    return news;
}

static void assert_announced(uint32_t first, uint32_t second)
{
    assert_int_equal(announced.n_vifs, 1);
    assert_memory_equal(announced.vif[0].mac, at.needs.vif[0].mac, XF_MAC_SIZE);
    assert_int_equal(announced.vif[0].n_ipv4, second != 0 ? 2 : 1);
    assert_int_equal(announced.vif[0].ipv4[0].address, first);
    assert_int_equal(announced.vif[0].ipv4[1].address, second);
}

/* ---- tests ---- */

static void a_move_asks_once_which_addresses_its_guest_tells_of(void **state)
{
    (void)state;
    at.needs.n_vifs = 2;
    at.needs.vif[0].devid = 5;
    at.needs.vif[1].devid = 2;
    at.needs.vif[1].mac[0] = 2;
    xf_attempt_net_source(&dom);
    xf_attempt_net_source(&dom);
    assert_int_equal(n_asked, 1);
    assert_int_equal(asked_of.domid.v, 4);
    assert_true(xf_uuid_eq(&asked_of.uuid, &uuid));
    assert_int_equal(asked.n_vifs, 2);
    assert_int_equal(asked_devid[0], 5);
    assert_int_equal(asked_devid[1], 2);
    assert_memory_equal(asked.vif[0].mac, at.needs.vif[0].mac, XF_MAC_SIZE);
    assert_memory_equal(asked.vif[1].mac, at.needs.vif[1].mac, XF_MAC_SIZE);
}

/* Its script lets no other address of the guest's pass; nor shall our announcement. */
static void a_vif_whose_addresses_are_named_is_not_asked_for(void **state)
{
    (void)state;
    at.needs.n_vifs = 2;
    at.needs.vif[0].addressed = true;
    at.needs.vif[1].devid = 2;
    at.needs.vif[1].mac[0] = 2;
    xf_attempt_net_source(&dom);
    assert_int_equal(n_asked, 1);
    assert_int_equal(asked.n_vifs, 1);
    assert_int_equal(asked_devid[0], 2);
    assert_memory_equal(asked.vif[0].mac, at.needs.vif[1].mac, XF_MAC_SIZE);
}

static void nothing_is_asked_where_nothing_could_be_told(void **state)
{
    (void)state;
    at.needs.vif[0].addressed = true;
    xf_attempt_net_source(&dom);
    assert_int_equal(n_asked, 0);

    (void)up(state);
    hyper.domains = NULL;
    xf_attempt_net_source(&dom);
    assert_int_equal(n_asked, 0);

    (void)up(state);
    at.needs.n_vifs = 0;
    xf_attempt_net_source(&dom);
    assert_int_equal(n_asked, 0);
}

static void what_is_told_is_announced_behind_what_was_heard(void **state)
{
    (void)state;
    xf_attempt_net_source(&dom);
    heard = one(HEARD);
    assert_true(hands_over());
    assert_announced(HEARD, 0);
    at.addresses_told = one(TOLD);
    assert_true(hands_over());
    assert_announced(HEARD, TOLD);
    assert_false(hands_over());
    at.addresses_told = one(HEARD); /* the same: one announcement of it */
    assert_true(hands_over());
    assert_announced(HEARD, 0);
}

static void what_is_told_is_announced_where_nothing_was_heard(void **state)
{
    (void)state;
    xf_attempt_net_source(&dom);
    at.addresses_told = one(TOLD);
    assert_true(hands_over());
    assert_announced(TOLD, 0);
}

static void what_is_told_is_announced_where_nobody_can_listen(void **state)
{
    (void)state;
    listening = -ENODEV;
    xf_attempt_net_source(&dom);
    assert_false(hands_over());
    at.addresses_told = one(TOLD);
    assert_true(hands_over());
    assert_announced(TOLD, 0);
    assert_false(hands_over());
}

static void an_answer_with_more_than_there_can_be_is_none(void **state)
{
    static struct xf_xen_msg msg;
    size_t size;

    (void)state;
    msg.type = XF_XEN_DONE;
    size = xf_xen_msg_size(&msg);
    msg.addresses.n_vifs = XF_ADDRESSES_VIFS;
    msg.addresses.vif[XF_ADDRESSES_VIFS - 1].n_ipv4 = XF_LEARN_MAX;
    assert_true(xf_xen_msg_ok(&msg, size));
    msg.addresses.vif[XF_ADDRESSES_VIFS - 1].n_ipv4 = XF_LEARN_MAX + 1;
    assert_false(xf_xen_msg_ok(&msg, size));
    msg.addresses.vif[XF_ADDRESSES_VIFS - 1].n_ipv4 = 0;
    msg.addresses.vif[0].n_ipv6 = XF_LEARN_MAX + 1;
    assert_false(xf_xen_msg_ok(&msg, size));
    msg.addresses.vif[0].n_ipv6 = 0;
    msg.addresses.n_vifs = XF_ADDRESSES_VIFS + 1;
    assert_false(xf_xen_msg_ok(&msg, size));
}

#define TEST(name) cmocka_unit_test_setup(name, up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_move_asks_once_which_addresses_its_guest_tells_of),
        TEST(a_vif_whose_addresses_are_named_is_not_asked_for),
        TEST(nothing_is_asked_where_nothing_could_be_told),
        TEST(what_is_told_is_announced_behind_what_was_heard),
        TEST(what_is_told_is_announced_where_nothing_was_heard),
        TEST(what_is_told_is_announced_where_nobody_can_listen),
        TEST(an_answer_with_more_than_there_can_be_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
