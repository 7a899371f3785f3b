/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "xen_lib.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "xen_proto.h"

/* ---- the log ---- */

struct xf_xen_log {
    struct xentoollog_logger vtable; /* first: this is what libxl is given */
    const char *program;
    pthread_mutex_t lock;
    char last[XF_XEN_TEXT];
    void (*trouble)(void *arg, const char *text);
    void *arg;
};

static void hear(struct xentoollog_logger *logger, xentoollog_level level, int err,
                 const char *context, const char *format, va_list al)
    __attribute__((format(printf, 5, 0)));

static void hear(struct xentoollog_logger *logger, xentoollog_level level, int err,
                 const char *context, const char *format, va_list al)
{
    struct xf_xen_log *log = (struct xf_xen_log *)(void *)logger;
    char text[XF_XEN_TEXT];

    if (level < XTL_WARN) {
        return;
    }
    vsnprintf(text, sizeof(text), format, al);
    fprintf(stderr, "%s: %s: %s%s%s\n", log->program, context != NULL ? context : "xen", text,
            err >= 0 ? ": " : "", err >= 0 ? strerror(err) : "");
    if (level >= XTL_ERROR) {
        pthread_mutex_lock(&log->lock);
        /* The first complaint is the cause; those that follow only pass it on. */
        if (log->last[0] == '\0') {
            snprintf(log->last, sizeof(log->last), "%.180s%s%s", text, err >= 0 ? ": " : "",
                     err >= 0 ? strerror(err) : "");
            if (log->trouble != NULL) {
                log->trouble(log->arg, log->last);
            }
        }
        pthread_mutex_unlock(&log->lock);
    }
}

static void hear_progress(struct xentoollog_logger *logger, const char *context,
                          const char *doing_what, int percent, unsigned long done,
                          unsigned long total)
{
    (void)logger;
    (void)context;
    (void)doing_what;
    (void)percent;
    (void)done;
    (void)total;
}

static void end_log(struct xentoollog_logger *logger)
{
    free(logger);
}

static struct xf_xen_log *new_log(const char *program)
{
    struct xf_xen_log *log = calloc(1, sizeof(*log));

    if (log == NULL) {
        abort();
    }
    log->vtable.vmessage = hear;
    log->vtable.progress = hear_progress;
    log->vtable.destroy = end_log;
    log->program = program;
    pthread_mutex_init(&log->lock, NULL);
    return log;
}

void xf_xen_on_trouble(struct xf_xen *xen, void (*trouble)(void *arg, const char *text), void *arg)
{
    pthread_mutex_lock(&xen->log->lock);
    xen->log->trouble = trouble;
    xen->log->arg = arg;
    pthread_mutex_unlock(&xen->log->lock);
}

void xf_xen_complaint(struct xf_xen *xen, char *buf, size_t size)
{
    pthread_mutex_lock(&xen->log->lock);
    xf_text_copy(buf, size, xen->log->last);
    xen->log->last[0] = '\0';
    pthread_mutex_unlock(&xen->log->lock);
}

enum xf_reason xf_xen_error(struct xf_xen *xen, int r, enum xf_reason otherwise, char *ret_text)
{
    char said[XF_XEN_TEXT - 64];

    xf_xen_complaint(xen, said, sizeof(said));
    snprintf(ret_text, XF_XEN_TEXT, "libxl error %d%s%s", r, said[0] != '\0' ? ": " : "", said);
    switch (r) {
    case ERROR_NOMEM:
        return XF_REASON_NO_MEMORY;
    case ERROR_GUEST_TIMEDOUT:
        return XF_REASON_NOT_SUSPENDED;
    case ERROR_DOMAIN_NOTFOUND:
        return XF_REASON_NOT_RUNNING;
    case ERROR_ABORTED:
        return XF_REASON_CANCELLED;
    default:
        return otherwise;
    }
}

/* ---- opening ---- */

/* A process may have several contexts at work, which by default would reap each other's children. */
static const libxl_childproc_hooks child_hooks = {
    .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
};

struct xf_xen *xf_xen_open(const char *program, char *ret_text)
{
    struct xf_xen *xen = calloc(1, sizeof(*xen));
    char said[XF_XEN_TEXT - 64];
    const libxl_version_info *version;

