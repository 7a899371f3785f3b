/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "ctl.h"

#include <errno.h>
#include <string.h>

#include "sample.h"
#include "unit.h"

static uint8_t buf[XF_CTL_SIZE_MAX + 1];

static const struct xf_ctl_request move = {
    .verb = "move",
    .n_args = 4,
    .arg = {
        { "domain", "web 1" },
        { "to", "n2" },
        { "downtime-max", "800" },
        { "config", "name = \"web 1\"\nmemory = 64\n" },
    },
};

static void a_request_comes_back_as_it_was(void **state)
{
    struct xf_ctl_request again;
    int len = xf_ctl_encode_request(&move, buf, sizeof(buf));

    (void)state;
    assert_true(len > 0);
    assert_int_equal(xf_ctl_decode_request(buf, (size_t)len, &again), 0);
    assert_string_equal(again.verb, move.verb);
    assert_int_equal(again.n_args, move.n_args);
    for (uint32_t i = 0; i < move.n_args; i++) {
        assert_string_equal(again.arg[i].key, move.arg[i].key);
        assert_string_equal(xf_ctl_value(&again, move.arg[i].key), move.arg[i].value);
    }
    assert_null(xf_ctl_value(&again, "wait"));
}

static void random_replies_come_back_as_they_were(void **state)
{
    static char body[XF_CTL_BODY_MAX + 1];
    struct sample s = { 31 };
    char text[256];

    (void)state;
    for (int i = 0; i < 200; i++) {
        struct xf_ctl_reply reply = { .text = text, .body = body }, again;
        uint32_t body_size = sample_below(&s, XF_CTL_BODY_MAX + 1);
        int len;

        memset(body, 'a' + i % 26, body_size);
        body[body_size] = '\0';
        sample_name(&s, text, sizeof(text));
        reply.reason = (uint16_t)sample_below(&s, XF_N_REASONS);
        reply.more = sample_bool(&s);
        len = xf_ctl_encode_reply(&reply, buf, sizeof(buf));
        assert_true(len > 0);
        assert_int_equal(xf_ctl_decode_reply(buf, (size_t)len, &again), 0);
        assert_int_equal(again.reason, reply.reason);
        assert_int_equal(again.more, reply.more);
        assert_string_equal(again.text, reply.text);
        assert_string_equal(again.body, reply.body);
    }
}

static void nothing_reads_as_empty_text(void **state)
{
    struct xf_ctl_reply reply = { .reason = XF_REASON_OK }, again;
    int len = xf_ctl_encode_reply(&reply, buf, sizeof(buf));

    (void)state;
    assert_true(len > 0);
    assert_int_equal(xf_ctl_decode_reply(buf, (size_t)len, &again), 0);
    assert_string_equal(again.text, "");
    assert_string_equal(again.body, "");
}

static void every_truncation_and_any_excess_is_refused(void **state)
{
    struct xf_ctl_reply reply = { .text = "no", .body = "{}" }, reply_again;
    struct xf_ctl_request again;
    int len = xf_ctl_encode_request(&move, buf, sizeof(buf));

    (void)state;
    for (size_t size = 0; size < (size_t)len; size++) {
        assert_int_not_equal(xf_ctl_decode_request(buf, size, &again), 0);
    }
    buf[len] = 0;
    assert_int_equal(xf_ctl_decode_request(buf, (size_t)len + 1, &again), -EBADMSG);

    len = xf_ctl_encode_reply(&reply, buf, sizeof(buf));
    for (size_t size = 0; size < (size_t)len; size++) {
        assert_int_not_equal(xf_ctl_decode_reply(buf, size, &reply_again), 0);
    }
    buf[len] = 0;
    assert_int_equal(xf_ctl_decode_reply(buf, (size_t)len + 1, &reply_again), -EBADMSG);
}

