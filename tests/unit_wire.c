/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "wire.h"

#include <errno.h>
#include <string.h>

#include "sample.h"
#include "unit.h"

enum { HEADER = 8, RANGE = 4 };

/* Too large for the stack, and reused by every test. */
static struct xf_frame frame, again;
static uint8_t buf[XF_FRAME_SIZE_MAX + 1], payload[XF_PAYLOAD_MAX + 1];

static void sample_hello(struct sample *s, struct xf_hello *ret_hello, uint32_t n_domains)
{
    ret_hello->version_min = 1;
    ret_hello->version_max = (uint16_t)(1 + sample_below(s, UINT16_MAX));
    ret_hello->boot = sample_boot(s);
    ret_hello->memory_total_mib = sample_u64(s);
    ret_hello->memory_free_mib = sample_u64(s);
    ret_hello->cpus = sample_u32(s);
    ret_hello->seq = sample_u32(s);
    ret_hello->more = sample_bool(s);
    sample_name(s, ret_hello->node_name, sizeof(ret_hello->node_name));
    sample_name(s, ret_hello->hypervisor, sizeof(ret_hello->hypervisor));
    ret_hello->n_off = sample_below(s, XF_NODES_MAX + 1);
    for (uint32_t i = 0; i < ret_hello->n_off; i++) {
        ret_hello->off[i].id = 1 + sample_below(s, UINT32_MAX);
        ret_hello->off_boot[i] = sample_boot(s);
    }
    ret_hello->n_domains = n_domains;
    for (uint32_t i = 0; i < n_domains; i++) {
        struct xf_hello_domain *domain = &ret_hello->domain[i];

        sample_bytes(s, domain->uuid.b, sizeof(domain->uuid.b));
        sample_name(s, domain->name, sizeof(domain->name));
        domain->memory_mib = sample_u32(s);
        domain->copy = (uint8_t)sample_below(s, XF_N_COPIES);
        domain->state = (uint8_t)sample_below(s, XF_N_STATES);
        domain->epoch_max = sample_u32(s);
        sample_migid(s, &domain->id);
        domain->src = sample_node(s);
        domain->dst = sample_node(s);
    }
}

/* Fills .frame with what a frame of that kind carries. */
static void sample_frame(struct sample *s, uint8_t kind, uint32_t size)
{
    memset(&frame, 0, sizeof(frame));
    frame.kind = kind;
    frame.version = XF_WIRE_MAX;
    if (kind == XF_FRAME_HELLO) {
        sample_hello(s, &frame.hello, size % (XF_HELLO_DOMAINS_MAX + 1));
        return;
    }
    sample_bytes(s, payload, size);
    frame.payload = payload;
    frame.payload_size = size;
    if (kind == XF_FRAME_REQUEST || kind == XF_FRAME_REPLY) {
        frame.to = sample_node(s);
        frame.request = sample_u64(s);
        frame.more = kind == XF_FRAME_REPLY && sample_bool(s);
        return;
    }
    if (kind == XF_FRAME_FENCED) {
        frame.to.id = 1 + sample_below(s, UINT32_MAX);
        frame.boot = sample_boot(s);
        return;
    }
    sample_bytes(s, frame.uuid.b, sizeof(frame.uuid.b));
    if (kind == XF_FRAME_DOMAIN) {
        sample_msg(s, &frame.msg);
    } else {
        sample_migid(s, &frame.id);
    }
}

static void assert_same(void)
{
    assert_int_equal(again.payload_size, frame.payload_size);
    if (frame.payload_size > 0) {
        assert_memory_equal(again.payload, frame.payload, frame.payload_size);
    }
    again.payload = frame.payload;
    assert_memory_equal(&again, &frame, sizeof(frame));
}

