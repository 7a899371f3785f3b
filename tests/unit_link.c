/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "link.h"

#include <errno.h>
#include <string.h>

#include "precopy.h"
#include "sample.h"
#include "unit.h"

static struct xf_link_msg msg, again;
static uint8_t buf[XF_LINK_SIZE_MAX + 1];

static void sample_params(struct sample *s, struct xf_link_params *ret_params)
{
    sample_bytes(s, ret_params->uuid.b, sizeof(ret_params->uuid.b));
    sample_migid(s, &ret_params->id);
    sample_name(s, ret_params->name, sizeof(ret_params->name));
    sample_name(s, ret_params->address, sizeof(ret_params->address));
    ret_params->address[0] = '2';
    ret_params->port = (uint16_t)(1 + sample_below(s, UINT16_MAX));
    sample_bytes(s, ret_params->psk, sizeof(ret_params->psk));
    ret_params->options.cold = sample_bool(s);
    ret_params->options.force = sample_bool(s);
    ret_params->options.slow_allowed = sample_bool(s);
    ret_params->options.downtime_target_ms = sample_u32(s);
    ret_params->options.downtime_max_ms = sample_u32(s);
    ret_params->options.max_time_s = sample_u32(s);
    ret_params->options.bandwidth_kibps = sample_u64(s);
    ret_params->progress_timeout_ms = sample_u32(s);
    ret_params->fixed_cost_us = sample_u32(s);
    ret_params->config_size = sample_below(s, XF_CONFIG_SIZE_MAX);
    memset(ret_params->config, 'c', ret_params->config_size);
}

static void sample_round(struct sample *s, struct xf_round *ret_round)
{
    ret_round->number = sample_u32(s);
    ret_round->pages_dirty = sample_u64(s);
    ret_round->pages_sent = sample_u64(s);
    ret_round->pages_zero = sample_u64(s);
    ret_round->pages_same = sample_u64(s);
    ret_round->bytes_wire = sample_u64(s);
    ret_round->duration_us = sample_u64(s);
    ret_round->dirty_rate_kibps = sample_u64(s);
    ret_round->predicted_pause_us = sample_u32(s);
    ret_round->verdict = (uint8_t)sample_below(s, XF_N_VERDICTS);
    ret_round->cap_percent = (uint8_t)(1 + sample_below(s, 100));
}

static void sample_totals(struct sample *s, struct xf_link_totals *ret_totals)
{
    ret_totals->bytes_wire = sample_u64(s);
    ret_totals->bytes_stream = sample_u64(s);
    ret_totals->pages_total = sample_u64(s);
    ret_totals->duration_us = sample_u64(s);
    ret_totals->suspend_us = sample_u64(s);
    ret_totals->last_pages_us = sample_u64(s);
    ret_totals->build_us = sample_u64(s);
    ret_totals->rounds = sample_u32(s);
    ret_totals->predicted_pause_us = sample_u32(s);
}

static void sample_link(struct sample *s, uint8_t type)
{
    memset(&msg, 0, sizeof(msg));
    msg.type = type;
    if (type == XF_LINK_SEND || type == XF_LINK_RECEIVE) {
        sample_params(s, &msg.params);
    } else if (type == XF_LINK_LISTENING) {
        msg.port = (uint16_t)(1 + sample_below(s, UINT16_MAX));
    } else if (type == XF_LINK_ROUND) {
        sample_round(s, &msg.round);
    } else if (type == XF_LINK_COMPLETE || type == XF_LINK_FINISHED) {
        sample_totals(s, &msg.totals);
    } else if (type == XF_LINK_FAILED) {
        msg.reason = (uint16_t)sample_below(s, XF_N_REASONS);
        sample_name(s, msg.text, sizeof(msg.text));
    } else if (type == XF_LINK_NOTE || type == XF_LINK_TROUBLE) {
        sample_name(s, msg.text, sizeof(msg.text));
    }
}

static void every_type_comes_back_as_it_was(void **state)
{
    struct sample s = { 41 };

    (void)state;
    for (int round = 0; round < 200; round++) {
        for (uint8_t type = XF_LINK_SEND; type < XF_N_LINKS; type++) {
            int len;

            sample_link(&s, type);
            len = xf_link_encode(&msg, buf, sizeof(buf));
            assert_true(len > 0);
            assert_int_equal(xf_link_decode(buf, (size_t)len, &again), 0);
            assert_memory_equal(&again, &msg, sizeof(msg));
        }
    }
}

static void every_truncation_and_any_excess_is_refused(void **state)
{
    struct sample s = { 42 };

    (void)state;
    for (uint8_t type = XF_LINK_SEND; type < XF_N_LINKS; type++) {
        int len;

        sample_link(&s, type);
        msg.params.config_size = msg.params.config_size != 0 ? 7 : 0;
        msg.params.config[msg.params.config_size] = '\0';
        len = xf_link_encode(&msg, buf, sizeof(buf));
        assert_true(len > 0);
        for (size_t size = 0; size < (size_t)len; size++) {
            assert_int_equal(xf_link_decode(buf, size, &again), -EBADMSG);
        }
        buf[len] = 0;
        assert_int_equal(xf_link_decode(buf, (size_t)len + 1, &again), -EBADMSG);
        for (size_t size = 0; size < (size_t)len; size++) {
            buf[size] = 0xa5;
            assert_int_equal(xf_link_encode(&msg, buf, size), -EMSGSIZE);
            assert_int_equal(buf[size], 0xa5);
        }
    }
}

