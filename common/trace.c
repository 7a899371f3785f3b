/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "trace.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "text.h"

/* How a field is spelled. The writer and the parser go through the same tables of fields. */
enum form {
    FORM_NAME,   /* uint8_t: a name out of the enum's table */
    FORM_REASON, /* uint16_t: its name */
    FORM_FLAG,   /* bool: 0 or 1 */
    FORM_SLOT,   /* uint8_t, decimal */
    FORM_DEC,    /* uint32_t, decimal */
    FORM_MASK,   /* uint32_t, hexadecimal */
    FORM_BOOT,   /* uint64_t, hexadecimal */
    FORM_MARKS,  /* uint8_t: names joined by '+' */
    FORM_MIGID,  /* epoch@source.boot */
};

struct names {
    const char *(*name)(uint32_t v);
    uint32_t n;
};

struct field {
    const char *key;
    size_t offset;
    enum form form;
    const struct names *names; /* FORM_NAME */
    uint32_t always;           /* mask of the event types that show it even when it is zero */
};

static const char *pick(const char *const *table, uint32_t n, uint32_t v)
{
    return v < n ? table[v] : "?";
}

static const char *copy_name(uint32_t v)
{
    static const char *const table[XF_N_COPIES] = {
        [XF_COPY_NONE] = "none",
        [XF_COPY_RUNNING] = "running",
        [XF_COPY_SUSPENDED] = "suspended",
        [XF_COPY_PAUSED] = "paused",
    };

    return pick(table, XF_N_COPIES, v);
}

#define N_PROMISES (XF_PROMISE_GO + 1)
static const char *promise_name(uint32_t v)
{
    static const char *const table[N_PROMISES] = {
        [XF_PROMISE_NONE] = "none",
        [XF_PROMISE_STAY] = "stay",
        [XF_PROMISE_GO] = "go",
    };

    return pick(table, N_PROMISES, v);
}

static const char *mover_name(uint32_t v)
{
    static const char *const table[XF_N_MOVER_EVS] = {
        [XF_MOVER_SUSPENDED] = "suspended",
        [XF_MOVER_END] = "end",
        [XF_MOVER_COMPLETE] = "complete",
        [XF_MOVER_FAILED] = "failed",
    };

    return pick(table, XF_N_MOVER_EVS, v);
}

static const char *timer_name(uint32_t v)
{
    static const char *const table[XF_N_TIMERS] = {
        [XF_TIMER_NONE] = "none",
        [XF_TIMER_ANSWER] = "answer",
        [XF_TIMER_RETRY] = "retry",
    };

    return pick(table, XF_N_TIMERS, v);
}

static const struct names copies = { copy_name, XF_N_COPIES };
static const struct names promises = { promise_name, N_PROMISES };
static const struct names movers = { mover_name, XF_N_MOVER_EVS };
static const struct names timers = { timer_name, XF_N_TIMERS };
static const struct names states = { xf_state_name, XF_N_STATES };
static const struct names outcomes = { xf_outcome_name, XF_N_OUTCOMES };
static const struct names notes = { xf_note_name, XF_N_NOTES };
static const struct names ops = { xf_op_name, XF_N_OPS };
static const struct names messages = { xf_msg_name, XF_N_MSGS };

static const char *const mark_names[] = { "begun", "ended", "stayed", "went", "run", "never" };
#define N_MARKS    (sizeof(mark_names) / sizeof(mark_names[0]))

#define EV(sym)    (UINT32_C(1) << XF_EV_##sym)
#define AT(member) .offset = offsetof(struct OF, member)