static void what_does_not_fit_is_not_written_past_the_end(void **state)
{
    static char body[XF_CTL_BODY_MAX + 2];
    struct xf_ctl_reply reply = { .body = body };
    int len = xf_ctl_encode_request(&move, buf, sizeof(buf));

    (void)state;
    for (size_t size = 0; size < (size_t)len; size++) {
        buf[size] = 0xa5;
        assert_int_equal(xf_ctl_encode_request(&move, buf, size), -EMSGSIZE);
        assert_int_equal(buf[size], 0xa5);
    }
    memset(body, 'x', XF_CTL_BODY_MAX + 1);
    assert_int_equal(xf_ctl_encode_reply(&reply, buf, sizeof(buf)), -EMSGSIZE);
}

static void a_reply_is_no_request_and_versions_are_told(void **state)
{
    struct xf_ctl_reply reply;
    struct xf_ctl_request again;
    int len = xf_ctl_encode_request(&move, buf, sizeof(buf));

    (void)state;
    assert_int_equal(xf_ctl_decode_reply(buf, (size_t)len, &reply), -EBADMSG);
    buf[4] = XF_CTL_MAX + 1;
    assert_int_equal(xf_ctl_decode_request(buf, (size_t)len, &again), -EPROTONOSUPPORT);
    buf[0] ^= 1;
    assert_int_equal(xf_ctl_decode_request(buf, (size_t)len, &again), -EPROTO);
}

static void odd_words_and_double_keys_are_refused(void **state)
{
    static const char *const bad[] = { "", "Move", "mo{ve", "mo ve", "mo_ve", "move\n", "m\xc3\xb6ve" };
    struct xf_ctl_request request = { .verb = "az09-", .n_args = 1, .arg = { { "to", "n2" } } };

    (void)state;
    assert_true(xf_ctl_encode_request(&request, buf, sizeof(buf)) > 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        request.verb = bad[i];
        assert_int_equal(xf_ctl_encode_request(&request, buf, sizeof(buf)), -EINVAL);
        request.verb = "move";
        request.arg[0].key = bad[i];
        assert_int_equal(xf_ctl_encode_request(&request, buf, sizeof(buf)), -EINVAL);
        request.arg[0].key = "to";
    }
    request.n_args = 2;
    request.arg[1] = request.arg[0];
    assert_int_equal(xf_ctl_encode_request(&request, buf, sizeof(buf)), -EINVAL);
    request.n_args = XF_CTL_ARGS_MAX + 1;
    assert_int_equal(xf_ctl_encode_request(&request, buf, sizeof(buf)), -EINVAL);
}

static void decode_refuses_what_encode_would(void **state)
{
    enum { VERB = 8, VERB_NUL = VERB + 2 + 4, N_ARGS = VERB_NUL + 1, KEY = N_ARGS + 1 };
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {
        { VERB, 5 },            /* a length that misses the NUL */
        { VERB, 255 },
        { VERB + 1, 255 },
        { VERB + 3, '\0' },     /* a NUL within */
        { VERB + 2, 'M' },
        { VERB_NUL, 'x' },      /* no NUL behind */
        { N_ARGS, 5 },
        { N_ARGS, XF_CTL_ARGS_MAX + 1 },
        { N_ARGS, 255 },
        { KEY + 2, ' ' },
        { 6, 0 },
        { 6, 3 },
        { 7, 1 },
    };
    struct xf_ctl_request again;
    int len = xf_ctl_encode_request(&move, buf, sizeof(buf));

    (void)state;
    assert_int_equal(buf[N_ARGS], 4);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t before = buf[bad[i].at];

        buf[bad[i].at] = bad[i].value;
        assert_int_equal(xf_ctl_decode_request(buf, (size_t)len, &again), -EBADMSG);
        buf[bad[i].at] = before;
    }
    assert_int_equal(xf_ctl_decode_request(buf, (size_t)len, &again), 0);
}