static void types_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    memset(&msg, 0, sizeof(msg));
    assert_int_equal(xf_link_encode(&msg, buf, sizeof(buf)), -EINVAL);
    msg.type = XF_N_LINKS;
    assert_int_equal(xf_link_encode(&msg, buf, sizeof(buf)), -EINVAL);
    buf[0] = 0;
    assert_int_equal(xf_link_decode(buf, 1, &again), -EBADMSG);
    buf[0] = XF_N_LINKS;
    assert_int_equal(xf_link_decode(buf, 1, &again), -EBADMSG);
    buf[0] = 255;
    assert_int_equal(xf_link_decode(buf, 1, &again), -EBADMSG);
}

static void rounds_out_of_range_are_refused(void **state)
{
    struct sample s = { 43 };
    int len;

    (void)state;
    sample_link(&s, XF_LINK_ROUND);
    len = xf_link_encode(&msg, buf, sizeof(buf));
    buf[len - 2] = XF_N_VERDICTS;
    assert_int_equal(xf_link_decode(buf, (size_t)len, &again), -EBADMSG);
    buf[len - 2] = 0;
    buf[len - 1] = 0;
    assert_int_equal(xf_link_decode(buf, (size_t)len, &again), -EBADMSG);
    buf[len - 1] = 101;
    assert_int_equal(xf_link_decode(buf, (size_t)len, &again), -EBADMSG);
    msg.round.cap_percent = 0;
    assert_int_equal(xf_link_encode(&msg, buf, sizeof(buf)), -EINVAL);
}

static void configurations_too_long_or_not_ended_are_refused(void **state)
{
    struct sample s = { 44 };
    int len;

    (void)state;
    sample_link(&s, XF_LINK_RECEIVE);
    msg.params.config_size = XF_CONFIG_SIZE_MAX;
    memset(msg.params.config, 'c', XF_CONFIG_SIZE_MAX);
    assert_int_equal(xf_link_encode(&msg, buf, sizeof(buf)), -EINVAL);
    msg.params.config_size = 10;
    assert_int_equal(xf_link_encode(&msg, buf, sizeof(buf)), -EINVAL);
    memset(msg.params.config + 10, 0, XF_CONFIG_SIZE_MAX - 10);
    len = xf_link_encode(&msg, buf, sizeof(buf));
    assert_true(len > 0);
    buf[len - 5] = '\0'; /* a NUL within */
    assert_int_equal(xf_link_decode(buf, (size_t)len, &again), -EBADMSG);
    buf[len - 5] = 'c';
    buf[len - 11] = 0xff; /* the highest byte of its size */
    assert_int_equal(xf_link_decode(buf, (size_t)len, &again), -EBADMSG);
}

static void a_source_needs_somewhere_to_send_to(void **state)
{
    struct sample s = { 45 };

    (void)state;
    sample_link(&s, XF_LINK_SEND);
    msg.params.port = 0;
    assert_int_equal(xf_link_encode(&msg, buf, sizeof(buf)), -EINVAL);
    msg.type = XF_LINK_RECEIVE;
    assert_true(xf_link_encode(&msg, buf, sizeof(buf)) > 0);
    sample_link(&s, XF_LINK_SEND);
    msg.params.address[0] = '\0';
    assert_int_equal(xf_link_encode(&msg, buf, sizeof(buf)), -EINVAL);
}

static void ports_and_reasons_out_of_range_are_refused(void **state)
{
    struct sample s = { 46 };
    int len;

    (void)state;
    sample_link(&s, XF_LINK_LISTENING);
    len = xf_link_encode(&msg, buf, sizeof(buf));
    memset(buf + 1, 0, 2);
    assert_int_equal(xf_link_decode(buf, (size_t)len, &again), -EBADMSG);
    msg.port = 0;
    assert_int_equal(xf_link_encode(&msg, buf, sizeof(buf)), -EINVAL);

    sample_link(&s, XF_LINK_FAILED);
    len = xf_link_encode(&msg, buf, sizeof(buf));
    buf[1] = (uint8_t)XF_N_REASONS;
    buf[2] = 0;
    assert_int_equal(xf_link_decode(buf, (size_t)len, &again), -EBADMSG);
    msg.reason = XF_N_REASONS;
    assert_int_equal(xf_link_encode(&msg, buf, sizeof(buf)), -EINVAL);
}

static void a_failure_is_never_lost_over_its_wording(void **state)
{
    int len;

    (void)state;
    memset(&msg, 0, sizeof(msg));
    msg.type = XF_LINK_FAILED;
    msg.reason = XF_REASON_CONNECTION;
    memset(msg.text, '\n', sizeof(msg.text)); /* neither ended nor printable */
    msg.text[1] = 'x';
    len = xf_link_encode(&msg, buf, sizeof(buf));
    assert_true(len > 0);
    assert_int_equal(xf_link_decode(buf, (size_t)len, &again), 0);
    assert_int_equal(again.reason, XF_REASON_CONNECTION);
    assert_int_equal(strlen(again.text), sizeof(again.text) - 1);
    assert_memory_equal(again.text, " x ", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back_as_it_was),
        cmocka_unit_test(every_truncation_and_any_excess_is_refused),
        cmocka_unit_test(types_that_do_not_exist_are_refused),
        cmocka_unit_test(rounds_out_of_range_are_refused),
        cmocka_unit_test(configurations_too_long_or_not_ended_are_refused),
        cmocka_unit_test(a_source_needs_somewhere_to_send_to),
        cmocka_unit_test(ports_and_reasons_out_of_range_are_refused),
        cmocka_unit_test(a_failure_is_never_lost_over_its_wording),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