static void every_kind_comes_back_as_it_was(void **state)
{
    struct sample s = { 3 };

    (void)state;
    for (int round = 0; round < 200; round++) {
        for (uint8_t kind = XF_FRAME_HELLO; kind < XF_N_FRAME_KINDS; kind++) {
            uint32_t size = round == 0 ? XF_PAYLOAD_MAX : sample_below(&s, 300);
            int len;

            sample_frame(&s, kind, size);
            len = xf_wire_encode(&frame, buf, sizeof(buf));
            assert_true(len > HEADER && len <= (int)XF_FRAME_SIZE_MAX);
            assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), 0);
            assert_same();
        }
    }
}

static void a_full_hello_fits_into_a_frame(void **state)
{
    struct sample s = { 4 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_HELLO, XF_HELLO_DOMAINS_MAX);
    frame.hello.n_off = XF_NODES_MAX;
    for (uint32_t i = 0; i < XF_NODES_MAX; i++) {
        frame.hello.off[i].id = i + 1;
    }
    memset(frame.hello.node_name, 'n', XF_NAME_SIZE - 1);
    memset(frame.hello.hypervisor, 'h', XF_NAME_SIZE - 1);
    for (uint32_t i = 0; i < XF_HELLO_DOMAINS_MAX; i++) {
        memset(frame.hello.domain[i].name, 'd', XF_NAME_SIZE - 1);
    }
    len = xf_wire_encode(&frame, buf, XF_FRAME_SIZE_MAX);
    assert_true(len > 0);
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), 0);
    assert_same();
}

static void every_truncation_and_any_excess_is_refused(void **state)
{
    struct sample s = { 5 };

    (void)state;
    for (int round = 0; round < 4; round++) {
        for (uint8_t kind = XF_FRAME_HELLO; kind < XF_N_FRAME_KINDS; kind++) {
            int len;

            sample_frame(&s, kind, kind == XF_FRAME_HELLO ? 5 : 40);
            len = xf_wire_encode(&frame, buf, sizeof(buf));
            assert_true(len > 0);
            for (size_t size = 0; size < (size_t)len; size++) {
                assert_int_equal(xf_wire_decode(buf, size, &again), size < 4 ? -EPROTO : -EBADMSG);
            }
            buf[len] = 0;
            assert_int_equal(xf_wire_decode(buf, (size_t)len + 1, &again), -EBADMSG);
        }
    }
}

static void what_does_not_fit_is_not_written_past_the_end(void **state)
{
    struct sample s = { 6 };

    (void)state;
    for (uint8_t kind = XF_FRAME_HELLO; kind < XF_N_FRAME_KINDS; kind++) {
        int len;

        sample_frame(&s, kind, 17);
        len = xf_wire_encode(&frame, buf, sizeof(buf));
        assert_true(len > 0);
        for (size_t size = 0; size < (size_t)len; size++) {
            buf[size] = 0xa5;
            assert_int_equal(xf_wire_encode(&frame, buf, size), -EMSGSIZE);
            assert_int_equal(buf[size], 0xa5);
        }
    }
    sample_frame(&s, XF_FRAME_REPORT, XF_PAYLOAD_MAX);
    frame.payload_size++;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EMSGSIZE);
}

static void foreign_bytes_are_not_taken_for_ours(void **state)
{
    struct sample s = { 7 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_DOMAIN, 10);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    for (size_t i = 0; i < 4; i++) {
        buf[i] ^= 1;
        assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), -EPROTO);
        buf[i] ^= 1;
    }
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), 0);
}

static void a_newer_hello_still_tells_what_its_sender_speaks(void **state)
{
    struct sample s = { 8 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_HELLO, 3);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    buf[4] = 9; /* written in version 9 by one who speaks 9 to 12 */
    buf[HEADER] = 9;
    buf[HEADER + 1] = 0;
    buf[HEADER + 2] = 12;
    buf[HEADER + 3] = 0;
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), -EPROTONOSUPPORT);
    assert_int_equal(again.kind, XF_FRAME_HELLO);
    assert_int_equal(again.version, 9);
    assert_int_equal(again.hello.version_min, 9);
    assert_int_equal(again.hello.version_max, 12);
    /* whatever version 9 has behind the range */
    assert_int_equal(xf_wire_decode(buf, HEADER + RANGE, &again), -EPROTONOSUPPORT);
    assert_int_equal(again.hello.version_max, 12);
}

