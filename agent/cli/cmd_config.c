/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The settings as the agent reads them: the same parser, so that the two cannot disagree.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "settings.h"
#include "table.h"

static void check_passed(const struct xf_cli *cli, const char *path)
{
    if (cli->json) {
        json_t *body = json_pack("{s:s, s:b}", "file", path, "valid", 1);

        xf_print_json(body);
        json_decref(body);
    } else {
        printf("%s is valid\n", path);
        xf_flush_stdout();
    }
}

static void show_settings(const struct xf_cli *cli, const struct xf_settings *settings)
{
    char buf[XF_SETTING_SIZE];
    json_t *body = json_object();
    const char *key;

    for (size_t i = 0; (key = xf_settings_key(i)) != NULL; i++) {
        const char *text = xf_settings_text(settings, i, buf, sizeof(buf));

        if (cli->json) {
            json_object_set_new(body, key, json_string(text));
        } else {
            printf("%s = %s\n", key, text);
        }
    }
    if (cli->json) {
        xf_print_json(body);
    }
    json_decref(body);
    xf_flush_stdout();
}

int xf_cmd_config(struct xf_cli *cli, struct xf_given *given)
{
    const char *what = xf_ctl_value(&given->request, "what");
    const char *path = xf_ctl_value(&given->request, "file");
    struct xf_settings settings;
    char error[512];

    if (strcmp(what, "check") != 0 && strcmp(what, "show") != 0) {
        return xf_complain(cli, XF_REASON_USAGE, "config takes 'check' or 'show', not '%s'", what);
    }
    if (path == NULL) {
        path = XF_SYSCONFDIR "/xenferry.conf";
    }
    xf_settings_init(&settings);
    if (xf_settings_load(&settings, path, error, sizeof(error)) != 0) {
        return xf_complain(cli, XF_REASON_CONFIG, "%s", error);
    }
    if (strcmp(what, "check") == 0) {
        check_passed(cli, path);
    } else {
        show_settings(cli, &settings);
    }
    return 0;
}
