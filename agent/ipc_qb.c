/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "ipc_qb.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <qb/qbipcs.h>
#include <qb/qbutil.h>

#include "log_qb.h"

#define GROUP           "haclient" /* as for the cluster's other tools */
#define MESSAGE_ID      1
#define CONNECTION_SIZE (XF_CTL_SIZE_MAX + 256u) /* docs/control.md */
/* A command that leaves so much unread has stopped reading: a thousand progress reports. */
#define BACKLOG_MAX     1024u
#define RETRY_MS        20u
#define NO_GROUP        ((gid_t)-1)

struct part {
    struct part *next;
    size_t size;
    uint8_t bytes[];
};

struct xf_ipc_conn {
    struct xf_ipc *ipc;
    qb_ipcs_connection_t *c;
    bool allowed;
    bool closing;
    uint32_t n_parts;
    struct part *first;
    struct part **last;
    qb_loop_timer_handle timer;
};

struct xf_ipc {
    qb_loop_t *loop;
    qb_ipcs_service_t *service;
    gid_t group;
    const struct xf_ipc_events *events;
    void *arg;
};

/* libqb's handlers carry no argument: the one server of this process. */
static struct xf_ipc *the_ipc;

/* ---- who is it ---- */

static bool in_list(const char *list, gid_t group)
{
    const char *at = list;
    char *end;

    for (;;) {
        unsigned long gid = strtoul(at, &end, 10);

        if (end == at) {
            return false;
        }
        if (gid == (unsigned long)group) {
            return true;
        }
        at = end;
    }
}

/* Its supplementary groups as the kernel has them: a directory service could keep the loop waiting. */
static bool has_group(pid_t pid, gid_t group)
{
    char path[64], text[8192];
    const char *line;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    line = strstr(text, "\nGroups:");
    return line != NULL && in_list(line + strlen("\nGroups:"), group);
}

static bool is_allowed(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
    struct qb_ipcs_connection_stats stats = { 0 };

    if (uid == 0) {
        return true;
    }
    if (the_ipc->group == NO_GROUP) {
        return false;
    }
    if (gid == the_ipc->group) {
        return true;
    }
    return qb_ipcs_connection_stats_get(c, &stats, 0) == 0 && stats.client_pid > 0 &&
           has_group(stats.client_pid, the_ipc->group);
}

/* ---- sending ---- */

static void flush(void *data);

static int send_part(struct xf_ipc_conn *conn, const uint8_t *bytes, size_t size)
{
    struct qb_ipc_response_header header = {
        .id = MESSAGE_ID,
        .size = (int32_t)(sizeof(header) + size),
    };
    union {
        const void *from;
        void *to;
    } body = { .from = bytes }; /* struct iovec knows no const */
    struct iovec iov[2] = {
        { .iov_base = &header, .iov_len = sizeof(header) },
        { .iov_base = body.to, .iov_len = size },
    };
    ssize_t r = qb_ipcs_event_sendv(conn->c, iov, 2);

    return r < 0 ? (int)r : 0;
}

static void drop_parts(struct xf_ipc_conn *conn)
{
    while (conn->first != NULL) {
        struct part *part = conn->first;

        conn->first = part->next;
        free(part);
    }
    conn->last = &conn->first;
    conn->n_parts = 0;
}

static void try_again_later(struct xf_ipc_conn *conn)
{
    qb_loop_timer_add(conn->ipc->loop, QB_LOOP_LOW, RETRY_MS * QB_TIME_NS_IN_MSEC, conn, flush,
                      &conn->timer);
}

static void flush(void *data)
{
    struct xf_ipc_conn *conn = data;

    while (conn->first != NULL) {
        struct part *part = conn->first;
        int rc = send_part(conn, part->bytes, part->size);

        if (rc == -EAGAIN || rc == -ETIMEDOUT || rc == -ENOBUFS) {
            try_again_later(conn);
            return;
        }
        if (rc != 0) {
            drop_parts(conn);
            return; /* libqb closes a broken connection by itself */
        }
        conn->first = part->next;
        conn->n_parts--;
        free(part);
    }
    conn->last = &conn->first;
}

void xf_ipc_send(struct xf_ipc_conn *conn, const uint8_t *bytes, size_t size)
{
    struct part *part;

    if (conn->closing) {
        return;
    }
    if (conn->n_parts >= BACKLOG_MAX) {
        xf_log(LOG_WARNING, "a command does not read its answers; it is disconnected");
        conn->closing = true;
        drop_parts(conn);
        qb_ipcs_disconnect(conn->c);
        return;
    }
    part = malloc(sizeof(*part) + size);
    if (part == NULL) {
        abort();
    }
    part->next = NULL;
    part->size = size;
    memcpy(part->bytes, bytes, size);
    *conn->last = part;
    conn->last = &part->next;
    if (conn->n_parts++ == 0) {
        flush(conn);
    }
}

