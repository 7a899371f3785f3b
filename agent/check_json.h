/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What two agents tell each other for a check, and what people are shown of it (docs/control.md:
 * CHECK, FINDING, and the verbs visit and probe).
 */
#ifndef XF_CHECK_JSON_H
#define XF_CHECK_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "finding.h"
#include "host.h"
#include "probe.h"

struct xf_disk;

#define XF_HEX_SIZE(bytes) (2 * (bytes) + 1)

void xf_hex_of(const uint8_t *bytes, size_t size, char *buf);
/* False: another length, or no digits. */
bool xf_hex_take(const char *hex, uint8_t *buf, size_t size);

json_t *xf_disk_to_hex(const struct xf_disk *disk);
bool xf_disk_of_hex(const json_t *hex, struct xf_disk *ret_disk);

json_t *xf_host_to_json(const struct xf_host *host);
bool xf_host_of_json(const json_t *json, struct xf_host *ret_host);

json_t *xf_bridge_to_json(const struct xf_bridge_facts *facts);
bool xf_bridge_of_json(const json_t *json, struct xf_bridge_facts *ret_facts);

/* For people. */
json_t *xf_disk_evidence(const struct xf_disk *before, const struct xf_disk *after,
                         const struct xf_disk *there);
json_t *xf_bridge_evidence(const struct xf_probe_result *result);
json_t *xf_finding_json(const struct xf_finding *finding);
json_t *xf_findings_json(const struct xf_findings *findings);

#endif
