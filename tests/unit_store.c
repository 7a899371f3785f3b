/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal on disk, its writer process, and notes: what survives which accident. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <qb/qbloop.h>
#include <qb/qbutil.h>

#include "history.h"
#include "log_qb.h"
#include "store_file.h"
#include "store_notes.h"
#include "store_writer.h"

#define BLOCK   XF_JOURNAL_ENTRY_SIZE
#define WAIT_MS 5000u

struct bed {
    char dir[64];
    char err[600];
    struct xf_store_file file;
    struct rlimit limit;
};

static struct xf_uuid uuid_of(unsigned i)
{
    struct xf_uuid uuid = { { 1 } };

    uuid.b[14] = (uint8_t)(i >> 8);
    uuid.b[15] = (uint8_t)i;
    return uuid;
}

static struct xf_record record_of(uint32_t epoch)
{
    return (struct xf_record){
        .id = { .epoch = epoch, .src = { 1 }, .boot = { 77 } },
        .src = { 1 },
        .dst = { 2 },
        .own_boot = { 77 },
        .marks = XF_MARK_BEGUN,
        .epoch_max = epoch,
    };
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));

    assert_non_null(bed);
    snprintf(bed->dir, sizeof(bed->dir), "/tmp/xenferry-unit-store-XXXXXX");
    assert_non_null(mkdtemp(bed->dir));
    getrlimit(RLIMIT_FSIZE, &bed->limit);
    signal(SIGXFSZ, SIG_IGN);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "journal",        "journal.spare", "journal.lock",
                                         "journal.new",    "notes",         "history.jsonl",
                                         "history.jsonl.1" };
    struct bed *bed = *state;
    char path[128];

    setrlimit(RLIMIT_FSIZE, &bed->limit);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", bed->dir, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(bed->dir), 0);
    free(bed);
    return 0;
}

static int open_journal(struct bed *bed)
{
    return xf_store_file_open(bed->dir, 0, &bed->file, bed->err, sizeof(bed->err));
}

static void append(struct bed *bed, unsigned domain, uint32_t epoch)
{
    struct xf_uuid uuid = uuid_of(domain);
    struct xf_record record = record_of(epoch);

    assert_int_equal(xf_store_file_append(&bed->file, &uuid, &record), 0);
}

/* The epoch that the journal has for a domain; 0: none. */
static uint32_t epoch_of(const struct bed *bed, unsigned domain)
{
    struct xf_uuid uuid = uuid_of(domain);

    for (uint32_t i = 0; i < bed->file.n_latest; i++) {
        if (xf_uuid_eq(&bed->file.latest[i].uuid, &uuid)) {
            return bed->file.latest[i].record.id.epoch;
        }
    }
    return 0;
}

/* Overwrites bytes of entry i with what cannot be right. */
static void damage(const struct bed *bed, unsigned i, size_t size)
{
    char path[128];
    uint8_t bytes[BLOCK];
    int fd;

    snprintf(path, sizeof(path), "%s/journal", bed->dir);
    memset(bytes, 0x5a, sizeof(bytes));
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)(i + 1) * (off_t)BLOCK), (ssize_t)size);
    close(fd);
}

static void three_entries(struct bed *bed)
{
    assert_int_equal(open_journal(bed), 0);
    append(bed, 1, 10);
    append(bed, 2, 20);
    append(bed, 1, 11);
    xf_store_file_close(&bed->file);
}

/* ---- the file ---- */

static void the_last_entry_of_a_domain_counts(void **state)
{
    struct bed *bed = *state;

    three_entries(bed);
    assert_int_equal(open_journal(bed), 0);
    assert_int_equal(bed->file.n_latest, 2);
    assert_int_equal(bed->file.used, 3);
    assert_int_equal(epoch_of(bed, 1), 11);
    assert_int_equal(epoch_of(bed, 2), 20);
    assert_false(bed->file.torn);
    xf_store_file_close(&bed->file);
}

static void a_torn_last_entry_is_dropped_and_its_place_used_again(void **state)
{
    struct bed *bed = *state;

    three_entries(bed);
    damage(bed, 2, BLOCK / 2);
    assert_int_equal(open_journal(bed), 0);
    assert_true(bed->file.torn);
    assert_int_equal(bed->file.used, 2);
    assert_int_equal(epoch_of(bed, 1), 10);
    append(bed, 1, 12);
    xf_store_file_close(&bed->file);
    assert_int_equal(open_journal(bed), 0);
    assert_false(bed->file.torn);
    assert_int_equal(epoch_of(bed, 1), 12);
    xf_store_file_close(&bed->file);
}

