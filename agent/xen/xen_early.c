/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "xen_early.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"
#include "xen_proto.h"

#define POLL_US    20000u
/* Where libxl looks for scripts that are told without a path; it tells nobody. */
#define SCRIPTS    "/etc/xen/scripts/"
#define EARLY_LINE "# xenferry: early"

/* ---- which ---- */

/* A script says of itself, in a line of its own near its beginning, that it may run early. */
static bool says_early(const char *script)
{
    char path[PATH_MAX], text[4096];
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof(path), "%s%s", script[0] == '/' ? "" : SCRIPTS, script);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        n = read(fd, text, sizeof(text));
        close(fd);
    }
    return n > 0 && xf_text_has_line(text, (size_t)n, EARLY_LINE);
}

static bool is_block_device(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISBLK(st.st_mode);
}

static bool disk_may_be_early(const libxl_device_disk *disk)
{
    /* What xl fills in for a plain block device; libxl itself would still choose the backend. */
    return (disk->backend == LIBXL_DISK_BACKEND_PHY ||
            disk->backend == LIBXL_DISK_BACKEND_UNKNOWN) &&
           (disk->format == LIBXL_DISK_FORMAT_RAW || disk->format == LIBXL_DISK_FORMAT_UNKNOWN) &&
           disk->is_cdrom == 0 && disk->removable == 0 && disk->backend_domid == 0 &&
           disk->backend_domname == NULL && disk->pdev_path != NULL &&
           (disk->script == NULL ? is_block_device(disk->pdev_path) : says_early(disk->script));
}

static bool nic_may_be_early(const libxl_device_nic *nic)
{
    /* A driver domain's or an emulated one's life is bound to more than a bridge. */
    return nic->nictype != LIBXL_NIC_TYPE_VIF_IOEMU && nic->backend_domid == 0 &&
           nic->backend_domname == NULL && nic->coloft_forwarddev == NULL &&
           (nic->script == NULL || strstr(nic->script, "vif-bridge") != NULL ||
            says_early(nic->script));
}

static void *array_of(int n, size_t size)
{
    void *array = calloc(n > 0 ? (size_t)n : 1, size);

    if (array == NULL) {
        abort();
    }
    return array;
}

static void take_disks(struct xf_xen_early *early, libxl_domain_config *config, int *ret_left)
{
    int kept = 0;

    early->disks = array_of(config->num_disks, sizeof(*early->disks));
    early->disk_there = array_of(config->num_disks, sizeof(bool));
    for (int i = 0; i < config->num_disks; i++) {
        if (disk_may_be_early(&config->disks[i])) {
            early->disks[early->n_disks++] = config->disks[i];
        } else {
            config->disks[kept++] = config->disks[i];
        }
    }
    config->num_disks = kept;
    *ret_left = kept;
}

static void take_nics(struct xf_xen_early *early, libxl_domain_config *config, int *ret_left)
{
    int kept = 0;

    early->nics = array_of(config->num_nics, sizeof(*early->nics));
    early->nic_there = array_of(config->num_nics, sizeof(bool));
    for (int i = 0; i < config->num_nics; i++) {
        if (nic_may_be_early(&config->nics[i])) {
            early->nics[early->n_nics++] = config->nics[i];
        } else {
            config->nics[kept++] = config->nics[i];
        }
    }
    config->num_nics = kept;
    *ret_left = kept;
}

void xf_xen_early_take(struct xf_xen_early *early, struct xf_xen *xen, const struct xf_uuid *uuid,
                       libxl_domain_config *config, char *note, size_t note_size)
{
    int disks_left = 0, nics_left = 0;

    memset(early, 0, sizeof(*early));
    early->xen = xen;
    early->uuid = *uuid;
    note[0] = '\0';
    if (config->b_info.type == LIBXL_DOMAIN_TYPE_HVM) {
        snprintf(note, note_size, "devices are attached in the pause: the guest's are emulated");
        return;
    }
    take_disks(early, config, &disks_left);
    take_nics(early, config, &nics_left);
    if (disks_left + nics_left > 0) {
        snprintf(note, note_size,
                 "%d disks and %d interfaces are attached in the pause: their backends have a "
                 "format or a domain of their own, or a script that does not say it may be early",
                 disks_left, nics_left);
    }
}

/* ---- attaching ---- */