static void versions_outside_ours_and_absurd_ranges_are_refused(void **state)
{
    struct sample s = { 9 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_DOMAIN, 3);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    buf[4] = XF_WIRE_MAX + 1;
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), -EPROTONOSUPPORT);
    assert_int_equal(again.version, XF_WIRE_MAX + 1);
    buf[4] = XF_WIRE_MIN - 1;
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), -EPROTONOSUPPORT);
    frame.version = XF_WIRE_MAX + 1;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);

    sample_frame(&s, XF_FRAME_HELLO, 0);
    frame.hello.version_min = 0;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
    frame.hello.version_min = 1;
    frame.hello.version_max = 1;
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    assert_true(len > 0);
    buf[HEADER] = 2; /* least 2, most 1 */
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), -EBADMSG);
}

static void a_frame_without_a_version_gets_the_one_that_fits_its_kind(void **state)
{
    struct sample s = { 19 };

    (void)state;
    sample_frame(&s, XF_FRAME_HELLO, 0);
    frame.version = 0;
    assert_true(xf_wire_encode(&frame, buf, sizeof(buf)) > 0);
    assert_int_equal(buf[4], XF_WIRE_HELLO);
    sample_frame(&s, XF_FRAME_DOMAIN, 0);
    frame.version = 0;
    assert_true(xf_wire_encode(&frame, buf, sizeof(buf)) > 0);
    assert_int_equal(buf[4], XF_WIRE_MAX);
}

/* Sets the byte at that offset and wants decode to take or refuse the frame. */
static void assert_byte(size_t at, uint8_t value, int len, int want)
{
    uint8_t before = buf[at];

    buf[at] = value;
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), want);
    buf[at] = before;
}

static void message_enums_out_of_range_are_refused(void **state)
{
    enum { MSG = HEADER + 16 }; /* behind the uuid */
    struct sample s = { 10 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_DOMAIN, 3);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    assert_byte(6, 0, len, -EBADMSG);
    assert_byte(6, XF_N_FRAME_KINDS, len, -EBADMSG);
    assert_byte(6, 255, len, -EBADMSG);
    assert_byte(7, 1, len, -EBADMSG);
    assert_byte(MSG, XF_MSG_NONE, len, -EBADMSG);
    assert_byte(MSG, XF_MSG_DONE, len, 0);
    assert_byte(MSG, XF_N_MSGS, len, -EBADMSG);
    assert_byte(MSG + 1, XF_N_COPIES - 1, len, 0);
    assert_byte(MSG + 1, XF_N_COPIES, len, -EBADMSG);
    assert_byte(MSG + 2, XF_PROMISE_GO, len, 0);
    assert_byte(MSG + 2, XF_PROMISE_GO + 1, len, -EBADMSG);
    assert_byte(MSG + 3, 3, len, 0);
    assert_byte(MSG + 3, 4, len, -EBADMSG);
    assert_byte(MSG + 6, 1, len, -EBADMSG);

    frame.msg.type = XF_N_MSGS;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
    sample_frame(&s, XF_FRAME_DOMAIN, 3);
    frame.kind = XF_N_FRAME_KINDS;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
    frame.kind = 0;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
}

static void a_reason_of_a_newer_peer_reads_as_internal(void **state)
{
    enum { REASON = HEADER + 16 + 4 };
    struct sample s = { 11 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_DOMAIN, 0);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    buf[REASON] = (uint8_t)XF_N_REASONS;
    buf[REASON + 1] = 0;
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), 0);
    assert_int_equal(again.msg.reason, XF_REASON_INTERNAL);
    frame.msg.reason = XF_N_REASONS;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
}

