/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "check_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "disk.h"
#include "diskmsg.h"
#include "identity.h"
#include "text.h"

static const char digits[] = "0123456789abcdef";

static json_t *number(uint64_t v)
{
    return json_integer((json_int_t)v);
}

void xf_hex_of(const uint8_t *bytes, size_t size, char *buf)
{
    for (size_t i = 0; i < size; i++) {
        buf[2 * i] = digits[bytes[i] >> 4];
        buf[2 * i + 1] = digits[bytes[i] & 15u];
    }
    buf[2 * size] = '\0';
}

static int value_of(char digit)
{
    const char *at = digit != '\0' ? strchr(digits, digit) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

static bool take_digits(const char *hex, uint8_t *buf, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int high = value_of(hex[2 * i]);
        int low = high >= 0 ? value_of(hex[2 * i + 1]) : -1;

        if (low < 0) {
            return false;
        }
        buf[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool xf_hex_take(const char *hex, uint8_t *buf, size_t size)
{
    return hex != NULL && strlen(hex) == 2 * size && take_digits(hex, buf, size);
}

/* ---- between agents ---- */

json_t *xf_disk_to_hex(const struct xf_disk *disk)
{
    uint8_t bytes[XF_DISKMSG_SIZE_MAX];
    int size = xf_disk_encode(disk, bytes, sizeof(bytes));
    char *hex;
    json_t *text;

    if (size < 0) {
        return json_string("");
    }
    hex = malloc(XF_HEX_SIZE((size_t)size));
    if (hex == NULL) {
        abort();
    }
    xf_hex_of(bytes, (size_t)size, hex);
    text = json_string(hex);
    free(hex);
    return text;
}

bool xf_disk_of_hex(const json_t *hex, struct xf_disk *ret_disk)
{
    uint8_t bytes[XF_DISKMSG_SIZE_MAX];
    const char *text = json_string_value(hex);
    size_t size = json_string_length(hex) / 2;

    return text != NULL && size <= sizeof(bytes) && xf_hex_take(text, bytes, size) &&
           xf_disk_decode(bytes, size, ret_disk) == 0;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static bool take_number(const json_t *object, const char *key, uint64_t max, uint64_t *ret_v)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max) {
        return false;
    }
    *ret_v = (uint64_t)json_integer_value(v);
    return true;
}

static bool take_name(const json_t *object, const char *key, char *buf, size_t size)
{
    const char *text = text_of(object, key);

    if (strlen(text) >= size || (text[0] != '\0' && !xf_text_name_ok(text, strlen(text) + 1))) {
        return false;
    }
    return xf_text_copy(buf, size, text);
}

static json_t *cpu_to_json(const struct xf_cpu *cpu)
{
    json_t *words = json_array();

    for (uint32_t i = 0; i < XF_N_CPU_WORDS; i++) {
        json_array_append_new(words, number(cpu->word[i]));
    }
    return json_pack("{s:s,s:o}", "vendor", cpu->vendor, "words", words);
}

static bool cpu_of_json(const json_t *json, struct xf_cpu *ret_cpu)
{
    const json_t *words = json_object_get(json, "words");

    memset(ret_cpu, 0, sizeof(*ret_cpu));
    if (json_is_null(json)) {
        return true;
    }
    if (json_array_size(words) != XF_N_CPU_WORDS ||
        !take_name(json, "vendor", ret_cpu->vendor, sizeof(ret_cpu->vendor))) {
        return false;
    }
    for (uint32_t i = 0; i < XF_N_CPU_WORDS; i++) {
        json_int_t word = json_integer_value(json_array_get(words, i));

        if (word < 0 || word > UINT32_MAX) {
            return false;
        }
        ret_cpu->word[i] = (uint32_t)word;
    }
    ret_cpu->known = true;
    return true;
}

json_t *xf_host_to_json(const struct xf_host *host)
{
    return json_pack("{s:s,s:o,s:o,s:I,s:I,s:b,s:b}", "hypervisor", host->hypervisor,
                     "memory_free_mib", number(host->memory_free_mib), "cpu",
                     host->cpu.known ? cpu_to_json(&host->cpu) : json_null(), "wall_ms",
                     (json_int_t)host->wall_ms, "slots_free", (json_int_t)host->slots_free,
                     "name_taken", host->name_taken, "uuid_taken", host->uuid_taken);
}

bool xf_host_of_json(const json_t *json, struct xf_host *ret_host)
{
    uint64_t memory, wall, slots;

    memset(ret_host, 0, sizeof(*ret_host));
    if (!take_number(json, "memory_free_mib", UINT64_MAX >> 1, &memory) ||
        !take_number(json, "wall_ms", UINT64_MAX >> 1, &wall) ||
        !take_number(json, "slots_free", UINT32_MAX, &slots) ||
        !take_name(json, "hypervisor", ret_host->hypervisor, sizeof(ret_host->hypervisor)) ||
        !json_is_boolean(json_object_get(json, "name_taken")) ||
        !json_is_boolean(json_object_get(json, "uuid_taken"))) {
        return false;
    }
    ret_host->memory_free_mib = memory;
    ret_host->wall_ms = (int64_t)wall;
    ret_host->slots_free = (uint32_t)slots;
    ret_host->name_taken = json_is_true(json_object_get(json, "name_taken"));
    ret_host->uuid_taken = json_is_true(json_object_get(json, "uuid_taken"));
    return cpu_of_json(json_object_get(json, "cpu"), &ret_host->cpu);
}

json_t *xf_bridge_to_json(const struct xf_bridge_facts *f)
{
    return json_pack("{s:s,s:b,s:b,s:i,s:i,s:b,s:i,s:I,s:i,s:i}", "name", f->name, "there",
                     f->there, "carrier", f->carrier, "mtu", f->mtu, "port", f->port,
                     "vlan_filtering", f->vlan_filtering, "pvid", f->pvid, "ipv4",
                     (json_int_t)f->ipv4, "prefix", f->prefix, "error", f->error);
}

bool xf_bridge_of_json(const json_t *json, struct xf_bridge_facts *ret_facts)
{
    uint64_t mtu, port, pvid, ipv4, prefix, error;

    memset(ret_facts, 0, sizeof(*ret_facts));
    if (!take_name(json, "name", ret_facts->name, sizeof(ret_facts->name)) ||
        !take_number(json, "mtu", UINT16_MAX, &mtu) ||
        !take_number(json, "port", XF_N_PORTS - 1, &port) ||
        !take_number(json, "pvid", UINT16_MAX, &pvid) ||
        !take_number(json, "ipv4", UINT32_MAX, &ipv4) ||
        !take_number(json, "prefix", 32, &prefix) ||
        !take_number(json, "error", UINT16_MAX, &error)) {
        return false;
    }
    ret_facts->there = json_is_true(json_object_get(json, "there"));
    ret_facts->carrier = json_is_true(json_object_get(json, "carrier"));
    ret_facts->vlan_filtering = json_is_true(json_object_get(json, "vlan_filtering"));
    ret_facts->mtu = (uint16_t)mtu;
    ret_facts->port = (uint8_t)port;
    ret_facts->pvid = (uint16_t)pvid;
    ret_facts->ipv4 = (uint32_t)ipv4;
    ret_facts->prefix = (uint8_t)prefix;
    ret_facts->error = (uint16_t)error;
    return true;
}

/* ---- for people ---- */

static json_t *disk_json(const struct xf_disk *disk)
{
    static const char *const kinds[XF_N_DISK_KINDS] = {
        [XF_DISK_ABSENT] = "absent",
        [XF_DISK_BLOCK] = "block",
        [XF_DISK_FILE] = "file",
        [XF_DISK_NETWORK] = "network",
    };
    json_t *traits = json_array();
    json_t *idents = json_array();

    if (disk == NULL) {
        json_decref(traits);
        json_decref(idents);
        return json_null();
    }
    for (uint32_t bit = 0; bit < XF_N_TRAITS; bit++) {
        if ((disk->traits & (UINT32_C(1) << bit)) != 0) {
            json_array_append_new(traits, json_string(xf_trait_name(bit)));
        }
    }
    for (uint32_t i = 0; i < disk->n_idents; i++) {
        const struct xf_ident *ident = &disk->ident[i];

        json_array_append_new(idents, json_pack("{s:s,s:i,s:s}", "kind", xf_ident_name(ident->kind),
                                                "base", ident->base, "value", ident->value));
    }
    return json_pack("{s:s,s:o,s:s,s:b,s:i,s:o,s:o,s:i,s:s}", "kind",
                     kinds[disk->kind < XF_N_DISK_KINDS ? disk->kind : XF_DISK_ABSENT],
                     "size_bytes", number(disk->size_bytes), "error",
                     disk->error != 0 ? strerror(disk->error) : "", "late", disk->late, "bases",
                     (int)disk->n_bases, "traits", traits, "identities", idents, "samples",
                     (int)disk->n_samples, "words", disk->words);
}

static json_t *samples_json(const struct xf_disk *before, const struct xf_disk *after,
                            const struct xf_disk *there)
{
    struct xf_blocks_verdict v = xf_blocks_compare(before, after, there);

    return json_pack("{s:i,s:i,s:i,s:i,s:i}", "equal", (int)v.n_equal, "blank", (int)v.n_blank,
                     "live", (int)v.n_live, "differ", (int)v.n_differ, "missing", (int)v.n_missing);
}

json_t *xf_disk_evidence(const struct xf_disk *before, const struct xf_disk *after,
                         const struct xf_disk *there)
{
    static const char *const matches[] = {
        [XF_MATCH_UNKNOWN] = "unknown",
        [XF_MATCH_WEAK] = "weak",
        [XF_MATCH_STRONG] = "strong",
        [XF_MATCH_CONTRADICTION] = "contradiction",
    };
    enum xf_ident_kind kind = XF_N_IDENTS;
    enum xf_match match =
        there != NULL ? xf_identity_match(before, there, &kind) : XF_MATCH_UNKNOWN;

    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:o}", "path", before->path, "match", matches[match],
                     "by", xf_ident_name(kind), "compared",
                     there != NULL ? samples_json(before, after, there) : json_null(), "here",
                     disk_json(before), "there", disk_json(there));
}

