/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "text.h"

#define PER_PAGE (XF_PAGE_SIZE / sizeof(uint32_t)) /* versions in a page of the table */

int xf_machine_init(struct xf_machine *m, const struct xf_domcfg *cfg,
                    struct xf_sandbox_status *status)
{
    size_t size = (size_t)cfg->memory_mib << 20;

    memset(m, 0, sizeof(*m));
    m->cfg = *cfg;
    m->status = status;
    m->n_pages = size / XF_PAGE_SIZE;
    (void)gethostname(m->node, sizeof(m->node) - 1);
    if (getrandom(&m->instance, sizeof(m->instance), 0) != (ssize_t)sizeof(m->instance)) {
        return -EIO;
    }
    m->mem_fd = memfd_create("xenferry-guest", MFD_CLOEXEC);
    if (m->mem_fd < 0 || ftruncate(m->mem_fd, (off_t)size) < 0) {
        return -errno;
    }
    m->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->mem_fd, 0);
    if (m->mem == MAP_FAILED) {
        return -errno;
    }
    /* A core dump must not hold a guest's memory. */
    (void)madvise(m->mem, size, MADV_DONTDUMP);
    m->state = (void *)m->mem;
    m->generation = (void *)(m->mem + XF_PAGE_SIZE);
    m->dirty_words = (size_t)((m->n_pages + 63) / 64);
    m->dirty = calloc(m->dirty_words, sizeof(*m->dirty));
    if (m->dirty == NULL) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < XF_N_GUEST_PARTS; i++) {
        xf_gate_init(&m->gate[i]);
    }
    m->building = true;
    return -pthread_mutex_init(&m->lock, NULL);
}

void xf_machine_boot(struct xf_machine *m, const struct xf_cpu *cpu)
{
    struct xf_guest_state *s = m->state;

    s->magic = XF_GUEST_MAGIC;
    s->n_pages = m->n_pages;
    s->uuid = m->status->uuid;
    s->first_data = 1 + (m->n_pages + PER_PAGE - 1) / PER_PAGE;
    s->cursor = s->first_data;
    s->rng = m->cfg.seed != 0 ? m->cfg.seed : (m->instance | 1);
    s->cpu_known = cpu->known ? 1 : 0;
    memcpy(s->cpu_vendor, cpu->vendor, sizeof(s->cpu_vendor));
    memcpy(s->cpu_word, cpu->word, sizeof(s->cpu_word));
    xf_machine_tell_cpu(m);
    for (uint64_t pfn = s->first_data; pfn < m->n_pages; pfn++) {
        /* 37 has no divisor in common with 100: spreads the share evenly over memory. */
        if (pfn * 37 % 100 < m->cfg.fill_percent) {
            xf_guest_write(m, pfn);
        }
    }
}

void xf_machine_tell_cpu(struct xf_machine *m)
{
    const struct xf_guest_state *s = m->state;
    struct xf_cpu *cpu = &m->status->cpu;

    cpu->known = s->cpu_known == 1 && xf_text_name_ok(s->cpu_vendor, sizeof(s->cpu_vendor));
    if (cpu->known) {
        memcpy(cpu->vendor, s->cpu_vendor, sizeof(cpu->vendor));
        memcpy(cpu->word, s->cpu_word, sizeof(cpu->word));
    }
    atomic_store(&m->status->has_cpu, 1);
}

bool xf_machine_holds_guest(const struct xf_machine *m)
{
    const struct xf_guest_state *s = m->state;

    return s->magic == XF_GUEST_MAGIC && s->n_pages == m->n_pages &&
           xf_uuid_eq(&s->uuid, &m->status->uuid) &&
           s->first_data == 1 + (m->n_pages + PER_PAGE - 1) / PER_PAGE &&
           s->cursor >= s->first_data && s->cursor <= m->n_pages && s->rng != 0;
}

int xf_machine_threads(struct xf_machine *m)
{
    static void *(*const run[XF_N_GUEST_PARTS])(void *) = {
        [XF_GUEST_CPU] = xf_guest_cpu_run,
        [XF_GUEST_NET] = xf_guest_net_run,
        [XF_GUEST_DISK] = xf_guest_disk_run,
    };
    for (unsigned i = 0; i < XF_N_GUEST_PARTS; i++) {
        pthread_t thread;
        int r = pthread_create(&thread, NULL, run[i], m);

        if (r != 0) {
            return -r;
        }
        (void)pthread_detach(thread);
    }
    return 0;
}

