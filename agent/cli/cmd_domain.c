/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verbs about one domain that take more than a question and an answer: create and resolve.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "field.h"
#include "table.h"

/* 0 or negative errno; -EFBIG when it does not fit, -EILSEQ when it is no text. */
static int read_config(const char *path, char *buf, size_t size)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    size_t n;
    int rc = 0;

    if (file == NULL) {
        return -errno;
    }
    n = fread(buf, 1, size - 1, file);
    if (ferror(file)) {
        rc = errno != 0 ? -errno : -EIO;
    } else if (n == size - 1 && fgetc(file) != EOF) {
        rc = -EFBIG;
    } else if (memchr(buf, '\0', n) != NULL) {
        rc = -EILSEQ;
    }
    buf[n] = '\0';
    if (file != stdin) {
        fclose(file);
    }
    return rc;
}

int xf_cmd_create(struct xf_cli *cli, struct xf_given *given)
{
    const char *path = xf_ctl_value(&given->request, "config");
    int rc = read_config(path, given->text, sizeof(given->text));

    switch (-rc) {
    case 0:
        xf_given_add(given, "config", given->text);
        return xf_ask_and_show(cli, given);
    case EFBIG:
        return xf_complain(cli, XF_REASON_USAGE, "%s is longer than %u bytes", path,
                           XF_CONFIG_SIZE_MAX - 1);
    case EILSEQ:
        return xf_complain(cli, XF_REASON_USAGE, "%s is not a text file", path);
    default:
        return xf_complain(cli, XF_REASON_USAGE, "%s: %s", path, strerror(-rc));
    }
}

int xf_cmd_resolve(struct xf_cli *cli, struct xf_given *given)
{
    const char *decision = xf_ctl_value(&given->request, "decision");
    bool is_certain = xf_ctl_value(&given->request, "yes") != NULL;
    struct xf_answer answer;
    char line[2048];
    int rc;

    if (strcmp(decision, "stay") != 0 && strcmp(decision, "go") != 0 &&
        strcmp(decision, "drop") != 0) {
        return xf_complain(cli, XF_REASON_USAGE, "the decision is 'stay', 'go' or 'drop', not '%s'",
                           decision);
    }
    rc = xf_ask(cli, &given->request, &answer);
    if (rc != 0) {
        return rc;
    }
    if (cli->json) {
        xf_print_json(answer.body);
    } else {
        snprintf(line, sizeof(line), "%s: %s", xf_field_text(answer.body, "domain"),
                 xf_field_text(answer.body, "risk"));
        xf_utf8_make_safe(line);
        puts(line);
        puts(is_certain ? "decided; xenferry status shows what becomes of it"
                        : "nothing was done; --yes takes that risk");
        xf_flush_stdout();
    }
    xf_answer_clear(&answer);
    return 0;
}
