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

/* What is no UTF-8 cannot be said in JSON. */
static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);

    return json != NULL ? json : json_string("");
}

/* The texts are made safe. */
static int complain(const struct xf_cli *cli, enum xf_reason reason, char *sentence, char *detail,
                    char *hint)
{
    if (cli->json) {
        json_t *error =
            json_pack("{s:{s:s, s:o, s:o, s:o}}", "error", "reason", xf_reason_name(reason), "text",
                      text_json(sentence), "detail", text_json(detail), "hint", text_json(hint));

        xf_print_json(error);
        json_decref(error);
    }
    xf_utf8_make_safe(sentence);
    xf_utf8_make_safe(detail);
    xf_utf8_make_safe(hint);
    fprintf(stderr, "xenferry: %s%s%s\n", sentence, *detail != '\0' ? ": " : "", detail);
    if (*hint != '\0') {
        fprintf(stderr, "hint: %s\n", hint);
    }
    return xf_reason_exit(reason);
}

int xf_complain(const struct xf_cli *cli, enum xf_reason reason, const char *format, ...)
{
    char sentence[512], hint[512], detail[4096];
    va_list ap;

    va_start(ap, format);
    vsnprintf(detail, sizeof(detail), format, ap);
    va_end(ap);
    snprintf(sentence, sizeof(sentence), "%s", xf_reason_sentence(reason));
    snprintf(hint, sizeof(hint), "%s", xf_reason_hint(reason));
    return complain(cli, reason, sentence, detail, hint);
}

int xf_complain_of_check(const struct xf_cli *cli, enum xf_reason reason, const char *findings,
                         const char *domain, const char *node)
{
    char text[4096], hint[512], detail[1] = "";

    snprintf(text, sizeof(text), "%s", findings);
    snprintf(hint, sizeof(hint),
             "xenferry check %.200s %.200s shows more; move --unproven goes on in spite of it",
             domain, node);
    return complain(cli, reason, text, detail, hint);
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
