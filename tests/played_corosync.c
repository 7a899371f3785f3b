/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "played_corosync.h"

#include <string.h>
#include <sys/eventfd.h>

#include <corosync/cmap.h>
#include <corosync/quorum.h>
#include <corosync/votequorum.h>

#include "unit.h"

static struct played_corosync cs;

struct played_corosync *played_corosync(void)
{
    return &cs;
}

uint8_t played_byte(uint32_t number, size_t at)
{
    return (uint8_t)(number * 31u + at);
}

cs_error_t cpg_mcast_joined(cpg_handle_t handle, cpg_guarantee_t guarantee, const struct iovec *iov,
                            unsigned int n)
{
    const uint8_t *bytes = iov->iov_base;
    uint32_t number;

    assert_int_equal(handle, cs.n_connects);
    assert_int_equal(guarantee, CPG_TYPE_AGREED);
    assert_int_equal(n, 1);
    if (cs.error != CS_OK) {
        return cs.error;
    }
    if (cs.takes == 0) {
        return CS_ERR_TRY_AGAIN;
    }
    cs.takes -= cs.takes == PLAYED_FOR_EVER ? 0 : 1;
    memcpy(&number, bytes, sizeof(number));
    for (size_t i = sizeof(number); i < iov->iov_len; i++) {
        cs.n_damaged += bytes[i] != played_byte(number, i) ? 1 : 0;
    }
    assert_true(cs.n_sent < PLAYED_SENT_MAX);
    cs.sent[cs.n_sent++] = number;
    return CS_OK;
}

cs_error_t cpg_model_initialize(cpg_handle_t *handle, cpg_model_t model, cpg_model_data_t *data,
                                void *context)
{
    assert_int_equal(model, CPG_MODEL_V1);
    memcpy(&cs.model, data, sizeof(cs.model));
    cs.context = context;
    *handle = ++cs.n_connects;
    return CS_OK;
}

cs_error_t cpg_context_get(cpg_handle_t handle, void **context)
{
    (void)handle;
    *context = cs.context;
    return CS_OK;
}

cs_error_t cpg_join(cpg_handle_t handle, const struct cpg_name *name)
{
    struct cpg_address self = { .nodeid = PLAYED_SELF, .pid = 7, .reason = CPG_REASON_JOIN };

    cs.n_joins++;
    cs.model.cpg_confchg_fn(handle, name, &self, 1, NULL, 0, &self, 1);
    return CS_OK;
}

cs_error_t cpg_leave(cpg_handle_t handle, const struct cpg_name *name)
{
    (void)handle;
    (void)name;
    cs.n_leaves++;
    cs.sent_at_leave = cs.n_sent;
    return CS_OK;
}

cs_error_t cpg_local_get(cpg_handle_t handle, unsigned int *id)
{
    (void)handle;
    *id = PLAYED_SELF;
    return CS_OK;
}

cs_error_t cpg_fd_get(cpg_handle_t handle, int *fd)
{
    (void)handle;
    *fd = cs.cpg_fd;
    return CS_OK;
}

cs_error_t cpg_dispatch(cpg_handle_t handle, cs_dispatch_flags_t types)
{
    eventfd_t count;

    (void)handle;
    (void)types;
    (void)eventfd_read(cs.cpg_fd, &count);
    if (cs.has_arrived != NULL) {
        cs.has_arrived();
    }
    return CS_OK;
}

cs_error_t cpg_finalize(cpg_handle_t handle)
{
    assert_int_equal(handle, cs.n_connects);
    return CS_OK;
}

cs_error_t quorum_model_initialize(quorum_handle_t *handle, quorum_model_t model,
                                   quorum_model_data_t *data, uint32_t *type, void *context)
{
    (void)model;
    (void)data;
    (void)context;
    *handle = 1;
    *type = QUORUM_SET;
    return CS_OK;
}

cs_error_t quorum_context_get(quorum_handle_t handle, const void **context)
{
    (void)handle;
    *context = cs.context;
    return CS_OK;
}

cs_error_t quorum_fd_get(quorum_handle_t handle, int *fd)
{
    (void)handle;
    *fd = cs.quorum_fd;
    return CS_OK;
}

cs_error_t quorum_trackstart(quorum_handle_t handle, unsigned int flags)
{
    (void)handle;
    (void)flags;
    return CS_OK;
}

cs_error_t quorum_dispatch(quorum_handle_t handle, cs_dispatch_flags_t types)
{
    (void)handle;
    (void)types;
    return CS_OK;
}

cs_error_t quorum_finalize(quorum_handle_t handle)
{
    (void)handle;
    return CS_OK;
}

cs_error_t cmap_initialize(cmap_handle_t *handle)
{
    *handle = 1;
    return CS_OK;
}

cs_error_t cmap_fd_get(cmap_handle_t handle, int *fd)
{
    (void)handle;
    *fd = cs.cmap_fd;
    return CS_OK;
}

cs_error_t cmap_dispatch(cmap_handle_t handle, cs_dispatch_flags_t types)
{
    (void)handle;
    (void)types;
    return CS_OK;
}

cs_error_t cmap_finalize(cmap_handle_t handle)
{
    (void)handle;
    return CS_OK;
}

cs_error_t votequorum_initialize(votequorum_handle_t *handle, votequorum_callbacks_t *callbacks)
{
    (void)handle;
    (void)callbacks;
    return CS_ERR_LIBRARY; /* only what it would log is lost */
}

cs_error_t votequorum_getinfo(votequorum_handle_t handle, unsigned int node,
                              struct votequorum_info *info)
{
    (void)handle;
    (void)node;
    (void)info;
    return CS_ERR_LIBRARY;
}

cs_error_t votequorum_finalize(votequorum_handle_t handle)
{
    (void)handle;
    return CS_OK;
}
