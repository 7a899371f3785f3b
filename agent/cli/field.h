/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fields of the agent's JSON, any of which may be missing or of another type: an older or newer
 * agent must not stop the command. What is missing reads as "-".
 */
#ifndef XF_FIELD_H
#define XF_FIELD_H

#include <jansson.h>
#include <stdbool.h>

#include "table.h"

/* The text, or "-" when it is missing, no text, or empty. Not made safe. */
const char *xf_field_text(const json_t *object, const char *key);
bool xf_field_is_true(const json_t *object, const char *key);
/* False when there is no number of that name. */
bool xf_field_number(const json_t *object, const char *key, double *ret_value);
/* The array, or NULL: json_array_foreach() over NULL does nothing. */
json_t *xf_field_array(const json_t *object, const char *key);

enum xf_unit {
    XF_UNIT_NONE,
    XF_UNIT_BYTES,
    XF_UNIT_MIB,
    XF_UNIT_KIBPS,
    XF_UNIT_MS,
    XF_UNIT_PREDICTED_MS, /* 0: not known yet */
};

/* The number as people read it, or "-". buf holds at least XF_UNITS_SIZE bytes; returns buf. */
const char *xf_field_format(const json_t *object, const char *key, enum xf_unit unit, char *buf);
void xf_field_to_table(struct xf_table *table, const json_t *object, const char *key,
                       enum xf_unit unit);
void xf_field_text_to_table(struct xf_table *table, const json_t *object, const char *key);

#endif
