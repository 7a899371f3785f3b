/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmocka with all that it wants included before it. */
#ifndef XF_UNIT_H
#define XF_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