/* Appends a string as docs/wire.md has it. */
static size_t append(size_t at, size_t len, char c)
{
    buf[at] = (uint8_t)len;
    buf[at + 1] = (uint8_t)(len >> 8);
    memset(buf + at + 2, c, len);
    buf[at + 2 + len] = 0;
    return at + 2 + len + 1;
}

static void limits_hold_even_if_all_the_bytes_are_there(void **state)
{
    enum { N_ARGS = 8 + 2 + 4 + 1, STRINGS = 8 + 4 };
    struct xf_ctl_request request = { .verb = "move", .n_args = XF_CTL_ARGS_MAX }, again;
    struct xf_ctl_reply reply = { .reason = XF_REASON_OK }, reply_again;
    char keys[XF_CTL_ARGS_MAX][3];
    size_t at;
    int len;

    (void)state;
    for (uint32_t i = 0; i < XF_CTL_ARGS_MAX; i++) {
        keys[i][0] = (char)('a' + i / 26);
        keys[i][1] = (char)('a' + i % 26);
        keys[i][2] = '\0';
        request.arg[i] = (struct xf_ctl_arg){ keys[i], "1" };
    }
    len = xf_ctl_encode_request(&request, buf, sizeof(buf));
    assert_int_equal(xf_ctl_decode_request(buf, (size_t)len, &again), 0);
    at = append((size_t)len, 3, 'z');
    at = append(at, 1, '1');
    buf[N_ARGS]++;
    assert_int_equal(xf_ctl_decode_request(buf, at, &again), -EBADMSG);

    assert_true(xf_ctl_encode_reply(&reply, buf, sizeof(buf)) > 0);
    at = append(append(STRINGS, 0, 't'), XF_CTL_BODY_MAX, 'b');
    assert_int_equal(xf_ctl_decode_reply(buf, at, &reply_again), 0);
    at = append(append(STRINGS, 0, 't'), XF_CTL_BODY_MAX + 1, 'b');
    assert_int_equal(xf_ctl_decode_reply(buf, at, &reply_again), -EBADMSG);
    at = append(append(STRINGS, XF_CTL_SIZE_MAX - STRINGS - 6 - 100, 't'), 100, 'b');
    assert_int_equal(at, XF_CTL_SIZE_MAX);
    assert_int_equal(xf_ctl_decode_reply(buf, at, &reply_again), 0);
    at = append(append(STRINGS, XF_CTL_SIZE_MAX - STRINGS - 6 - 99, 't'), 100, 'b');
    assert_int_equal(xf_ctl_decode_reply(buf, at, &reply_again), -EBADMSG);
}

static void a_reason_of_a_newer_agent_reads_as_internal(void **state)
{
    struct xf_ctl_reply reply = { .reason = XF_REASON_BUSY }, again;
    int len = xf_ctl_encode_reply(&reply, buf, sizeof(buf));

    (void)state;
    buf[8] = (uint8_t)XF_N_REASONS;
    buf[9] = 0;
    assert_int_equal(xf_ctl_decode_reply(buf, (size_t)len, &again), 0);
    assert_int_equal(again.reason, XF_REASON_INTERNAL);
    reply.reason = XF_N_REASONS;
    assert_int_equal(xf_ctl_encode_reply(&reply, buf, sizeof(buf)), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_back_as_it_was),
        cmocka_unit_test(random_replies_come_back_as_they_were),
        cmocka_unit_test(nothing_reads_as_empty_text),
        cmocka_unit_test(every_truncation_and_any_excess_is_refused),
        cmocka_unit_test(what_does_not_fit_is_not_written_past_the_end),
        cmocka_unit_test(a_reply_is_no_request_and_versions_are_told),
        cmocka_unit_test(odd_words_and_double_keys_are_refused),
        cmocka_unit_test(decode_refuses_what_encode_would),
        cmocka_unit_test(limits_hold_even_if_all_the_bytes_are_there),
        cmocka_unit_test(a_reason_of_a_newer_agent_reads_as_internal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