static void oversize_counts_are_refused_before_they_are_used(void **state)
{
    enum { FLAGS = HEADER + RANGE + 8 + 8 + 8 + 4 + 4, N_OFF = FLAGS + 1, N_DOMAINS = FLAGS + 2 };
    struct sample s = { 12 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_HELLO, 2);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    assert_byte(FLAGS, 2, len, -EBADMSG);
    assert_byte(N_OFF, XF_NODES_MAX + 1, len, -EBADMSG);
    assert_byte(N_OFF, 255, len, -EBADMSG);
    assert_byte(N_DOMAINS, 3, len, -EBADMSG);
    assert_byte(N_DOMAINS + 1, 2, len, -EBADMSG);
    assert_byte(N_DOMAINS + 1, 255, len, -EBADMSG);
    frame.hello.n_off = XF_NODES_MAX + 1;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
    frame.hello.n_off = 0;
    frame.hello.n_domains = XF_HELLO_DOMAINS_MAX + 1;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);

    sample_frame(&s, XF_FRAME_SEEN, 4);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    for (size_t i = 0; i < 4; i++) {
        assert_byte((size_t)len - 8 + i, 0xff, len, -EBADMSG);
    }
}

static void names_with_control_characters_are_refused(void **state)
{
    enum { NAME = HEADER + RANGE + 8 + 8 + 8 + 4 + 4 + 4 };
    struct sample s = { 13 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_HELLO, 1);
    strcpy(frame.hello.node_name, "n1.example");
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    assert_int_equal(buf[NAME], 10);
    assert_byte(NAME + 1, '\n', len, -EBADMSG);
    assert_byte(NAME + 1, '\0', len, -EBADMSG);
    assert_byte(NAME + 10, 0x7f, len, -EBADMSG);
    assert_byte(NAME, XF_NAME_SIZE, len, -EBADMSG);
    frame.hello.node_name[0] = '\x1b';
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
    memset(frame.hello.node_name, 'x', XF_NAME_SIZE);
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
}

static void counts_above_the_limit_are_refused_even_if_all_the_bytes_are_there(void **state)
{
    enum { N_OFF = HEADER + RANGE + 8 + 8 + 8 + 4 + 4 + 1, N_DOMAINS = N_OFF + 1 };
    enum { OFF_SIZE = 12, DOMAIN_SIZE = 16 + 1 + 4 + 1 + 1 + 4 + 16 + 4 + 4 };
    struct sample s = { 16 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_HELLO, 0);
    frame.hello.n_off = XF_NODES_MAX;
    for (uint32_t i = 0; i < XF_NODES_MAX; i++) {
        frame.hello.off[i].id = i + 1;
    }
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), 0);
    memcpy(buf + len, buf + len - OFF_SIZE, OFF_SIZE);
    buf[N_OFF]++;
    assert_int_equal(xf_wire_decode(buf, (size_t)len + OFF_SIZE, &again), -EBADMSG);

    memset(&frame.hello.domain, 0, sizeof(frame.hello.domain));
    frame.hello.n_domains = XF_HELLO_DOMAINS_MAX;
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), 0);
    memcpy(buf + len, buf + len - DOMAIN_SIZE, DOMAIN_SIZE);
    buf[N_DOMAINS]++;
    assert_int_equal(xf_wire_decode(buf, (size_t)len + DOMAIN_SIZE, &again), -EBADMSG);

    sample_frame(&s, XF_FRAME_SEEN, XF_PAYLOAD_MAX);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), 0);
    assert_int_equal(buf[HEADER + 32], XF_PAYLOAD_MAX & 0xff);
    buf[HEADER + 32]++;
    assert_int_equal(xf_wire_decode(buf, (size_t)len + 1, &again), -EBADMSG);
}

static void domain_enums_out_of_range_are_refused(void **state)
{
    enum { BEHIND_STATE = 4 + 16 + 4 + 4 };
    struct sample s = { 17 };
    size_t at;
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_HELLO, 2);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    at = (size_t)len - BEHIND_STATE - 1;
    assert_byte(at, XF_N_STATES - 1, len, 0);
    assert_byte(at, XF_N_STATES, len, -EBADMSG);
    assert_byte(at - 1, XF_N_COPIES - 1, len, 0);
    assert_byte(at - 1, XF_N_COPIES, len, -EBADMSG);
    frame.hello.domain[1].copy = XF_N_COPIES;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
    frame.hello.domain[1].copy = 0;
    frame.hello.domain[1].state = XF_N_STATES;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
}

