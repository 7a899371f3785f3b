/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "ctl.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "fields.h"

#define MAGIC 0x43524658u /* "XFRC" */

enum kind {
    KIND_REQUEST = 1,
    KIND_REPLY,
};

#define FLAG_MORE 1u

static struct xf_put put_begin(uint8_t *buf, size_t size, enum kind kind)
{
    struct xf_put p = {
        .buf = buf,
        .size = size < XF_CTL_SIZE_MAX ? size : XF_CTL_SIZE_MAX,
    };

    xf_put_u32(&p, MAGIC);
    xf_put_u16(&p, XF_CTL_MAX);
    xf_put_u8(&p, (uint8_t)kind);
    xf_put_zeros(&p, 1);
    return p;
}

/* 0 with the cursor behind the header, or negative errno. */
static int get_begin(const uint8_t *buf, size_t size, enum kind kind, struct xf_get *ret_get)
{
    struct xf_get g = { .buf = buf, .size = size };
    uint16_t version;

    if (xf_get_u32(&g) != MAGIC || g.failed) {
        return -EPROTO;
    }
    version = xf_get_u16(&g);
    if (g.failed || size > XF_CTL_SIZE_MAX) {
        return -EBADMSG;
    }
    if (version < XF_CTL_MIN || version > XF_CTL_MAX) {
        return -EPROTONOSUPPORT;
    }
    (void)xf_get_enum(&g, kind, (uint32_t)kind + 1);
    xf_get_zeros(&g, 1);
    *ret_get = g;
    return 0;
}

/* Length, bytes and a NUL, so that the reader may point into the buffer. */
static void put_string(struct xf_put *p, const char *str)
{
    size_t len = str != NULL ? strlen(str) : 0;

    if (len > UINT16_MAX) {
        p->failed = true;
        return;
    }
    xf_put_u16(p, (uint16_t)len);
    if (len > 0) {
        xf_put_bytes(p, str, len);
    }
    xf_put_u8(p, 0);
}

static const char *get_string(struct xf_get *g)
{
    size_t len = xf_get_u16(g);
    const char *str = (const char *)xf_get_view(g, len + 1);

    if (str == NULL || strnlen(str, len + 1) != len) {
        g->failed = true;
        return "";
    }
    return str;
}

/* Verbs and keys: what can be typed, so that they can be logged as they are. */
static bool word_ok(const char *word)
{
    if (word == NULL || word[0] == '\0') {
        return false;
    }
    for (; *word != '\0'; word++) {
        char c = *word;

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') {
            return false;
        }
    }
    return true;
}

static bool key_is_new(const struct xf_ctl_request *request, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(request->arg[i].key, request->arg[n].key) == 0) {
            return false;
        }
    }
    return true;
}

int xf_ctl_encode_request(const struct xf_ctl_request *request, uint8_t *buf, size_t size)
{
    struct xf_put p = put_begin(buf, size, KIND_REQUEST);

    if (request->n_args > XF_CTL_ARGS_MAX || !word_ok(request->verb)) {
        return -EINVAL;
    }
    put_string(&p, request->verb);
    xf_put_u8(&p, (uint8_t)request->n_args);
    for (uint32_t i = 0; i < request->n_args; i++) {
        if (!word_ok(request->arg[i].key) || !key_is_new(request, i)) {
            return -EINVAL;
        }
        put_string(&p, request->arg[i].key);
        put_string(&p, request->arg[i].value);
    }
    return xf_put_result(&p);
}

int xf_ctl_decode_request(const uint8_t *buf, size_t size, struct xf_ctl_request *ret_request)
{
    struct xf_get g;
    int rc = get_begin(buf, size, KIND_REQUEST, &g);

    if (rc < 0) {
        return rc;
    }
    memset(ret_request, 0, sizeof(*ret_request));
    ret_request->verb = get_string(&g);
    xf_get_check(&g, word_ok(ret_request->verb));
    ret_request->n_args = xf_get_u8(&g);
    xf_get_check(&g, ret_request->n_args <= XF_CTL_ARGS_MAX);
    for (uint32_t i = 0; i < ret_request->n_args && !g.failed; i++) {
        ret_request->arg[i].key = get_string(&g);
        ret_request->arg[i].value = get_string(&g);
        xf_get_check(&g, word_ok(ret_request->arg[i].key) && key_is_new(ret_request, i));
    }
    return xf_get_done(&g) ? 0 : -EBADMSG;
}

int xf_ctl_encode_reply(const struct xf_ctl_reply *reply, uint8_t *buf, size_t size)
{
    struct xf_put p = put_begin(buf, size, KIND_REPLY);

    xf_put_check(&p, reply->reason < XF_N_REASONS);
    xf_put_u16(&p, reply->reason);
    xf_put_u8(&p, reply->more ? FLAG_MORE : 0);
    xf_put_zeros(&p, 1);
    put_string(&p, reply->text);
    put_string(&p, reply->body);
    if (reply->body != NULL && strlen(reply->body) > XF_CTL_BODY_MAX) {
        return -EMSGSIZE;
    }
    return xf_put_result(&p);
}

int xf_ctl_decode_reply(const uint8_t *buf, size_t size, struct xf_ctl_reply *ret_reply)
{
    struct xf_get g;
    int rc = get_begin(buf, size, KIND_REPLY, &g);

    if (rc < 0) {
        return rc;
    }
    memset(ret_reply, 0, sizeof(*ret_reply));
    ret_reply->reason = xf_get_u16(&g);
    /* An agent newer than its command may know more reasons. */
    if (ret_reply->reason >= XF_N_REASONS) {
        ret_reply->reason = XF_REASON_INTERNAL;
    }
    ret_reply->more = xf_get_bits(&g, FLAG_MORE) != 0;
    xf_get_zeros(&g, 1);
    ret_reply->text = get_string(&g);
    ret_reply->body = get_string(&g);
    xf_get_check(&g, strlen(ret_reply->body) <= XF_CTL_BODY_MAX);
    return xf_get_done(&g) ? 0 : -EBADMSG;
}

const char *xf_ctl_value(const struct xf_ctl_request *request, const char *key)
{
    for (uint32_t i = 0; i < request->n_args; i++) {
        if (strcmp(request->arg[i].key, key) == 0) {
            return request->arg[i].value;
        }
    }
    return NULL;
}
