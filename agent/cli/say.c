/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors: a sentence and a hint on stderr; with --json an object on stdout as well, where a program
 * that reads the answer looks.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "cli.h"
#include "table.h"

int xf_complain(const struct xf_cli *cli, enum xf_reason reason, const char *format, ...)
{
    const char *hint = xf_reason_hint(reason);
    char detail[4096];
    va_list ap;

    va_start(ap, format);
    vsnprintf(detail, sizeof(detail), format, ap);
    va_end(ap);
    if (cli->json) {
        /* What is no UTF-8 cannot be said in JSON. */
        json_t *text = json_string(detail);
        json_t *error = json_pack("{s:{s:s, s:s, s:o, s:s}}", "error", "reason",
                                  xf_reason_name(reason), "text", xf_reason_sentence(reason),
                                  "detail", text != NULL ? text : json_string(""), "hint", hint);

        xf_print_json(error);
        json_decref(error);
    }
    xf_utf8_make_safe(detail);
    fprintf(stderr, "xenferry: %s%s%s\n", xf_reason_sentence(reason), *detail != '\0' ? ": " : "",
            detail);
    if (*hint != '\0') {
        fprintf(stderr, "hint: %s\n", hint);
    }
    return xf_reason_exit(reason);
}

const char *xf_detail_of(enum xf_reason reason, const char *text)
{
    const char *sentence = xf_reason_sentence(reason);
    size_t len = strlen(sentence);

    if (strcmp(text, "-") == 0) {
        return "";
    }
    if (strncmp(text, sentence, len) != 0) {
        return text;
    }
    text += len;
    return strncmp(text, ": ", 2) == 0 ? text + 2 : text;
}

void xf_print_json(const json_t *body)
{
    json_dumpf(body, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)); /* as the agent writes */
    putchar('\n');
    xf_flush_stdout();
}

void xf_flush_stdout(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "xenferry: cannot write: %s\n", strerror(errno));
        exit(1);
    }
}