static const struct field event_fields[] = {
#define OF xf_event
    { .key = "copy", AT(copy), .form = FORM_NAME, .names = &copies, .always = EV(BOOT) },
    { .key = "note", AT(note), .form = FORM_NAME, .names = &notes, .always = EV(BOOT) },
    { .key = "op", AT(op), .form = FORM_NAME, .names = &ops, .always = EV(OP) },
    { .key = "ok", AT(ok), .form = FORM_FLAG, .always = EV(OP) },
    { .key = "mover", AT(mover), .form = FORM_NAME, .names = &movers, .always = EV(MOVER) },
    { .key = "promise", AT(promise), .form = FORM_NAME, .names = &promises, .always = EV(RESOLVE) },
    { .key = "slot", AT(slot), .form = FORM_SLOT, .always = EV(MOVE) | EV(FENCED) },
    { .key = "members", AT(members), .form = FORM_MASK, .always = EV(VIEW) },
    { .key = "seen", AT(seen), .form = FORM_MASK, .always = EV(VIEW) },
    { .key = "quorate", AT(quorate), .form = FORM_FLAG, .always = EV(VIEW) },
    { .key = "boot", AT(boot), .form = FORM_BOOT, .always = EV(FENCED) },
    { .key = "reason", AT(reason), .form = FORM_REASON, .always = EV(CANCEL) },
#undef OF
};

static const struct field record_fields[] = {
#define OF xf_record
    { .key = "id", AT(id), .form = FORM_MIGID },
    { .key = "src", AT(src), .form = FORM_DEC },
    { .key = "dst", AT(dst), .form = FORM_DEC },
    { .key = "dst_boot", AT(dst_boot), .form = FORM_BOOT },
    { .key = "own_boot", AT(own_boot), .form = FORM_BOOT },
    { .key = "marks", AT(marks), .form = FORM_MARKS },
    { .key = "promised", AT(promise), .form = FORM_NAME, .names = &promises },
    { .key = "epoch_max", AT(epoch_max), .form = FORM_DEC },
#undef OF
};

static const struct field msg_fields[] = {
#define OF xf_msg
    { .key = "type", AT(type), .form = FORM_NAME, .names = &messages, .always = UINT32_MAX },
    { .key = "from", AT(from), .form = FORM_DEC },
    { .key = "id", AT(id), .form = FORM_MIGID },
    { .key = "src", AT(src), .form = FORM_DEC },
    { .key = "dst", AT(dst), .form = FORM_DEC },
    { .key = "boot", AT(boot), .form = FORM_BOOT },
    { .key = "copy", AT(copy), .form = FORM_NAME, .names = &copies },
    { .key = "promise", AT(promise), .form = FORM_NAME, .names = &promises },
    { .key = "stayed", AT(stayed), .form = FORM_FLAG },
    { .key = "went", AT(went), .form = FORM_FLAG },
    { .key = "reason", AT(reason), .form = FORM_REASON },
    { .key = "epoch_max", AT(epoch_max), .form = FORM_DEC },
    { .key = "newer", AT(newer), .form = FORM_MIGID },
#undef OF
};

/* What every line about a record shows; written with spaces, see trace.h. */
static const struct field core_fields[] = {
#define OF xf_core
    { .key = "marks", AT(marks), .form = FORM_MARKS },
    { .key = "promise", AT(promise), .form = FORM_NAME, .names = &promises },
    { .key = "op", AT(op), .form = FORM_NAME, .names = &ops },
    { .key = "timer", AT(timer), .form = FORM_NAME, .names = &timers },
    { .key = "members", AT(members), .form = FORM_MASK },
    { .key = "greeted", AT(greeted), .form = FORM_MASK },
    { .key = "holders", AT(holders), .form = FORM_MASK },
    { .key = "off", AT(off), .form = FORM_MASK },
    { .key = "reported", AT(reported), .form = FORM_MASK },
    { .key = "quorate", AT(quorate), .form = FORM_FLAG },
    { .key = "peer_fenced", AT(peer_fenced), .form = FORM_FLAG },
    { .key = "asked", AT(asked), .form = FORM_FLAG },
    { .key = "cancelled", AT(cancelled), .form = FORM_FLAG },
    { .key = "ready", AT(ready), .form = FORM_FLAG },
    { .key = "promise_kept", AT(promise_kept), .form = FORM_FLAG },
    { .key = "reason", AT(reason), .form = FORM_REASON },
#undef OF
};

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* ---- one field, seen as a number ---- */