static void a_damaged_entry_before_valid_ones_is_refused_with_its_offset(void **state)
{
    struct bed *bed = *state;

    three_entries(bed);
    damage(bed, 1, 8);
    assert_int_equal(open_journal(bed), -EBADMSG);
    assert_non_null(strstr(bed->err, "entry 2 at offset 256"));
    assert_non_null(strstr(bed->err, "backup"));
}

static void a_missing_entry_before_valid_ones_is_refused(void **state)
{
    struct bed *bed = *state;
    static const uint8_t zeros[BLOCK];
    char path[128];
    int fd;

    three_entries(bed);
    snprintf(path, sizeof(path), "%s/journal", bed->dir);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, zeros, BLOCK, 2 * BLOCK), BLOCK);
    close(fd);
    assert_int_equal(open_journal(bed), -EBADMSG);
    assert_non_null(strstr(bed->err, "missing"));
}

static void two_damaged_entries_at_the_end_are_no_torn_write(void **state)
{
    struct bed *bed = *state;

    three_entries(bed);
    damage(bed, 1, 8);
    damage(bed, 2, 8);
    assert_int_equal(open_journal(bed), -EBADMSG);
}

static void a_damaged_header_is_refused(void **state)
{
    struct bed *bed = *state;
    char path[128];
    int fd;

    three_entries(bed);
    snprintf(path, sizeof(path), "%s/journal", bed->dir);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 9), 1);
    close(fd);
    assert_int_equal(open_journal(bed), -EBADMSG);
    assert_non_null(strstr(bed->err, "header"));
}

static void a_journal_that_was_cut_is_refused(void **state)
{
    struct bed *bed = *state;
    char path[128];

    three_entries(bed);
    snprintf(path, sizeof(path), "%s/journal", bed->dir);
    assert_int_equal(truncate(path, XF_STORE_SIZE_MIN / 2 + 17), 0);
    assert_int_equal(open_journal(bed), -EBADMSG);
    assert_non_null(strstr(bed->err, "cut"));
}

static void a_lost_journal_beside_its_spare_is_refused(void **state)
{
    struct bed *bed = *state;
    char path[128];

    three_entries(bed);
    snprintf(path, sizeof(path), "%s/journal", bed->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_journal(bed), -EBADMSG);
    assert_non_null(strstr(bed->err, "missing"));
}

static void a_second_agent_is_kept_out(void **state)
{
    struct bed *bed = *state;
    struct xf_store_file second;

    assert_int_equal(open_journal(bed), 0);
    assert_int_equal(xf_store_file_open(bed->dir, 20, &second, bed->err, sizeof(bed->err)), -EBUSY);
    xf_store_file_close(&bed->file);
}

static void compaction_keeps_the_last_entry_of_each_domain(void **state)
{
    struct bed *bed = *state;
    uint32_t capacity;

    assert_int_equal(open_journal(bed), 0);
    capacity = bed->file.capacity;
    bed->file.used = capacity - 2; /* as if filled: the two that follow are the last to fit */
    append(bed, 1, 1);
    append(bed, 2, 2);
    append(bed, 1, 3);
    assert_int_equal(bed->file.generation, 2);
    assert_int_equal(bed->file.used, 3);
    xf_store_file_close(&bed->file);
    assert_int_equal(open_journal(bed), 0);
    assert_int_equal(bed->file.generation, 2);
    assert_int_equal(bed->file.n_latest, 2);
    assert_int_equal(epoch_of(bed, 1), 3);
    assert_int_equal(epoch_of(bed, 2), 2);
    xf_store_file_close(&bed->file);
}

static void compaction_of_many_domains_grows_the_file(void **state)
{
    struct bed *bed = *state;
    uint32_t half;

    assert_int_equal(open_journal(bed), 0);
    half = bed->file.capacity / 2 + 8;
    bed->file.latest_max = half;
    bed->file.latest = calloc(half, sizeof(*bed->file.latest));
    assert_non_null(bed->file.latest);
    for (uint32_t i = 0; i < half; i++) {
        bed->file.latest[i].uuid = uuid_of(i);
        bed->file.latest[i].record = record_of(i + 1);
    }
    bed->file.n_latest = half;
    bed->file.used = bed->file.capacity;
    append(bed, 0, 9);
    assert_int_equal(bed->file.capacity, 2 * XF_STORE_SIZE_MIN / BLOCK - 1);
    xf_store_file_close(&bed->file);
    assert_int_equal(open_journal(bed), 0);
    assert_int_equal(bed->file.n_latest, half);
    assert_int_equal(epoch_of(bed, 0), 9);
    assert_int_equal(epoch_of(bed, half - 1), half);
    xf_store_file_close(&bed->file);
}

