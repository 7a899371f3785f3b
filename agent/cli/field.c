/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "field.h"

#include <math.h>
#include <stdio.h>

#include "units.h"

const char *xf_field_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL || *text == '\0' ? "-" : text;
}

bool xf_field_is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

bool xf_field_number(const json_t *object, const char *key, double *ret_value)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_number(value) || !isfinite(json_number_value(value))) {
        return false;
    }
    *ret_value = json_number_value(value);
    return true;
}

json_t *xf_field_array(const json_t *object, const char *key)
{
    json_t *array = json_object_get(object, key);

    return json_is_array(array) ? array : NULL;
}

const char *xf_field_format(const json_t *object, const char *key, enum xf_unit unit, char *buf)
{
    double value;

    if (!xf_field_number(object, key, &value)) {
        snprintf(buf, XF_UNITS_SIZE, "-");
        return buf;
    }
    switch (unit) {
    case XF_UNIT_NONE:
        snprintf(buf, XF_UNITS_SIZE, fabs(value) < 1e18 ? "%.0f" : "%.3g", value);
        break;
    case XF_UNIT_BYTES:
        xf_units_bytes(buf, XF_UNITS_SIZE, value);
        break;
    case XF_UNIT_MIB:
        xf_units_bytes(buf, XF_UNITS_SIZE, value * 1048576);
        break;
    case XF_UNIT_KIBPS:
        xf_units_rate(buf, XF_UNITS_SIZE, value);
        break;
    case XF_UNIT_PREDICTED_MS:
        if (value <= 0) {
            snprintf(buf, XF_UNITS_SIZE, "-");
            return buf;
        }
        xf_units_time(buf, XF_UNITS_SIZE, value);
        break;
    case XF_UNIT_MS:
        xf_units_time(buf, XF_UNITS_SIZE, value);
        break;
    }
    return buf;
}

void xf_field_to_table(struct xf_table *table, const json_t *object, const char *key,
                       enum xf_unit unit)
{
    char buf[XF_UNITS_SIZE];

    xf_table_add(table, xf_field_format(object, key, unit, buf), XF_PAINT_NONE);
}

void xf_field_text_to_table(struct xf_table *table, const json_t *object, const char *key)
{
    xf_table_add(table, xf_field_text(object, key), XF_PAINT_NONE);
}
