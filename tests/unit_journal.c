/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "journal.h"

#include <errno.h>
#include <string.h>

#include "sample.h"
#include "unit.h"

static void sample_entry(struct sample *s, struct xf_journal_entry *ret_entry)
{
    memset(ret_entry, 0, sizeof(*ret_entry));
    ret_entry->seq = sample_u64(s) | 1;
    sample_bytes(s, ret_entry->uuid.b, sizeof(ret_entry->uuid.b));
    sample_record(s, &ret_entry->record);
}

/* CRC-32C bit by bit, as RFC 3720 B.4 defines it: to seal bytes that the encoder would not write. */
static void seal(uint8_t *buf, size_t size)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < size - 4; i++) {
        crc ^= buf[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
        }
    }
    crc = ~crc;
    for (size_t i = 0; i < 4; i++) {
        buf[size - 4 + i] = (uint8_t)(crc >> (8 * i));
    }
}

static void entries_come_back_as_they_were(void **state)
{
    uint8_t buf[XF_JOURNAL_ENTRY_SIZE], sealed[XF_JOURNAL_ENTRY_SIZE];
    struct xf_journal_entry entry, again;
    struct sample s = { 21 };

    (void)state;
    for (int i = 0; i < 2000; i++) {
        sample_entry(&s, &entry);
        xf_journal_encode_entry(&entry, buf);
        assert_int_equal(xf_journal_decode_entry(buf, &again), 0);
        assert_memory_equal(&again, &entry, sizeof(entry));
        memcpy(sealed, buf, sizeof(buf));
        seal(sealed, sizeof(sealed));
        assert_memory_equal(sealed, buf, sizeof(buf));
    }
}

static void a_slot_never_written_is_told_from_a_damaged_one(void **state)
{
    uint8_t buf[XF_JOURNAL_ENTRY_SIZE] = { 0 };
    struct xf_journal_entry entry;

    (void)state;
    assert_int_equal(xf_journal_decode_entry(buf, &entry), -ENODATA);
    for (size_t i = 0; i < sizeof(buf); i++) {
        buf[i] = 1;
        assert_int_equal(xf_journal_decode_entry(buf, &entry), -EBADMSG);
        buf[i] = 0;
    }
}

static void every_flipped_bit_of_an_entry_is_found(void **state)
{
    uint8_t buf[XF_JOURNAL_ENTRY_SIZE];
    struct xf_journal_entry entry, again;
    struct sample s = { 22 };

    (void)state;
    sample_entry(&s, &entry);
    xf_journal_encode_entry(&entry, buf);
    for (size_t bit = 0; bit < sizeof(buf) * 8; bit++) {
        buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(xf_journal_decode_entry(buf, &again), -EBADMSG);
        buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(xf_journal_decode_entry(buf, &again), 0);
}

static void an_entry_torn_between_old_and_new_is_found(void **state)
{
    uint8_t old[XF_JOURNAL_ENTRY_SIZE], new[XF_JOURNAL_ENTRY_SIZE], torn[XF_JOURNAL_ENTRY_SIZE];
    struct xf_journal_entry entry, again;
    struct sample s = { 23 };

    (void)state;
    sample_entry(&s, &entry);
    xf_journal_encode_entry(&entry, old);
    sample_entry(&s, &entry);
    xf_journal_encode_entry(&entry, new);
    for (size_t at = 5; at < sizeof(torn) - 4; at++) {
        memcpy(torn, new, at);
        memcpy(torn + at, old + at, sizeof(torn) - at);
        assert_int_equal(xf_journal_decode_entry(torn, &again), -EBADMSG);
        memset(torn + at, 0, sizeof(torn) - at);
        assert_int_equal(xf_journal_decode_entry(torn, &again), -EBADMSG);
    }
}

static void sealed_entries_with_values_out_of_range_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {
        { 0, 0 },     /* magic */
        { 4, 0x40 },  /* a mark that does not exist */
        { 4, 0x80 },
        { 5, XF_PROMISE_GO + 1 },
        { 5, 255 },
        { 6, 1 },     /* reserved */
        { 7, 1 },
        { 76, 1 },
        { 123, 1 },
    };
    uint8_t buf[XF_JOURNAL_ENTRY_SIZE];
    struct xf_journal_entry entry, again;
    struct sample s = { 24 };

    (void)state;
    sample_entry(&s, &entry);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        xf_journal_encode_entry(&entry, buf);
        buf[bad[i].at] = bad[i].value;
        seal(buf, sizeof(buf));
        assert_int_equal(xf_journal_decode_entry(buf, &again), -EBADMSG);
    }
    xf_journal_encode_entry(&entry, buf);
    memset(buf + 8, 0, 8); /* no entry has the number 0 */
    seal(buf, sizeof(buf));
    assert_int_equal(xf_journal_decode_entry(buf, &again), -EBADMSG);
}

static void headers_come_back_as_they_were(void **state)
{
    uint8_t buf[XF_JOURNAL_HEADER_SIZE];
    struct xf_journal_header header, again;
    struct sample s = { 25 };

    (void)state;
    for (int i = 0; i < 200; i++) {
        header.version = XF_JOURNAL_MAX;
        header.generation = sample_u64(&s);
        header.epoch_floor = sample_u32(&s);
        xf_journal_encode_header(&header, buf);
        assert_int_equal(xf_journal_decode_header(buf, &again), 0);
        assert_int_equal(again.version, header.version);
        assert_true(again.generation == header.generation);
        assert_int_equal(again.epoch_floor, header.epoch_floor);
    }
}

static void every_flipped_bit_of_a_header_is_found(void **state)
{
    struct xf_journal_header header = { .version = XF_JOURNAL_MAX, .generation = 3 }, again;
    uint8_t buf[XF_JOURNAL_HEADER_SIZE];

    (void)state;
    xf_journal_encode_header(&header, buf);
    for (size_t bit = 0; bit < sizeof(buf) * 8; bit++) {
        buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(xf_journal_decode_header(buf, &again), bit < 64 ? -EPROTO : -EBADMSG);
        buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

static void a_journal_of_another_version_is_named_as_such(void **state)
{
    struct xf_journal_header header = { .version = XF_JOURNAL_MAX, .generation = 3 }, again;
    uint8_t buf[XF_JOURNAL_HEADER_SIZE];

    (void)state;
    xf_journal_encode_header(&header, buf);
    buf[8] = XF_JOURNAL_MAX + 1;
    seal(buf, sizeof(buf));
    assert_int_equal(xf_journal_decode_header(buf, &again), -EPROTONOSUPPORT);
    buf[8] = XF_JOURNAL_MAX;
    buf[10] = 1; /* another size of entries */
    seal(buf, sizeof(buf));
    assert_int_equal(xf_journal_decode_header(buf, &again), -EBADMSG);
    memset(buf, 0, sizeof(buf));
    assert_int_equal(xf_journal_decode_header(buf, &again), -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_back_as_they_were),
        cmocka_unit_test(a_slot_never_written_is_told_from_a_damaged_one),
        cmocka_unit_test(every_flipped_bit_of_an_entry_is_found),
        cmocka_unit_test(an_entry_torn_between_old_and_new_is_found),
        cmocka_unit_test(sealed_entries_with_values_out_of_range_are_refused),
        cmocka_unit_test(headers_come_back_as_they_were),
        cmocka_unit_test(every_flipped_bit_of_a_header_is_found),
        cmocka_unit_test(a_journal_of_another_version_is_named_as_such),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