static size_t width(enum form form)
{
    switch (form) {
    case FORM_NAME:
    case FORM_SLOT:
    case FORM_MARKS:
    case FORM_FLAG:
        return 1;
    case FORM_REASON:
        return 2;
    case FORM_DEC:
    case FORM_MASK:
        return 4;
    case FORM_BOOT:
        return 8;
    case FORM_MIGID:
        break;
    }
    return 0;
}

static uint64_t load(const struct field *field, const void *base)
{
    const char *at = (const char *)base + field->offset;
    uint8_t v8;
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;

    switch (width(field->form)) {
    case 1:
        memcpy(&v8, at, sizeof(v8));
        return v8;
    case 2:
        memcpy(&v16, at, sizeof(v16));
        return v16;
    case 4:
        memcpy(&v32, at, sizeof(v32));
        return v32;
    default:
        memcpy(&v64, at, sizeof(v64));
        return v64;
    }
}

/* v fits: the parser of its form saw to that. */
static void store(const struct field *field, void *base, uint64_t v)
{
    char *at = (char *)base + field->offset;
    uint8_t v8 = (uint8_t)v;
    uint16_t v16 = (uint16_t)v;
    uint32_t v32 = (uint32_t)v;

    switch (width(field->form)) {
    case 1:
        memcpy(at, &v8, sizeof(v8));
        return;
    case 2:
        memcpy(at, &v16, sizeof(v16));
        return;
    case 4:
        memcpy(at, &v32, sizeof(v32));
        return;
    default:
        memcpy(at, &v, sizeof(v));
        return;
    }
}

/* ---- writing ---- */

static void put_migid(struct xf_text *text, const struct xf_migid *id)
{
    xf_text_u64(text, id->epoch);
    xf_text_char(text, '@');
    xf_text_u64(text, id->src.id);
    xf_text_char(text, '.');
    xf_text_hex(text, id->boot.v, 1);
}

/* A value that its enum does not have is shown as a number that the parser refuses. */
static void put_name(struct xf_text *text, const struct names *names, uint64_t v)
{
    if (v < names->n) {
        xf_text_str(text, names->name((uint32_t)v));
    } else {
        xf_text_char(text, '#');
        xf_text_u64(text, v);
    }
}

static void put_marks(struct xf_text *text, uint64_t marks)
{
    bool first = true;

    for (size_t i = 0; i < N_MARKS; i++) {
        if ((marks >> i & 1) != 0) {
            xf_text_str(text, first ? "" : "+");
            xf_text_str(text, mark_names[i]);
            first = false;
        }
    }
}

static void put_value(struct xf_text *text, const struct field *field, const void *base)
{
    static const struct names reasons = { xf_reason_name, XF_N_REASONS };

    switch (field->form) {
    case FORM_NAME:
        put_name(text, field->names, load(field, base));
        return;
    case FORM_REASON:
        put_name(text, &reasons, load(field, base));
        return;
    case FORM_FLAG:
    case FORM_SLOT:
    case FORM_DEC:
        xf_text_u64(text, load(field, base));
        return;
    case FORM_MASK:
    case FORM_BOOT:
        xf_text_hex(text, load(field, base), 1);
        return;
    case FORM_MARKS:
        put_marks(text, load(field, base));
        return;
    case FORM_MIGID:
        put_migid(text, (const void *)((const char *)base + field->offset));
        return;
    }
}

static bool is_zero(const struct field *field, const void *base)
{
    static const struct xf_migid none;
    struct xf_migid id;

    if (field->form != FORM_MIGID) {
        return load(field, base) == 0;
    }
    memcpy(&id, (const char *)base + field->offset, sizeof(id));
    return xf_migid_cmp(&id, &none) == 0;
}

static void put_fields(struct xf_text *text, const struct field *fields, size_t n, const void *base,
                       uint32_t always, char between)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_zero(&fields[i], base) || (fields[i].always & always) != 0) {
            xf_text_char(text, ' ');
            xf_text_str(text, fields[i].key);
            xf_text_char(text, between);
            put_value(text, &fields[i], base);
        }
    }
}