/* The number of the domain that libxl makes for the stream; its record in xenstore is whole. */
static bool await_domain(struct xf_xen_early *early)
{
    xc_domaininfo_t info;

    while (!early->stop) {
        char *name;

        if (xf_xen_find(early->xen, &early->uuid, &info, 1) == 1 &&
            (name = xf_xen_name(early->xen, info.domain)) != NULL) {
            free(name);
            early->domid = info.domain;
            return true;
        }
        usleep(POLL_US);
    }
    return false;
}

/* Attaching writes into libxl's record of the domain, which libxl itself makes only at the end. */
static bool make_record(struct xf_xen_early *early)
{
    libxl_domain_config config;
    char *json;
    int r = -1;

    libxl_domain_config_init(&config);
    json = libxl_domain_config_to_json(early->xen->libxl, &config);
    libxl_domain_config_dispose(&config);
    if (json != NULL) {
        r = libxl_userdata_store(early->xen->libxl, early->domid, "libxl-json",
                                 (const uint8_t *)json, (int)strlen(json) + 1);
        free(json);
    }
    return r == 0;
}

/* libxl changes what it is given, and the caller's is still needed as it was. */
static int add_disk(struct xf_xen_early *early, int i)
{
    libxl_device_disk disk;
    int r;

    libxl_device_disk_init(&disk);
    libxl_device_disk_copy(early->xen->libxl, &disk, &early->disks[i]);
    r = libxl_device_disk_add(early->xen->libxl, early->domid, &disk, NULL);
    early->disk_there[i] = r == 0;
    if (r != 0) {
        (void)libxl_device_disk_destroy(early->xen->libxl, early->domid, &disk, NULL);
    }
    libxl_device_disk_dispose(&disk);
    return r;
}

static int add_nic(struct xf_xen_early *early, int i)
{
    libxl_device_nic nic;
    int r;

    libxl_device_nic_init(&nic);
    libxl_device_nic_copy(early->xen->libxl, &nic, &early->nics[i]);
    r = libxl_device_nic_add(early->xen->libxl, early->domid, &nic, NULL);
    early->nic_there[i] = r == 0;
    if (r != 0) {
        (void)libxl_device_nic_destroy(early->xen->libxl, early->domid, &nic, NULL);
    }
    libxl_device_nic_dispose(&nic);
    return r;
}

static int add_missing(struct xf_xen_early *early)
{
    int r = 0;

    for (int i = 0; i < early->n_disks && r == 0; i++) {
        r = early->disk_there[i] ? 0 : add_disk(early, i);
    }
    for (int i = 0; i < early->n_nics && r == 0; i++) {
        r = early->nic_there[i] ? 0 : add_nic(early, i);
    }
    return r;
}

/* Hotplug scripts take their time; each device has a thread, so that they take it side by side. */
struct adding {
    struct xf_xen_early *early;
    int (*add)(struct xf_xen_early *early, int i);
    int i;
    pthread_t thread;
    bool started;
};

static void *adding_main(void *arg)
{
    struct adding *adding = arg;

    (void)adding->add(adding->early, adding->i);
    return NULL;
}

static void add_all(struct xf_xen_early *early)
{
    int n = early->n_disks + early->n_nics;
    struct adding *all = array_of(n, sizeof(*all));

    for (int i = 0; i < n; i++) {
        bool disk = i < early->n_disks;

        all[i].early = early;
        all[i].add = disk ? add_disk : add_nic;
        all[i].i = disk ? i : i - early->n_disks;
        all[i].started = pthread_create(&all[i].thread, NULL, adding_main, &all[i]) == 0;
    }
    for (int i = 0; i < n; i++) {
        if (all[i].started) {
            pthread_join(all[i].thread, NULL);
        }
    }
    free(all);
}

static void *early_main(void *arg)
{
    struct xf_xen_early *early = arg;
    char got_over[XF_XEN_TEXT];

    if (await_domain(early) && make_record(early)) {
        add_all(early);
        /* What failed is tried again at the end. Should the image fail before, this was not why. */
        xf_xen_complaint(early->xen, got_over, sizeof(got_over));
    }
    early->prepared(early->arg);
    return NULL;
}

void xf_xen_early_start(struct xf_xen_early *early, void (*prepared)(void *arg), void *arg)
{
    early->prepared = prepared;
    early->arg = arg;
    early->started = early->n_disks + early->n_nics > 0 &&
                     pthread_create(&early->thread, NULL, early_main, early) == 0;
    if (!early->started) {
        prepared(arg);
    }
}

