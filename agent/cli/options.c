/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A verb's command line: from its table of options to the agent's named values.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "units.h"

#define OPTIONS_MAX 16

enum {
    VALUE_JSON = 256,
    VALUE_TIMEOUT,
    VALUE_HELP,
    VALUE_FIRST, /* of the verb's own */
};

static int usage_error(const struct xf_cli *cli)
{
    fprintf(stderr, "usage: xenferry %s%s%s\n", cli->verb->name,
            *cli->verb->synopsis != '\0' ? " " : "", cli->verb->synopsis);
    return xf_reason_exit(XF_REASON_USAGE) + 1;
}

static unsigned count_options(const struct xf_verb *verb)
{
    unsigned n = 0;

    while (verb->options != NULL && verb->options[n].name != NULL) {
        n++;
    }
    return n;
}

static void build_table(const struct xf_verb *verb, struct option *table)
{
    static const struct option common[] = {
        { "json", no_argument, NULL, VALUE_JSON },
        { "timeout", required_argument, NULL, VALUE_TIMEOUT },
        { "help", no_argument, NULL, VALUE_HELP },
        { NULL, 0, NULL, 0 },
    };
    unsigned n = count_options(verb);

    for (unsigned i = 0; i < n; i++) {
        bool is_flag =
            verb->options[i].kind == XF_OPTION_FLAG || verb->options[i].kind == XF_OPTION_NEGATE;

        table[i] =
            (struct option){ verb->options[i].name, is_flag ? no_argument : required_argument, NULL,
                             VALUE_FIRST + (int)i };
    }
    memcpy(table + n, common, sizeof(common));
}

void xf_given_remove(struct xf_given *given, const char *key)
{
    struct xf_ctl_request *request = &given->request;

    for (uint32_t i = 0; i < request->n_args; i++) {
        if (strcmp(request->arg[i].key, key) == 0) {
            request->arg[i] = request->arg[--request->n_args];
            return;
        }
    }
}

/* The last of a repeated option counts. The table of verbs is far below XF_CTL_ARGS_MAX. */
void xf_given_add(struct xf_given *given, const char *key, const char *value)
{
    struct xf_ctl_request *request = &given->request;

    xf_given_remove(given, key);
    if (request->n_args < XF_CTL_ARGS_MAX) {
        request->arg[request->n_args++] = (struct xf_ctl_arg){ .key = key, .value = value };
    }
}

/* 0 or -EINVAL. */
static int add_option(struct xf_given *given, const struct xf_option *option, unsigned index,
                      const char *value)
{
    char *copy = given->copies[index];
    uint64_t number;

    switch (option->kind) {
    case XF_OPTION_FLAG:
        value = "1";
        break;
    case XF_OPTION_NEGATE:
        value = "0";
        break;
    case XF_OPTION_NUMBER:
        if (xf_units_parse_number(value, 0, UINT32_MAX, &number) < 0) {
            return -EINVAL;
        }
        break;
    case XF_OPTION_RATE:
        if (xf_units_parse_rate(value, &number) < 0) {
            return -EINVAL;
        }
        snprintf(copy, sizeof(given->copies[index]), "%llu", (unsigned long long)number);
        value = copy;
        break;
    case XF_OPTION_TEXT:
        if (*value == '\0') {
            return -EINVAL;
        }
        break;
    }
    xf_given_add(given, option->key, value);
    return 0;
}

static int parse_one(struct xf_cli *cli, int value, const char *word, struct xf_given *given)
{
    const struct xf_option *option;

    switch (value) {
    case VALUE_JSON:
        cli->json = true;
        return 0;
    case VALUE_TIMEOUT:
        if (xf_units_parse_seconds(optarg, &cli->timeout_ms) < 0) {
            xf_complain(cli, XF_REASON_USAGE, "--timeout takes seconds, not '%s'", optarg);
            return usage_error(cli);
        }
        return 0;
    case VALUE_HELP:
        xf_options_print(cli->verb, stdout);
        xf_flush_stdout();
        return 1;
    case ':':
        xf_complain(cli, XF_REASON_USAGE, "%s wants a value", word);
        return usage_error(cli);
    case '?':
        xf_complain(cli, XF_REASON_USAGE, "unknown option '%s'", word);
        return usage_error(cli);
    default:
        option = &cli->verb->options[value - VALUE_FIRST];
        if (add_option(given, option, (unsigned)(value - VALUE_FIRST), optarg) < 0) {
            xf_complain(cli, XF_REASON_USAGE, "--%s takes %s, not '%s'", option->name,
                        option->metavar, optarg);
            return usage_error(cli);
        }
        return 0;
    }
}

static int parse_positionals(const struct xf_cli *cli, int argc, char **argv,
                             struct xf_given *given)
{
    const struct xf_verb *verb = cli->verb;
    unsigned n = 0;

    for (; optind < argc; optind++, n++) {
        if (verb->positional[n] == NULL) {
            xf_complain(cli, XF_REASON_USAGE, "too many arguments: '%s'", argv[optind]);
            return usage_error(cli);
        }
        if (*argv[optind] == '\0') {
            xf_complain(cli, XF_REASON_USAGE, "an argument is empty");
            return usage_error(cli);
        }
        xf_given_add(given, verb->positional[n], argv[optind]);
    }
    if (n < verb->n_required) {
        xf_complain(cli, XF_REASON_USAGE, "missing argument");
        return usage_error(cli);
    }
    for (unsigned i = 0; i < count_options(verb); i++) {
        const struct xf_option *option = &verb->options[i];

        if (option->required && xf_ctl_value(&given->request, option->key) == NULL) {
            xf_complain(cli, XF_REASON_USAGE, "--%s is missing", option->name);
            return usage_error(cli);
        }
    }
    return 0;
}

int xf_options_parse(struct xf_cli *cli, int argc, char **argv, struct xf_given *ret_given)
{
    struct option table[OPTIONS_MAX + 4];
    int value;

    memset(ret_given, 0, sizeof(*ret_given));
    ret_given->request.verb = cli->verb->name;
    build_table(cli->verb, table);
    optind = 0; /* getopt starts anew: main used it up to the verb */
    while ((value = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        char letter[3] = { '-', (char)optopt, '\0' };
        bool is_letter = optopt > 0 && optopt < VALUE_JSON;
        int rc = parse_one(cli, value == 'h' ? VALUE_HELP : value,
                           is_letter ? letter : argv[optind - 1], ret_given);

        if (rc != 0) {
            return rc;
        }
    }
    return parse_positionals(cli, argc, argv, ret_given);
}

static void print_option(FILE *out, const char *name, const char *metavar, const char *help)
{
    char left[64];

    snprintf(left, sizeof(left), "--%s%s%s", name, metavar != NULL ? " " : "",
             metavar != NULL ? metavar : "");
    fprintf(out, "  %-24s %s\n", left, help);
}

void xf_options_print(const struct xf_verb *verb, FILE *out)
{
    fprintf(out, "usage: xenferry %s%s%s\n\n%s.\n\noptions:\n", verb->name,
            *verb->synopsis != '\0' ? " " : "", verb->synopsis, verb->summary);
    for (unsigned i = 0; i < count_options(verb); i++) {
        const struct xf_option *option = &verb->options[i];

        print_option(out, option->name, option->metavar, option->help);
    }
    print_option(out, "json", NULL, "answer in JSON, errors too");
    print_option(out, "timeout", "SECONDS", "how long the agent may take to answer");
    print_option(out, "help", NULL, "show this text");
}