size_t xf_trace_event(const struct xf_event *event, char *buf, size_t size)
{
    struct xf_text text;

    xf_text_init(&text, buf, size);
    xf_text_str(&text, xf_event_name(event->type));
    if (event->type == XF_EV_MSG) {
        put_fields(&text, msg_fields, N(msg_fields), &event->msg, EV(MSG), '=');
        return text.len;
    }
    put_fields(&text, event_fields, N(event_fields), event,
               event->type < XF_N_EVENTS ? UINT32_C(1) << event->type : 0, '=');
    if (event->type == XF_EV_BOOT) {
        put_fields(&text, record_fields, N(record_fields), &event->record, EV(BOOT), '=');
    }
    return text.len;
}

size_t xf_trace_act(const struct xf_act *act, char *buf, size_t size)
{
    struct xf_text text;

    xf_text_init(&text, buf, size);
    xf_text_str(&text, xf_act_name(act->kind));
    switch ((enum xf_act_kind)act->kind) {
    case XF_ACT_NOTE:
        xf_text_char(&text, ' ');
        put_name(&text, &notes, act->note);
        break;
    case XF_ACT_PERSIST:
        xf_text_str(&text, act->reply ? " reply" : "");
        put_fields(&text, record_fields, N(record_fields), &act->record, 0, '=');
        break;
    case XF_ACT_SEND:
        put_fields(&text, msg_fields, N(msg_fields), &act->msg, EV(MSG), '=');
        break;
    case XF_ACT_OP:
        xf_text_char(&text, ' ');
        put_name(&text, &ops, act->op);
        break;
    case XF_ACT_TIMER:
        xf_text_char(&text, ' ');
        put_name(&text, &timers, act->timer);
        break;
    case XF_ACT_REPORT:
        xf_text_char(&text, ' ');
        xf_text_str(&text, xf_reason_name(act->reason));
        break;
    case XF_ACT_GRANT:
    case XF_ACT_MOVER:
    case XF_N_ACTS:
        break;
    }
    return text.len;
}

static uint64_t bits(uint32_t mask)
{
    uint64_t n = 0;

    for (; mask != 0; mask &= mask - 1) {
        n++;
    }
    return n;
}

size_t xf_trace_core(const struct xf_core *core, char *buf, size_t size)
{
    struct xf_text text;

    xf_text_init(&text, buf, size);
    xf_text_str(&text, "state ");
    put_name(&text, &states, core->state);
    xf_text_str(&text, " outcome ");
    put_name(&text, &outcomes, core->outcome);
    /* Without the boot id: among ids of one epoch and source it tells apart next to never. */
    xf_text_str(&text, " id ");
    xf_text_u64(&text, core->id.epoch);
    xf_text_char(&text, '@');
    xf_text_u64(&text, core->id.src.id);
    xf_text_str(&text, " note ");
    put_name(&text, &notes, core->note);
    xf_text_str(&text, " votes ");
    xf_text_u64(&text, bits(core->promised));
    xf_text_char(&text, '/');
    xf_text_u64(&text, bits(core->refused));
    put_fields(&text, core_fields, N(core_fields), core, 0, ' ');
    return text.len;
}

/* ---- parsing ---- */

static int parse_name(const char *value, const struct names *names, uint64_t *ret_v)
{
    for (uint32_t i = 0; i < names->n; i++) {
        if (strcmp(names->name(i), value) == 0) {
            *ret_v = i;
            return 0;
        }
    }
    return -EBADMSG;
}

static int parse_marks(char *value, uint64_t *ret_v)
{
    uint64_t marks = 0;

    for (char *next; value != NULL; value = next) {
        size_t i;

        next = strchr(value, '+');
        if (next != NULL) {
            *next++ = '\0';
        }
        for (i = 0; i < N_MARKS && strcmp(mark_names[i], value) != 0; i++) {
        }
        if (i == N_MARKS) {
            return -EBADMSG;
        }
        marks |= UINT64_C(1) << i;
    }
    *ret_v = marks;
    return 0;
}