json_t *xf_bridge_evidence(const struct xf_probe_result *r)
{
    return json_pack("{s:s,s:o,s:o,s:b,s:b,s:i,s:i}", "name", r->source.name, "here",
                     xf_bridge_to_json(&r->source), "there", xf_bridge_to_json(&r->target),
                     "heard_here", r->source_heard, "heard_there", r->target_heard, "passed",
                     r->search.passed, "full", r->search.full);
}

json_t *xf_finding_json(const struct xf_finding *f)
{
    json_t *detail = json_string(f->detail); /* what is no UTF-8 cannot be said in JSON */
    json_t *subject = json_string(f->subject);

    return json_pack("{s:s,s:s,s:s,s:o,s:s,s:o,s:s}", "id", xf_finding_name(f->id), "severity",
                     xf_severity_name(xf_finding_severity(f->id)), "reason",
                     xf_reason_name(xf_finding_reason(f->id)), "subject",
                     subject != NULL ? subject : json_string(""), "text",
                     xf_finding_sentence(f->id), "detail",
                     detail != NULL ? detail : json_string(""), "hint", xf_finding_hint(f->id));
}

json_t *xf_findings_json(const struct xf_findings *findings)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < findings->n; i++) {
        json_array_append_new(list, xf_finding_json(&findings->of[i]));
    }
    return list;
}