/* ---- the end ---- */

static void release(struct xf_xen_early *early)
{
    for (int i = 0; i < early->n_disks; i++) {
        libxl_device_disk_dispose(&early->disks[i]);
    }
    for (int i = 0; i < early->n_nics; i++) {
        libxl_device_nic_dispose(&early->nics[i]);
    }
    free(early->disks);
    free(early->disk_there);
    free(early->nics);
    free(early->nic_there);
    memset(early, 0, sizeof(*early));
}

static void join(struct xf_xen_early *early)
{
    early->stop = true;
    if (early->started) {
        pthread_join(early->thread, NULL);
        early->started = false;
    }
}

void xf_xen_early_cancel(struct xf_xen_early *early)
{
    join(early);
    release(early);
}

static bool has_disk(const libxl_domain_config *config, const libxl_device_disk *disk)
{
    for (int i = 0; i < config->num_disks; i++) {
        if (config->disks[i].vdev != NULL && disk->vdev != NULL &&
            strcmp(config->disks[i].vdev, disk->vdev) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_nic(const libxl_domain_config *config, const libxl_device_nic *nic)
{
    for (int i = 0; i < config->num_nics; i++) {
        if (memcmp(config->nics[i].mac, nic->mac, sizeof(nic->mac)) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Behind those that libxl's record has: what it attached itself, and what came so late that it was
 * written after libxl's own last word.
 */
static void give_back(struct xf_xen_early *early, libxl_domain_config *config)
{
    size_t disks = (size_t)(config->num_disks + early->n_disks);
    size_t nics = (size_t)(config->num_nics + early->n_nics);
    libxl_ctx *libxl = early->xen->libxl;

    config->disks = realloc(config->disks, disks * sizeof(*config->disks));
    config->nics = realloc(config->nics, nics * sizeof(*config->nics));
    if ((disks > 0 && config->disks == NULL) || (nics > 0 && config->nics == NULL)) {
        abort();
    }
    for (int i = 0; i < early->n_disks; i++) {
        if (!has_disk(config, &early->disks[i])) {
            libxl_device_disk_init(&config->disks[config->num_disks]);
            libxl_device_disk_copy(libxl, &config->disks[config->num_disks], &early->disks[i]);
            config->num_disks++;
        }
    }
    for (int i = 0; i < early->n_nics; i++) {
        if (!has_nic(config, &early->nics[i])) {
            libxl_device_nic_init(&config->nics[config->num_nics]);
            libxl_device_nic_copy(libxl, &config->nics[config->num_nics], &early->nics[i]);
            config->num_nics++;
        }
    }
}

/* libxl's record holds what libxl was told of; it is told of the rest. */
static int mend_record(struct xf_xen_early *early, uint32_t domid)
{
    libxl_ctx *libxl = early->xen->libxl;
    libxl_domain_config config;
    uint8_t *data = NULL;
    char *json = NULL;
    int size = 0;
    int r = libxl_userdata_retrieve(libxl, domid, "libxl-json", &data, &size);

    libxl_domain_config_init(&config);
    r = r == 0 && size > 0 ? libxl_domain_config_from_json(libxl, &config, (const char *)data)
                           : ERROR_FAIL;
    free(data);
    if (r == 0) {
        give_back(early, &config);
        json = libxl_domain_config_to_json(libxl, &config);
        r = json == NULL ? ERROR_FAIL
                         : libxl_userdata_store(libxl, domid, "libxl-json", (const uint8_t *)json,
                                                (int)strlen(json) + 1);
        free(json);
    }
    libxl_domain_config_dispose(&config);
    return r;
}

int xf_xen_early_finish(struct xf_xen_early *early, uint32_t domid, char *note, size_t note_size)
{
    int late = 0;
    int r = 0;

    note[0] = '\0';
    join(early);
    early->domid = domid;
    for (int i = 0; i < early->n_disks; i++) {
        late += !early->disk_there[i];
    }
    for (int i = 0; i < early->n_nics; i++) {
        late += !early->nic_there[i];
    }
    if (late > 0) {
        snprintf(note, note_size, "%d devices could not be attached early: attached in the pause",
                 late);
        r = add_missing(early);
    }
    if (r == 0 && early->n_disks + early->n_nics > 0) {
        r = mend_record(early, domid);
    }
    release(early);
    return r;
}
