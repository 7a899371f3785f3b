/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a move has to know of libxl's JSON of a domain (libxl_domain_config_to_json()). libxl leaves
 * out what has its default.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "hyper_xen.h"

static int refuse(char *err, size_t size, const char *key, const char *why)
{
    snprintf(err, size, "%s: %s", key, why);
    return -EINVAL;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static int read_identity(const json_t *root, struct xf_dom_needs *needs, char *err, size_t size)
{
    const json_t *c_info = json_object_get(root, "c_info");
    const char *name = text_of(c_info, "name");
    const char *uuid = text_of(c_info, "uuid");

    if (strlen(name) >= sizeof(needs->name)) {
        return refuse(err, size, "c_info.name", "longer than 63 bytes");
    }
    if (!xf_text_name_ok(name, strlen(name) + 1)) {
        return refuse(err, size, "c_info.name", "has control characters");
    }
    xf_text_copy(needs->name, sizeof(needs->name), name);
    if (uuid[0] != '\0' && xf_uuid_parse(uuid, &needs->uuid) != 0) {
        return refuse(err, size, "c_info.uuid", "is no uuid");
    }
    return 0;
}

static int read_memory(const json_t *root, struct xf_dom_needs *needs, char *err, size_t size)
{
    const json_t *b_info = json_object_get(root, "b_info");
    json_int_t max_kib = json_integer_value(json_object_get(b_info, "max_memkb"));
    json_int_t target_kib = json_integer_value(json_object_get(b_info, "target_memkb"));
    json_int_t kib = max_kib > 0 ? max_kib : target_kib;

    if (kib <= 0 || kib > ((json_int_t)UINT32_MAX << 10)) {
        return refuse(err, size, "b_info.max_memkb", "no memory size that makes sense");
    }
    needs->memory_mib = (uint32_t)((kib + 1023) >> 10);
    return 0;
}

/* One that is not made yet has none, or -1; libxl will count. */
static uint32_t devid_of(const json_t *nic, uint32_t i)
{
    const json_t *devid = json_object_get(nic, "devid");
    json_int_t v = json_is_integer(devid) ? json_integer_value(devid) : -1;

    return v >= 0 && v <= INT32_MAX ? (uint32_t)v : i;
}

static int read_nics(const json_t *root, struct xf_dom_needs *needs, char *err, size_t size)
{
    const json_t *nic;
    size_t i;

    json_array_foreach(json_object_get(root, "nics"), i, nic)
    {
        const char *mac = text_of(nic, "mac");
        const char *bridge = text_of(nic, "bridge");

        if (i >= XF_VIFS_MAX) {
            return refuse(err, size, "nics", "more than xenferry takes");
        }
        if (mac[0] != '\0' && xf_mac_parse(mac, needs->vif[i].mac) != 0) {
            return refuse(err, size, "nics.mac", "is no MAC");
        }
        if (!xf_text_copy(needs->vif[i].bridge, sizeof(needs->vif[i].bridge), bridge)) {
            return refuse(err, size, "nics.bridge", "is too long");
        }
        needs->vif[i].devid = devid_of(nic, (uint32_t)i);
        needs->vif[i].addressed = text_of(nic, "ip")[0] != '\0';
        /* One address, or several behind each other, or with a prefix: only a plain one is used. */
        (void)xf_ipv4_parse(text_of(nic, "ip"), &needs->vif[i].ipv4);
        needs->n_vifs++;
    }
    return 0;
}

static int read_disks(const json_t *root, struct xf_dom_needs *needs, char *err, size_t size)
{
    const json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(root, "disks"), i, disk)
    {
        const char *path = text_of(disk, "pdev_path");
        uint32_t n = needs->n_disks;

        if (path[0] == '\0') {
            continue; /* an empty drive */
        }
        if (n >= XF_DISKS_MAX) {
            return refuse(err, size, "disks", "more than xenferry takes");
        }
        if (!xf_text_copy(needs->disk[n].path, sizeof(needs->disk[n].path), path)) {
            return refuse(err, size, "disks.pdev_path", "is too long");
        }
        needs->disk[n].writable = json_integer_value(json_object_get(disk, "readwrite")) != 0 ||
                                  json_is_true(json_object_get(disk, "readwrite"));
        needs->n_disks++;
    }
    return 0;
}

/* "host:1.2" or "host:1d6b:0002" is a device of the host, "tablet" is one that qemu plays. */
static bool is_hosts(const json_t *usbdevice)
{
    const char *name = json_string_value(usbdevice);

    return name != NULL && strncmp(name, "host:", 5) == 0;
}

/* Devices, and bare pieces of the host, that are given to the domain. */
static uint32_t count_passthrough(const json_t *root)
{
    const json_t *b_info = json_object_get(root, "b_info");
    const json_t *hvm = json_object_get(b_info, "type.hvm");
    size_t n = json_array_size(json_object_get(root, "pcidevs")) +
               json_array_size(json_object_get(root, "dtdevs")) +
               json_array_size(json_object_get(root, "usbdevs")) +
               json_array_size(json_object_get(b_info, "ioports")) +
               json_array_size(json_object_get(b_info, "irqs")) +
               json_array_size(json_object_get(b_info, "iomem"));
    const json_t *name;
    size_t i;

    n += is_hosts(json_object_get(hvm, "usbdevice")) ? 1 : 0;
    json_array_foreach(json_object_get(hvm, "usbdevice_list"), i, name)
    {
        n += is_hosts(name) ? 1 : 0;
    }
    return (uint32_t)n; /* fewer than the text has bytes */
}

int xf_xen_needs(const char *config, struct xf_dom_needs *ret_needs, char *err, size_t err_size)
{
    struct xf_dom_needs needs = { .n_vifs = 0 };
    json_error_t error;
    json_t *root = json_loads(config, JSON_REJECT_DUPLICATES, &error);
    int rc;

    if (!json_is_object(root)) {
        snprintf(err, err_size, "line %d: %s", error.line,
                 root == NULL ? error.text : "not an object");
        json_decref(root);
        return -EINVAL;
    }
    rc = read_identity(root, &needs, err, err_size);
    rc = rc != 0 ? rc : read_memory(root, &needs, err, err_size);
    rc = rc != 0 ? rc : read_nics(root, &needs, err, err_size);
    rc = rc != 0 ? rc : read_disks(root, &needs, err, err_size);
    needs.n_passthrough = count_passthrough(root);
    needs.vnuma =
        json_array_size(json_object_get(json_object_get(root, "b_info"), "vnuma_nodes")) > 0;
    needs.pv = strcmp(text_of(json_object_get(root, "c_info"), "type"), "pv") == 0;
    json_decref(root);
    if (rc == 0) {
        *ret_needs = needs;
    }
    return rc;
}
