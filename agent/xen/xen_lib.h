/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all programs that talk to Xen share: a libxl context that remembers why it failed, domains
 * by uuid, and what a domain's flags say. Everything here blocks; the agent links none of it.
 */
#ifndef XF_XEN_LIB_H
#define XF_XEN_LIB_H

#include <stdbool.h>
#include <stdint.h>

#include <libxl.h>
#include <libxl_utils.h>
#include <xenctrl.h>

#include "drivers.h"

#define XF_XEN_INCOMING     "--incoming"
#define XF_XEN_MIGRATEDAWAY "--migratedaway"

/* No host has more: Xen's domain numbers end before that (DOMID_FIRST_RESERVED). */
#define XF_XEN_DOMAINS_MAX  0x7ff0u

/* What libxl leaves in a domid that it did not set. */
#define XF_XEN_NO_DOMID     UINT32_MAX

struct xf_xen {
    libxl_ctx *libxl;
    xc_interface *xc;
    struct xf_xen_log *log;
};

/*
 * Errors go to standard error with the program's name; the last one is kept. NULL: no Xen here, or
 * the libraries do not fit it; why is in ret_text (XF_XEN_TEXT bytes). Never freed: it lives as
 * long as its process.
 */
struct xf_xen *xf_xen_open(const char *program, char *ret_text);

/* What libxl last complained of since the last call; "" if of nothing. */
void xf_xen_complaint(struct xf_xen *xen, char *buf, size_t size);
/* Who is told of each first complaint as it comes, from any thread; NULL: nobody any more. */
void xf_xen_on_trouble(struct xf_xen *xen, void (*trouble)(void *arg, const char *text), void *arg);
/* A libxl error in words ("libxl: no memory: ..."), and the reason that it stands for. */
enum xf_reason xf_xen_error(struct xf_xen *xen, int r, enum xf_reason otherwise, char *ret_text);

/* All domains but dom0, dying ones left out; at most max. Negative errno if Xen does not say. */
int xf_xen_list(struct xf_xen *xen, xc_domaininfo_t *ret_info, unsigned max);
/* The domains with this uuid (a half moved one may be there twice). How many; negative errno. */
int xf_xen_find(struct xf_xen *xen, const struct xf_uuid *uuid, xc_domaininfo_t *ret_info,
                unsigned max);
struct xf_uuid xf_xen_uuid(const xc_domaininfo_t *info);
bool xf_xen_suspended(const xc_domaininfo_t *info);
/* Has a device model whose state goes with the domain's. */
bool xf_xen_is_hvm(const xc_domaininfo_t *info);
/* As the domain's name ends: the name without the ending is written to ret_name. */
enum xf_variant xf_xen_variant(const char *full, char *ret_name, size_t size);
/* NULL, or to be freed: the name with its ending. */
char *xf_xen_name(struct xf_xen *xen, uint32_t domid);
/* libxl's JSON of the domain as it is now, without number and ending; NULL, or to be freed. */
char *xf_xen_config(struct xf_xen *xen, uint32_t domid);

#endif