static int parse_migid(char *value, struct xf_migid *ret_id)
{
    char *src = strchr(value, '@');
    char *boot = src != NULL ? strchr(src, '.') : NULL;
    uint64_t epoch, node;

    if (boot == NULL) {
        return -EBADMSG;
    }
    *src++ = '\0';
    *boot++ = '\0';
    if (xf_u64_parse(value, 0, UINT32_MAX, &epoch) < 0 ||
        xf_u64_parse(src, 0, UINT32_MAX, &node) < 0 || xf_hex_parse(boot, &ret_id->boot.v) < 0) {
        return -EBADMSG;
    }
    ret_id->epoch = (uint32_t)epoch;
    ret_id->src.id = (uint32_t)node;
    return 0;
}

static int parse_number(const struct field *field, char *value, uint64_t *ret_v)
{
    switch (field->form) {
    case FORM_NAME:
        return parse_name(value, field->names, ret_v);
    case FORM_REASON:
        *ret_v = xf_reason_parse(value);
        return *ret_v < XF_N_REASONS ? 0 : -EBADMSG;
    case FORM_FLAG:
        return xf_u64_parse(value, 0, 1, ret_v);
    case FORM_SLOT:
        return xf_u64_parse(value, 0, UINT8_MAX, ret_v);
    case FORM_DEC:
        return xf_u64_parse(value, 0, UINT32_MAX, ret_v);
    case FORM_MASK:
        return xf_hex_parse(value, ret_v) < 0 || *ret_v > UINT32_MAX ? -EBADMSG : 0;
    case FORM_BOOT:
        return xf_hex_parse(value, ret_v);
    case FORM_MARKS:
        return parse_marks(value, ret_v);
    case FORM_MIGID:
        break;
    }
    return -EBADMSG;
}

/* Not found is -ENOENT, so that a second table can be asked. */
static int parse_field(const struct field *fields, size_t n, const char *key, char *value,
                       uint32_t *seen, void *base)
{
    uint64_t v;
    size_t i;

    for (i = 0; i < n && strcmp(fields[i].key, key) != 0; i++) {
    }
    if (i == n) {
        return -ENOENT;
    }
    if ((*seen >> i & 1) != 0) {
        return -EBADMSG;
    }
    *seen |= UINT32_C(1) << i;
    if (fields[i].form == FORM_MIGID) {
        struct xf_migid id;

        if (parse_migid(value, &id) < 0) {
            return -EBADMSG;
        }
        memcpy((char *)base + fields[i].offset, &id, sizeof(id));
        return 0;
    }
    if (parse_number(&fields[i], value, &v) < 0) {
        return -EBADMSG;
    }
    store(&fields[i], base, v);
    return 0;
}

static int parse_pair(char *pair, struct xf_event *event, uint32_t seen[static 2])
{
    char *value = strchr(pair, '=');
    int rc;

    if (value == NULL) {
        return -EBADMSG;
    }
    *value++ = '\0';
    if (event->type == XF_EV_MSG) {
        return parse_field(msg_fields, N(msg_fields), pair, value, &seen[0], &event->msg);
    }
    rc = parse_field(event_fields, N(event_fields), pair, value, &seen[0], event);
    if (rc == -ENOENT && event->type == XF_EV_BOOT) {
        rc = parse_field(record_fields, N(record_fields), pair, value, &seen[1], &event->record);
    }
    return rc;
}

int xf_trace_parse_event(const char *line, struct xf_event *ret_event)
{
    static const struct names events = { xf_event_name, XF_N_EVENTS };
    char buf[XF_TRACE_LINE_SIZE];
    struct xf_event event;
    uint32_t seen[2] = { 0, 0 };
    uint64_t type;
    char *next;

    memset(&event, 0, sizeof(event));
    if (!xf_text_copy(buf, sizeof(buf), line)) {
        return -EBADMSG;
    }
    next = strchr(buf, ' ');
    if (next != NULL) {
        *next++ = '\0';
    }
    if (parse_name(buf, &events, &type) < 0) {
        return -EBADMSG;
    }
    event.type = (uint8_t)type;
    while (next != NULL) {
        char *pair = next;

        next = strchr(pair, ' ');
        if (next != NULL) {
            *next++ = '\0';
        }
        if (parse_pair(pair, &event, seen) < 0) {
            return -EBADMSG;
        }
    }
    *ret_event = event;
    return 0;
}