/* Nothing may grow: as on a full disk. Only blocks that the files have already can be written. */
static void forbid_growth(struct bed *bed, rlim_t size)
{
    struct rlimit limit = bed->limit;

    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_stops_neither_append_nor_compaction(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(open_journal(bed), 0);
    forbid_growth(bed, XF_STORE_SIZE_MIN);
    append(bed, 1, 1);
    bed->file.used = bed->file.capacity;
    append(bed, 1, 2);
    assert_int_equal(bed->file.generation, 2);
    xf_store_file_close(&bed->file);
    assert_int_equal(open_journal(bed), 0);
    assert_int_equal(epoch_of(bed, 1), 2);
    xf_store_file_close(&bed->file);
}

static void an_entry_that_cannot_be_written_is_an_error_and_no_part_of_the_journal(void **state)
{
    struct bed *bed = *state;
    struct xf_uuid uuid = uuid_of(1);
    struct xf_record record = record_of(2);

    assert_int_equal(open_journal(bed), 0);
    append(bed, 1, 1);
    forbid_growth(bed, 2 * BLOCK + BLOCK / 2); /* in the middle of the second entry */
    assert_int_equal(xf_store_file_append(&bed->file, &uuid, &record), -EFBIG);
    assert_int_equal(epoch_of(bed, 1), 1);
    setrlimit(RLIMIT_FSIZE, &bed->limit);
    append(bed, 1, 3);
    xf_store_file_close(&bed->file);
    assert_int_equal(open_journal(bed), 0);
    assert_false(bed->file.torn);
    assert_int_equal(bed->file.used, 2);
    assert_int_equal(epoch_of(bed, 1), 3);
    xf_store_file_close(&bed->file);
}

/* ---- the writer process ---- */

struct told {
    qb_loop_t *loop;
    uint64_t cookie;
    unsigned n_ok;
    unsigned n_failed;
    unsigned wanted;
};

static void on_done(void *arg, uint64_t cookie, bool ok)
{
    struct told *told = arg;

    told->cookie = cookie;
    told->n_ok += ok ? 1 : 0;
    told->n_failed += ok ? 0 : 1;
    if (told->n_ok + told->n_failed >= told->wanted) {
        qb_loop_stop(told->loop);
    }
}

static void too_late(void *data)
{
    struct told *told = data;

    qb_loop_stop(told->loop);
}

static void wait_for(struct told *told, unsigned wanted)
{
    qb_loop_timer_handle timer;

    told->wanted = wanted;
    qb_loop_timer_add(told->loop, QB_LOOP_LOW, WAIT_MS * QB_TIME_NS_IN_MSEC, told, too_late,
                      &timer);
    qb_loop_run(told->loop);
    if (qb_loop_timer_is_running(told->loop, timer)) {
        qb_loop_timer_del(told->loop, timer);
    }
    assert_int_equal(told->n_ok + told->n_failed, wanted);
}

static struct xf_store *start_writer(struct bed *bed, struct told *told)
{
    struct xf_store *store = NULL;

    told->loop = qb_loop_create();
    assert_int_equal(open_journal(bed), 0);
    assert_int_equal(xf_store_start(told->loop, bed->dir, 2, &bed->file, on_done, told, &store), 0);
    return store;
}

static void what_the_writer_confirms_is_on_disk(void **state)
{
    struct bed *bed = *state;
    struct told told = { .n_ok = 0 };
    struct xf_store *store = start_writer(bed, &told);
    struct xf_uuid uuid = uuid_of(7);

    for (uint32_t i = 1; i <= 50; i++) {
        struct xf_record record = record_of(i);

        xf_store_persist(store, i, &uuid, &record);
    }
    wait_for(&told, 50);
    assert_int_equal(told.n_ok, 50);
    assert_int_equal(told.cookie, 50);
    xf_store_stop(store);
    qb_loop_destroy(told.loop);
    assert_int_equal(open_journal(bed), 0);
    assert_int_equal(epoch_of(bed, 7), 50);
    xf_store_file_close(&bed->file);
}

static void a_record_that_nobody_waits_for_is_on_disk_after_the_end(void **state)
{
    struct bed *bed = *state;
    struct told told = { .n_ok = 0 };
    struct xf_store *store = start_writer(bed, &told);
    struct xf_uuid uuid = uuid_of(7);
    struct xf_record record = record_of(5);

    xf_store_persist(store, 0, &uuid, &record);
    xf_store_stop(store);
    qb_loop_destroy(told.loop);
    assert_int_equal(told.n_ok + told.n_failed, 0);
    assert_int_equal(open_journal(bed), 0);
    assert_int_equal(epoch_of(bed, 7), 5);
    xf_store_file_close(&bed->file);
}

static void a_failed_write_is_told_and_a_later_one_succeeds(void **state)
{
    struct bed *bed = *state;
    struct told told = { .n_ok = 0 };
    struct xf_store *store;
    struct xf_uuid uuid = uuid_of(7);
    struct xf_record record = record_of(1);

    assert_int_equal(open_journal(bed), 0);
    xf_store_file_close(&bed->file);
    forbid_growth(bed, BLOCK); /* the writer inherits it: no entry fits */
    store = start_writer(bed, &told);
    setrlimit(RLIMIT_FSIZE, &bed->limit);
    xf_store_persist(store, 1, &uuid, &record);
    wait_for(&told, 1);
    assert_int_equal(told.n_failed, 1);
    xf_store_stop(store);
    qb_loop_destroy(told.loop);
    told = (struct told){ .n_ok = 0 };
    store = start_writer(bed, &told);
    xf_store_persist(store, 2, &uuid, &record);
    wait_for(&told, 1);
    assert_int_equal(told.n_ok, 1);
    xf_store_stop(store);
    qb_loop_destroy(told.loop);
}

static unsigned lines_of(const struct bed *bed, const char *name)
{
    char path[128];
    unsigned lines = 0;
    FILE *f;
    int c;

    snprintf(path, sizeof(path), "%s/%s", bed->dir, name);
    f = fopen(path, "r");
    while (f != NULL && (c = fgetc(f)) != EOF) {
        lines += c == '\n' ? 1 : 0;
    }
    if (f != NULL) {
        fclose(f);
    }
    return lines;
}

static void history_is_bounded(void **state)
{
    struct bed *bed = *state;
    struct told told = { .n_ok = 0 };
    struct xf_store *store = start_writer(bed, &told);

    for (unsigned i = 0; i < 7; i++) {
        xf_store_history(store, "{\"migration\":\"1@n1\"}");
    }
    xf_store_stop(store);
    qb_loop_destroy(told.loop);
    assert_int_equal(lines_of(bed, "history.jsonl"), 1);
    assert_int_equal(lines_of(bed, "history.jsonl.1"), 2);
}

static bool add(struct xf_history *history, const char *migration, const char *result,
                const char *text)
{
    json_t *report = json_pack("{s:s,s:s,s:s,s:s}", "uuid", "u", "migration", migration, "result",
                               result, "text", text);
    bool added = xf_history_add(history, report);

    json_decref(report);
    return added;
}

static const char *text_kept(struct xf_history *history, const char *migration, char buf[16])
{
    json_t *report = xf_history_find(history, "u", migration);

    snprintf(buf, 16, "%s", json_string_value(json_object_get(report, "text")));
    json_decref(report);
    return buf;
}

static void what_is_known_replaces_unknown_and_nothing_else(void **state)
{
    struct bed *bed = *state;
    struct xf_history *history = xf_history_open(bed->dir, 3);
    char buf[16];
    uint32_t i = 0;
    json_t *report;

    assert_true(add(history, "1@n1", "unknown", "target"));
    assert_true(add(history, "2@n1", "kept", "first"));
    assert_false(add(history, "1@n1", "unknown", "again"));
    assert_false(add(history, "2@n1", "unknown", "late"));
    assert_false(add(history, "2@n1", "moved", "late"));
    report = xf_history_unknown(history, &i);
    assert_string_equal(json_string_value(json_object_get(report, "text")), "target");
    json_decref(report);
    assert_int_equal(i, 1); /* the second newest */
    assert_true(add(history, "1@n1", "lost", "source"));
    assert_false(add(history, "1@n1", "kept", "late"));
    assert_string_equal(text_kept(history, "1@n1", buf), "source");
    assert_string_equal(text_kept(history, "2@n1", buf), "first");
    i = 0;
    assert_null(xf_history_unknown(history, &i));
    assert_null(xf_history_find(history, "u", "3@n1"));
    xf_history_close(history);
}

/* ---- notes ---- */

static const struct xf_boot this_boot = { 1000 };

static void a_note_survives_the_agent(void **state)
{
    struct bed *bed = *state;
    struct xf_uuid uuid = uuid_of(3);
    struct xf_migid id = { 9, { 1 }, { 1000 } }, found;
    struct xf_notes *notes;

    assert_int_equal(xf_notes_open(bed->dir, this_boot, &notes, bed->err, sizeof(bed->err)), 0);
    xf_notes_store(xf_notes_line(notes, &uuid), &id, XF_NOTE_COMMIT);
    xf_notes_close(notes);
    assert_int_equal(xf_notes_open(bed->dir, this_boot, &notes, bed->err, sizeof(bed->err)), 0);
    assert_int_equal(xf_notes_read(xf_notes_line(notes, &uuid), &found), XF_NOTE_COMMIT);
    assert_int_equal(xf_migid_cmp(&found, &id), 0);
    xf_notes_close(notes);
}

static void a_note_dies_with_the_boot(void **state)
{
    struct bed *bed = *state;
    struct xf_boot next = { 1001 };
    struct xf_uuid uuid = uuid_of(3);
    struct xf_migid id = { 9, { 1 }, { 1000 } };
    struct xf_noted noted;
    struct xf_notes *notes;

    assert_int_equal(xf_notes_open(bed->dir, this_boot, &notes, bed->err, sizeof(bed->err)), 0);
    xf_notes_store(xf_notes_line(notes, &uuid), &id, XF_NOTE_COMMIT);
    xf_notes_close(notes);
    assert_int_equal(xf_notes_open(bed->dir, next, &notes, bed->err, sizeof(bed->err)), 0);
    for (uint32_t i = 0; i < XF_NOTES_LINES; i++) {
        assert_false(xf_notes_get(notes, i, &noted));
    }
    xf_notes_close(notes);
}

static void every_domain_has_a_line_of_its_own_until_all_are_taken(void **state)
{
    struct bed *bed = *state;
    struct xf_notes_line *lines[3];
    struct xf_notes *notes;
    struct xf_uuid uuid;

    assert_int_equal(xf_notes_open(bed->dir, this_boot, &notes, bed->err, sizeof(bed->err)), 0);
    for (unsigned i = 0; i < XF_NOTES_LINES; i++) {
        uuid = uuid_of(i);
        lines[i % 3] = xf_notes_line(notes, &uuid);
        assert_non_null(lines[i % 3]);
        assert_ptr_not_equal(lines[i % 3], lines[(i + 1) % 3]);
    }
    uuid = uuid_of(XF_NOTES_LINES);
    assert_null(xf_notes_line(notes, &uuid));
    uuid = uuid_of(5);
    assert_ptr_equal(xf_notes_line(notes, &uuid), xf_notes_line(notes, &uuid));
    xf_notes_close(notes);
}

#define CLAIM(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(the_last_entry_of_a_domain_counts),
        CLAIM(a_torn_last_entry_is_dropped_and_its_place_used_again),
        CLAIM(a_damaged_entry_before_valid_ones_is_refused_with_its_offset),
        CLAIM(a_missing_entry_before_valid_ones_is_refused),
        CLAIM(two_damaged_entries_at_the_end_are_no_torn_write),
        CLAIM(a_damaged_header_is_refused),
        CLAIM(a_journal_that_was_cut_is_refused),
        CLAIM(a_lost_journal_beside_its_spare_is_refused),
        CLAIM(a_second_agent_is_kept_out),
        CLAIM(compaction_keeps_the_last_entry_of_each_domain),
        CLAIM(compaction_of_many_domains_grows_the_file),
        CLAIM(a_full_disk_stops_neither_append_nor_compaction),
        CLAIM(an_entry_that_cannot_be_written_is_an_error_and_no_part_of_the_journal),
        CLAIM(what_the_writer_confirms_is_on_disk),
        CLAIM(a_record_that_nobody_waits_for_is_on_disk_after_the_end),
        CLAIM(a_failed_write_is_told_and_a_later_one_succeeds),
        CLAIM(history_is_bounded),
        CLAIM(what_is_known_replaces_unknown_and_nothing_else),
        CLAIM(a_note_survives_the_agent),
        CLAIM(a_note_dies_with_the_boot),
        CLAIM(every_domain_has_a_line_of_its_own_until_all_are_taken),
    };

    xf_log_open(true, "error");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
