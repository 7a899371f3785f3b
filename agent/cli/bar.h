/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line about a migration under way, with a bar when there is room for one. No I/O.
 */
#ifndef XF_BAR_H
#define XF_BAR_H

#include <jansson.h>
#include <stddef.h>

#define XF_BAR_SIZE 512u

/* 0..100, or -1 when the event does not tell. */
int xf_bar_percent(const json_t *migration);
/* columns: of the terminal, 0 for a line of any length without a bar. */
void xf_bar_render(const json_t *migration, unsigned columns, char *buf, size_t size);

#endif
