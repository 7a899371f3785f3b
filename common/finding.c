/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "finding.h"

#include <string.h>

#include "text.h"

static const struct {
    const char *name;
    enum xf_severity severity;
    enum xf_reason reason;
    const char *sentence;
    const char *hint;
} table[] = {
#define X(sym, name, severity, reason, sentence, hint)                                             \
    [XF_FIND_##sym] = { name, XF_##severity, XF_REASON_##reason, sentence, hint },
    XF_FINDINGS(X)
#undef X
};

const char *xf_finding_name(uint32_t id)
{
    return id < XF_N_FINDINGS ? table[id].name : "unknown";
}

enum xf_severity xf_finding_severity(uint32_t id)
{
    return id < XF_N_FINDINGS ? table[id].severity : XF_REFUSE;
}

enum xf_reason xf_finding_reason(uint32_t id)
{
    return id < XF_N_FINDINGS ? table[id].reason : XF_REASON_PEER_REFUSED;
}

const char *xf_finding_sentence(uint32_t id)
{
    return id < XF_N_FINDINGS ? table[id].sentence : "a later version of xenferry found something";
}

const char *xf_finding_hint(uint32_t id)
{
    return id < XF_N_FINDINGS ? table[id].hint : "";
}

const char *xf_severity_name(uint32_t severity)
{
    static const char *const names[] = {
        [XF_INFO] = "info",
        [XF_WARN] = "warn",
        [XF_REFUSE] = "refuse",
    };

    return severity < XF_N_SEVERITIES ? names[severity] : "refuse";
}

enum xf_finding_id xf_finding_parse(const char *name)
{
    for (uint32_t i = 0; i < XF_N_FINDINGS; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return (enum xf_finding_id)i;
        }
    }
    return XF_N_FINDINGS;
}

void xf_findings_add(struct xf_findings *findings, enum xf_finding_id id, const char *subject,
                     const char *detail)
{
    struct xf_finding new = { .id = (uint8_t)id };

    xf_text_copy(new.subject, sizeof(new.subject), subject);
    xf_text_copy(new.detail, sizeof(new.detail), detail);
    xf_text_utf8_mend(new.subject); /* either may be cut within a letter */
    xf_text_utf8_mend(new.detail);
    for (uint32_t i = 0; i < findings->n; i++) {
        const struct xf_finding *old = &findings->of[i];

        if (old->id == new.id && strcmp(old->subject, new.subject) == 0 &&
            strcmp(old->detail, new.detail) == 0) {
            return;
        }
    }
    if (findings->n < XF_FINDINGS_MAX) {
        findings->of[findings->n++] = new;
    } else if (xf_finding_severity(id) == XF_REFUSE) {
        findings->n_lost++;
    }
}

enum xf_severity xf_findings_worst(const struct xf_findings *findings)
{
    enum xf_severity worst = findings->n_lost > 0 ? XF_REFUSE : XF_INFO;

    for (uint32_t i = 0; i < findings->n; i++) {
        enum xf_severity severity = xf_finding_severity(findings->of[i].id);

        worst = severity > worst ? severity : worst;
    }
    return worst;
}

enum xf_reason xf_findings_reason(const struct xf_findings *findings)
{
    for (uint32_t i = 0; i < findings->n; i++) {
        if (xf_finding_severity(findings->of[i].id) == XF_REFUSE) {
            return xf_finding_reason(findings->of[i].id);
        }
    }
    return findings->n_lost > 0 ? XF_REASON_PEER_REFUSED : XF_REASON_OK;
}

void xf_findings_text(const struct xf_findings *findings, enum xf_severity least, char *buf,
                      uint32_t size)
{
    struct xf_text text;

    xf_text_init(&text, buf, size);
    for (uint32_t i = 0; i < findings->n; i++) {
        const struct xf_finding *f = &findings->of[i];

        if (xf_finding_severity(f->id) < least) {
            continue;
        }
        xf_text_str(&text, text.len > 0 ? "; " : "");
        if (f->subject[0] != '\0') {
            xf_text_str(&text, f->subject);
            xf_text_str(&text, ": ");
        }
        xf_text_str(&text, xf_finding_sentence(f->id));
        if (f->detail[0] != '\0') {
            xf_text_str(&text, " (");
            xf_text_str(&text, f->detail);
            xf_text_char(&text, ')');
        }
    }
    xf_text_utf8_mend(buf);
}