    if (xen == NULL) {
        abort();
    }
    xen->log = new_log(program);
    xen->xc = xc_interface_open(&xen->log->vtable, &xen->log->vtable, 0);
    if (xen->xc == NULL || libxl_ctx_alloc(&xen->libxl, LIBXL_VERSION, 0, &xen->log->vtable) != 0) {
        xf_xen_complaint(xen, said, sizeof(said));
        snprintf(ret_text, XF_XEN_TEXT, "this machine does not run under Xen%s%s",
                 said[0] != '\0' ? ": " : "", said);
        return NULL;
    }
    libxl_childproc_setmode(xen->libxl, &child_hooks, NULL);
    version = libxl_get_version_info(xen->libxl);
    if (version == NULL) {
        xf_xen_complaint(xen, said, sizeof(said));
        snprintf(ret_text, XF_XEN_TEXT, "Xen does not say its version%s%s",
                 said[0] != '\0' ? ": " : "", said);
        return NULL;
    }
    /* The tools' hypercalls change with each release, without a promise to stay compatible. */
    if (version->xen_version_major != XF_XEN_MAJOR || version->xen_version_minor != XF_XEN_MINOR) {
        snprintf(ret_text, XF_XEN_TEXT,
                 "Xen %d.%d runs here, but xenferry was built with the libraries of Xen %d.%d",
                 version->xen_version_major, version->xen_version_minor, XF_XEN_MAJOR,
                 XF_XEN_MINOR);
        return NULL;
    }
    return xen;
}

/* ---- domains ---- */

int xf_xen_list(struct xf_xen *xen, xc_domaininfo_t *ret_info, unsigned max)
{
    int n = xc_domain_getinfolist(xen->xc, 1, max, ret_info);
    int kept = 0;

    if (n < 0) {
        return -errno;
    }
    for (int i = 0; i < n; i++) {
        if ((ret_info[i].flags & (XEN_DOMINF_dying | XEN_DOMINF_xs_domain)) == 0) {
            ret_info[kept++] = ret_info[i];
        }
    }
    return kept;
}

struct xf_uuid xf_xen_uuid(const xc_domaininfo_t *info)
{
    struct xf_uuid uuid;

    _Static_assert(sizeof(uuid.b) == sizeof(info->handle), "Xen's handle is the uuid");
    memcpy(uuid.b, info->handle, sizeof(uuid.b));
    return uuid;
}

int xf_xen_find(struct xf_xen *xen, const struct xf_uuid *uuid, xc_domaininfo_t *ret_info,
                unsigned max)
{
    /* A page of them: libxenctrl keeps the pages that it passes to Xen, and maps more anew (H12). */
    static _Thread_local xc_domaininfo_t info[XC_PAGE_SIZE / sizeof(xc_domaininfo_t)];
    const unsigned batch = sizeof(info) / sizeof(info[0]);
    uint32_t from = 1;
    unsigned n = 0;
    int got;

    while ((got = xc_domain_getinfolist(xen->xc, from, batch, info)) > 0) {
        for (int i = 0; i < got; i++) {
            struct xf_uuid that = xf_xen_uuid(&info[i]);

            if ((info[i].flags & XEN_DOMINF_dying) == 0 && xf_uuid_eq(&that, uuid) && n < max) {
                ret_info[n++] = info[i];
            }
        }
        from = info[got - 1].domain + 1u;
    }
    return got < 0 ? -errno : (int)n;
}

bool xf_xen_suspended(const xc_domaininfo_t *info)
{
    return (info->flags & XEN_DOMINF_shutdown) != 0 &&
           (info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) == SHUTDOWN_suspend;
}

bool xf_xen_is_hvm(const xc_domaininfo_t *info)
{
    /* A PVH guest has its local APIC emulated and nothing else. */
    return (info->flags & XEN_DOMINF_hvm_guest) != 0 &&
           (info->arch_config.emulation_flags & ~XEN_X86_EMU_LAPIC) != 0;
}

static bool ends_with(const char *full, const char *ending, size_t *ret_size)
{
    size_t size = strlen(full), n = strlen(ending);

    *ret_size = size > n ? size - n : 0;
    return size > n && strcmp(full + size - n, ending) == 0;
}

enum xf_variant xf_xen_variant(const char *full, char *ret_name, size_t size)
{
    enum xf_variant variant = XF_VARIANT_PLAIN;
    size_t n;

    if (ends_with(full, XF_XEN_INCOMING, &n)) {
        variant = XF_VARIANT_INCOMING;
    } else if (ends_with(full, XF_XEN_MIGRATEDAWAY, &n)) {
        variant = XF_VARIANT_MIGRATEDAWAY;
    } else {
        n = strlen(full);
    }
    snprintf(ret_name, size, "%.*s", (int)n, full);
    return variant;
}

char *xf_xen_name(struct xf_xen *xen, uint32_t domid)
{
    return libxl_domid_to_name(xen->libxl, domid);
}

char *xf_xen_config(struct xf_xen *xen, uint32_t domid)
{
    libxl_domain_config config;
    char *json = NULL;

    libxl_domain_config_init(&config);
    if (libxl_retrieve_domain_configuration(xen->libxl, domid, &config, NULL) == 0) {
        char name[XF_NAME_SIZE];

        config.c_info.domid = XF_XEN_NO_DOMID; /* the next host gives it a number of its own */
        if (xf_xen_variant(config.c_info.name, name, sizeof(name)) != XF_VARIANT_PLAIN) {
            free(config.c_info.name);
            config.c_info.name = strdup(name);
        }
        json = libxl_domain_config_to_json(xen->libxl, &config);
    }
    libxl_domain_config_dispose(&config);
    return json;
}