enum xf_copy xf_machine_copy(const struct xf_machine *m)
{
    return (enum xf_copy)atomic_load(&m->status->copy);
}

static void go(struct xf_machine *m)
{
    for (unsigned i = 0; i < XF_N_GUEST_PARTS; i++) {
        xf_gate_open(&m->gate[i]);
    }
}

static void halt(struct xf_machine *m)
{
    for (unsigned i = 0; i < XF_N_GUEST_PARTS; i++) {
        xf_gate_shut(&m->gate[i]);
    }
}

void xf_machine_start(struct xf_machine *m)
{
    pthread_mutex_lock(&m->lock);
    m->building = false;
    atomic_store(&m->status->copy, XF_COPY_RUNNING);
    go(m);
    pthread_mutex_unlock(&m->lock);
}

static enum xf_reason unpause_locked(struct xf_machine *m)
{
    switch (xf_machine_copy(m)) {
    case XF_COPY_RUNNING:
        if (m->held) {
            m->held = false;
            go(m);
        }
        return XF_REASON_OK;
    case XF_COPY_PAUSED:
        if (m->building) {
            return XF_REASON_UNPAUSE;
        }
        if (m->cfg.fail_unpause_once && !m->unpause_failed) {
            m->unpause_failed = true;
            return XF_REASON_UNPAUSE;
        }
        /* Said before it runs: whoever sees "paused" may rely on it. */
        atomic_store(&m->status->copy, XF_COPY_RUNNING);
        go(m);
        return XF_REASON_OK;
    case XF_COPY_NONE:
    case XF_COPY_SUSPENDED: /* a stale copy, perhaps; only resume says that it is none */
    case XF_N_COPIES:
        break;
    }
    return XF_REASON_UNPAUSE;
}

/* H12: locks and wake-ups of threads that are there already; nothing else. */
enum xf_reason xf_machine_unpause(struct xf_machine *m)
{
    enum xf_reason reason;

    pthread_mutex_lock(&m->lock);
    reason = unpause_locked(m);
    pthread_mutex_unlock(&m->lock);
    return reason;
}

enum xf_reason xf_machine_pause(struct xf_machine *m)
{
    enum xf_reason reason = XF_REASON_NOT_RUNNING;

    pthread_mutex_lock(&m->lock);
    if (xf_machine_copy(m) == XF_COPY_RUNNING) {
        m->held = true;
        halt(m);
        reason = XF_REASON_OK;
    }
    pthread_mutex_unlock(&m->lock);
    return reason;
}

enum xf_reason xf_machine_suspend(struct xf_machine *m)
{
    enum xf_reason reason = XF_REASON_NOT_RUNNING;

    pthread_mutex_lock(&m->lock);
    if (xf_machine_copy(m) == XF_COPY_RUNNING) {
        halt(m);
        atomic_store(&m->status->copy, XF_COPY_SUSPENDED);
        reason = XF_REASON_OK;
    }
    pthread_mutex_unlock(&m->lock);
    return reason;
}

enum xf_reason xf_machine_resume(struct xf_machine *m)
{
    enum xf_reason reason = XF_REASON_RESUME;

    pthread_mutex_lock(&m->lock);
    if (xf_machine_copy(m) == XF_COPY_SUSPENDED) {
        atomic_store(&m->status->copy, XF_COPY_RUNNING);
        if (!m->held) {
            go(m);
        }
        reason = XF_REASON_OK;
    } else if (xf_machine_copy(m) == XF_COPY_RUNNING) {
        reason = XF_REASON_OK; /* H10 */
    }
    pthread_mutex_unlock(&m->lock);
    return reason;
}

void xf_machine_end(struct xf_machine *m)
{
    pthread_mutex_lock(&m->lock); /* for ever */
    halt(m);
}

void xf_machine_built(struct xf_machine *m)
{
    pthread_mutex_lock(&m->lock);
    m->building = false;
    pthread_mutex_unlock(&m->lock);
}