static void a_kind_that_does_not_exist_is_refused_with_or_without_payload(void **state)
{
    struct sample s = { 18 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_REPORT, 0);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    memset(buf + HEADER, 0, 4); /* an empty payload and nothing else */
    for (int kind = 0; kind < 256; kind++) {
        buf[6] = (uint8_t)kind;
        assert_int_equal(xf_wire_decode(buf, HEADER + 4, &again), -EBADMSG);
    }
    buf[6] = XF_FRAME_REPORT;
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), 0);
    sample_frame(&s, XF_FRAME_HELLO, 0);
    frame.payload = payload;
    frame.payload_size = 1;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
}

static void no_node_is_off_without_an_id(void **state)
{
    struct sample s = { 14 };
    int len;

    (void)state;
    sample_frame(&s, XF_FRAME_FENCED, 0);
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    memset(buf + HEADER, 0, 4);
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), -EBADMSG);
    frame.to.id = 0;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);

    sample_frame(&s, XF_FRAME_HELLO, 0);
    frame.hello.n_off = 1;
    frame.hello.off[0].id = 5;
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), 0);
    memset(buf + len - 12, 0, 4);
    assert_int_equal(xf_wire_decode(buf, (size_t)len, &again), -EBADMSG);
    frame.hello.off[0].id = 0;
    assert_int_equal(xf_wire_encode(&frame, buf, sizeof(buf)), -EINVAL);
}

static void damaged_frames_decode_to_something_in_range_or_not_at_all(void **state)
{
    struct sample s = { 15 };
    uint32_t refused = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t kind = (uint8_t)(1 + sample_below(&s, XF_N_FRAME_KINDS - 1));
        int len;

        sample_frame(&s, kind, sample_below(&s, 8));
        len = xf_wire_encode(&frame, buf, sizeof(buf));
        assert_true(len > 0);
        buf[4 + sample_below(&s, (uint32_t)len - 4)] = (uint8_t)sample_u64(&s);
        if (xf_wire_decode(buf, (size_t)len, &again) < 0) {
            refused++;
            continue;
        }
        /* encode refuses whatever is out of range */
        assert_int_equal(xf_wire_encode(&again, buf, sizeof(buf)), len);
    }
    assert_in_range(refused, 100, 19900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_as_it_was),
        cmocka_unit_test(a_full_hello_fits_into_a_frame),
        cmocka_unit_test(every_truncation_and_any_excess_is_refused),
        cmocka_unit_test(what_does_not_fit_is_not_written_past_the_end),
        cmocka_unit_test(foreign_bytes_are_not_taken_for_ours),
        cmocka_unit_test(a_newer_hello_still_tells_what_its_sender_speaks),
        cmocka_unit_test(versions_outside_ours_and_absurd_ranges_are_refused),
        cmocka_unit_test(a_frame_without_a_version_gets_the_one_that_fits_its_kind),
        cmocka_unit_test(message_enums_out_of_range_are_refused),
        cmocka_unit_test(a_reason_of_a_newer_peer_reads_as_internal),
        cmocka_unit_test(oversize_counts_are_refused_before_they_are_used),
        cmocka_unit_test(names_with_control_characters_are_refused),
        cmocka_unit_test(counts_above_the_limit_are_refused_even_if_all_the_bytes_are_there),
        cmocka_unit_test(domain_enums_out_of_range_are_refused),
        cmocka_unit_test(a_kind_that_does_not_exist_is_refused_with_or_without_payload),
        cmocka_unit_test(no_node_is_off_without_an_id),
        cmocka_unit_test(damaged_frames_decode_to_something_in_range_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