static void refuse(struct xf_ipc_conn *conn, enum xf_reason reason)
{
    struct xf_ctl_reply reply = { .reason = (uint16_t)reason, .text = "", .body = "" };
    uint8_t buf[256];
    int size = xf_ctl_encode_reply(&reply, buf, sizeof(buf));

    if (size > 0) {
        xf_ipc_send(conn, buf, (size_t)size);
    }
}

/* ---- libqb's handlers ---- */

/* Everybody may connect, and is then told in words what he may not do. */
static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
    struct xf_ipc_conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL) {
        abort();
    }
    conn->ipc = the_ipc;
    conn->c = c;
    conn->last = &conn->first;
    conn->allowed = is_allowed(c, uid, gid);
    qb_ipcs_context_set(c, conn);
    qb_ipcs_connection_auth_set(c, uid, gid, 0600);
    return 0;
}

static void on_created(qb_ipcs_connection_t *c)
{
    (void)c;
}

static int32_t on_message(qb_ipcs_connection_t *c, void *data, size_t size)
{
    struct xf_ipc_conn *conn = qb_ipcs_context_get(c);
    const struct qb_ipc_request_header *header = data;
    const uint8_t *bytes = (const uint8_t *)data + sizeof(*header);
    struct xf_ctl_request request;

    if (!conn->allowed) {
        refuse(conn, XF_REASON_NOT_ALLOWED);
        return 0;
    }
    if (size < sizeof(*header) || header->id != MESSAGE_ID ||
        size - sizeof(*header) > XF_CTL_SIZE_MAX ||
        xf_ctl_decode_request(bytes, size - sizeof(*header), &request) != 0) {
        refuse(conn, XF_REASON_USAGE);
        return 0;
    }
    conn->ipc->events->request(conn->ipc->arg, conn, &request, bytes, size - sizeof(*header));
    return 0;
}

static int32_t on_closed(qb_ipcs_connection_t *c)
{
    struct xf_ipc_conn *conn = qb_ipcs_context_get(c);

    if (conn != NULL) {
        conn->closing = true;
        conn->ipc->events->closed(conn->ipc->arg, conn);
    }
    return 0;
}

static void on_destroyed(qb_ipcs_connection_t *c)
{
    struct xf_ipc_conn *conn = qb_ipcs_context_get(c);

    if (conn != NULL) {
        /* Also one that has expired and whose turn is still to come, which libqb says does not run. */
        (void)qb_loop_timer_del(conn->ipc->loop, conn->timer);
        drop_parts(conn);
        free(conn);
    }
}

static int32_t add_job(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
    return qb_loop_job_add(the_ipc->loop, p, data, fn);
}

static int32_t add_poll(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
                        qb_ipcs_dispatch_fn_t fn)
{
    return qb_loop_poll_add(the_ipc->loop, p, fd, events, data, fn);
}

static int32_t mod_poll(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
                        qb_ipcs_dispatch_fn_t fn)
{
    return qb_loop_poll_mod(the_ipc->loop, p, fd, events, data, fn);
}

static int32_t del_poll(int32_t fd)
{
    return qb_loop_poll_del(the_ipc->loop, fd);
}

int xf_ipc_open(qb_loop_t *loop, const struct xf_ipc_events *events, void *arg,
                struct xf_ipc **ret_ipc)
{
    struct qb_ipcs_service_handlers handlers = {
        .connection_accept = on_accept,
        .connection_created = on_created,
        .msg_process = on_message,
        .connection_closed = on_closed,
        .connection_destroyed = on_destroyed,
    };
    struct qb_ipcs_poll_handlers poll = {
        .job_add = add_job,
        .dispatch_add = add_poll,
        .dispatch_mod = mod_poll,
        .dispatch_del = del_poll,
    };
    const char *name = secure_getenv("XENFERRY_IPC_NAME");
    struct xf_ipc *ipc = calloc(1, sizeof(*ipc));
    const struct group *group = getgrnam(GROUP);
    int rc;

    if (ipc == NULL) {
        abort();
    }
    ipc->loop = loop;
    ipc->events = events;
    ipc->arg = arg;
    ipc->group = group != NULL ? group->gr_gid : NO_GROUP;
    the_ipc = ipc;
    /* Sockets rather than shared memory, which a command without rights could write nonsense into. */
    ipc->service = qb_ipcs_create(name != NULL ? name : XF_CTL_SOCKET, 0, QB_IPC_SOCKET, &handlers);
    if (ipc->service == NULL) {
        rc = -errno;
        free(ipc);
        the_ipc = NULL;
        return rc;
    }
    qb_ipcs_poll_handlers_set(ipc->service, &poll);
    qb_ipcs_enforce_buffer_size(ipc->service, CONNECTION_SIZE);
    rc = qb_ipcs_run(ipc->service);
    if (rc != 0) {
        free(ipc); /* libqb destroyed the service */
        the_ipc = NULL;
        return rc;
    }
    *ret_ipc = ipc;
    return 0;
}

void xf_ipc_close(struct xf_ipc *ipc)
{
    if (ipc == NULL) {
        return;
    }
    qb_ipcs_destroy(ipc->service);
    free(ipc);
    the_ipc = NULL;
}
