/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check: one domain against one node, or the matrix of all.
 */
#include "config.h"

#include <string.h>
#include <time.h>

#include "cli.h"
#include "field.h"

/* How often the matrix is asked for while its checks are under way. */
#define POLL_MS 300

static bool given_flag(const struct xf_given *given, const char *key)
{
    const char *value = xf_ctl_value(&given->request, key);

    return value != NULL && strcmp(value, "1") == 0;
}

static int check_one(struct xf_cli *cli, struct xf_given *given)
{
    bool verbose = given_flag(given, "verbose");
    struct xf_answer answer;
    int rc;

    xf_given_remove(given, "verbose");
    rc = xf_ask(cli, &given->request, &answer);
    if (rc != 0) {
        return rc;
    }
    if (cli->json) {
        xf_print_json(answer.body);
    } else {
        xf_show_check(answer.body, verbose);
        xf_flush_stdout();
    }
    if (strcmp(xf_field_text(answer.body, "verdict"), "refuse") == 0) {
        enum xf_reason reason = xf_reason_parse(xf_field_text(answer.body, "reason"));

        rc = xf_reason_exit(reason != XF_REASON_OK && reason != XF_N_REASONS ? reason
                                                                             : XF_REASON_INTERNAL);
    }
    xf_answer_clear(&answer);
    return rc;
}

static void count_cells(const json_t *body, size_t *ret_all, size_t *ret_pending)
{
    const json_t *row, *cell;
    size_t i, k;

    *ret_all = *ret_pending = 0;
    json_array_foreach(xf_field_array(body, "rows"), i, row)
    {
        json_array_foreach(xf_field_array(row, "cells"), k, cell)
        {
            *ret_all += 1;
            *ret_pending += xf_field_is_true(cell, "pending") ? 1 : 0;
        }
    }
}

/* Asks until no check is pending; what hangs is ended by the agents' own deadlines. */
static int check_all(struct xf_cli *cli, struct xf_given *given)
{
    bool now = given_flag(given, "now");
    struct xf_answer answer;
    size_t all, pending;
    int rc;

    given->request.verb = "matrix";
    xf_given_remove(given, "all");
    rc = xf_ask(cli, &given->request, &answer);
    xf_given_remove(given, "now");
    while (rc == 0 && now) {
        const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

        count_cells(answer.body, &all, &pending);
        if (cli->terminal && !cli->json) {
            printf("\r%zu of %zu checked\033[K", all - pending, all);
            fflush(stdout);
        }
        if (pending == 0) {
            break;
        }
        xf_answer_clear(&answer);
        nanosleep(&pause, NULL);
        rc = xf_ask(cli, &given->request, &answer);
    }
    if (now && cli->terminal && !cli->json) {
        fputs("\r\033[K", stdout);
    }
    if (rc != 0) {
        return rc;
    }
    if (cli->json) {
        xf_print_json(answer.body);
    } else {
        xf_show_matrix(cli, answer.body);
        xf_flush_stdout();
    }
    xf_answer_clear(&answer);
    return 0;
}

int xf_cmd_check(struct xf_cli *cli, struct xf_given *given)
{
    bool has_domain = xf_ctl_value(&given->request, "domain") != NULL;
    bool has_node = xf_ctl_value(&given->request, "to") != NULL;

    if (given_flag(given, "all")) {
        if (has_domain || given_flag(given, "verbose") || given_flag(given, "cold")) {
            return xf_complain(cli, XF_REASON_USAGE, "--all takes --now only");
        }
        return check_all(cli, given);
    }
    if (!has_domain || !has_node || given_flag(given, "now")) {
        return xf_complain(cli, XF_REASON_USAGE,
                           has_node ? "--now goes with --all" : "DOMAIN and NODE, or --all");
    }
    return check_one(cli, given);
}
