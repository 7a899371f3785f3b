/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenferry: what operators and scripts ask of the agents. This file is the table of verbs.
 */
#include "config.h"

#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

#define QUICK_MS        10000  /* an answer from memory, at most forwarded once over the group */
#define SLOW_MS         120000 /* building or tearing down a domain */
#define COLUMNS_DEFAULT 80

static const struct xf_option create_options[] = {
    { .name = "uuid",
      .key = "uuid",
      .kind = XF_OPTION_TEXT,
      .metavar = "UUID",
      .help = "its uuid, instead of the configuration's" },
    { .name = "node",
      .key = "node",
      .kind = XF_OPTION_TEXT,
      .metavar = "NODE",
      .help = "start it there, not on this node" },
    { .name = NULL },
};

static const struct xf_option destroy_options[] = {
    { .name = "force",
      .key = "force",
      .kind = XF_OPTION_FLAG,
      .help = "even while it moves, or is in doubt" },
    { .name = NULL },
};

static const struct xf_option move_options[] = {
    { .name = "to",
      .key = "to",
      .kind = XF_OPTION_TEXT,
      .metavar = "NODE",
      .help = "where to; must be given",
      .required = true },
    { .name = "cold", .key = "cold", .kind = XF_OPTION_FLAG, .help = "pause first, copy once" },
    { .name = "force",
      .key = "force",
      .kind = XF_OPTION_FLAG,
      .help = "pause for as long as it takes, rather than give up" },
    { .name = "unproven",
      .key = "unproven",
      .kind = XF_OPTION_FLAG,
      .help = "whatever the check finds: its findings stand in the report" },
    { .name = "slow",
      .key = "slow",
      .kind = XF_OPTION_FLAG,
      .help = "the guest may be slowed down to converge" },
    { .name = "wait", .key = "wait", .kind = XF_OPTION_FLAG, .help = "wait for the end (default)" },
    { .name = "no-wait",
      .key = "wait",
      .kind = XF_OPTION_NEGATE,
      .help = "return once it has started; refused when no slot is free" },
    { .name = "downtime-target",
      .key = "downtime-target",
      .kind = XF_OPTION_NUMBER,
      .metavar = "MS",
      .help = "stop when the pause is predicted this short" },
    { .name = "downtime-max",
      .key = "downtime-max",
      .kind = XF_OPTION_NUMBER,
      .metavar = "MS",
      .help = "never pause for longer, without --force" },
    { .name = "bandwidth",
      .key = "bandwidth",
      .kind = XF_OPTION_RATE,
      .metavar = "RATE",
      .help = "at most so many bytes per second (K, M, G)" },
    { .name = "max-time",
      .key = "max-time",
      .kind = XF_OPTION_NUMBER,
      .metavar = "S",
      .help = "give up after so many seconds" },
    { .name = NULL },
};

static const struct xf_option check_options[] = {
    { .name = "cold", .key = "cold", .kind = XF_OPTION_FLAG, .help = "for a move with --cold" },
    { .name = "verbose",
      .key = "verbose",
      .kind = XF_OPTION_FLAG,
      .help = "show what both hosts know of each disk and bridge" },
    { .name = "all",
      .key = "all",
      .kind = XF_OPTION_FLAG,
      .help = "every domain against every node, by the last checks" },
    { .name = "now", .key = "now", .kind = XF_OPTION_FLAG, .help = "with --all: check first" },
    { .name = NULL },
};

static const struct xf_option history_options[] = {
    { .name = "limit",
      .key = "limit",
      .kind = XF_OPTION_NUMBER,
      .metavar = "N",
      .help = "only the newest N" },
    { .name = NULL },
};

static const struct xf_option report_options[] = {
    { .name = "migration",
      .key = "migration",
      .kind = XF_OPTION_TEXT,
      .metavar = "ID",
      .help = "this one, as EPOCH@NODE" },
    { .name = NULL },
};

static const struct xf_option resolve_options[] = {
    { .name = "yes",
      .key = "yes",
      .kind = XF_OPTION_FLAG,
      .help = "do it, not only say what it risks" },
    { .name = NULL },
};

static const struct xf_option keygen_options[] = {
    { .name = "force",
      .key = "force",
      .kind = XF_OPTION_FLAG,
      .help = "replace a key that exists" },
    { .name = NULL },
};

static int cmd_help(struct xf_cli *cli, struct xf_given *given);

static const struct xf_verb verbs[] = {
    {
        .name = "nodes",
        .synopsis = "",
        .summary = "Show the nodes",
        .timeout_ms = QUICK_MS,
        .run = xf_ask_and_show,
        .show = xf_show_nodes,
    },
    {
        .name = "domains",
        .synopsis = "",
        .summary = "Show the domains and where they run",
        .timeout_ms = QUICK_MS,
        .run = xf_ask_and_show,
        .show = xf_show_domains,
    },
    {
        .name = "create",
        .positional = { "config" },
        .n_required = 1,
        .synopsis = "FILE|- [--node NODE] [--uuid UUID]",
        .summary = "Start a domain from its configuration",
        .options = create_options,
        .timeout_ms = SLOW_MS,
        .run = xf_cmd_create,
        .show = xf_show_created,
    },
    {
        .name = "destroy",
        .positional = { "domain" },
        .n_required = 1,
        .synopsis = "DOMAIN [--force]",
        .summary = "Destroy a domain",
        .options = destroy_options,
        .timeout_ms = SLOW_MS,
        .run = xf_ask_and_show,
        .show = xf_show_destroyed,
    },
    {
        .name = "move",
        .positional = { "domain" },
        .n_required = 1,
        .synopsis = "DOMAIN --to NODE [OPTIONS]",
        .summary = "Move a running domain",
        .options = move_options,
        .timeout_ms = QUICK_MS,
        .run = xf_cmd_move,
    },
    {
        .name = "check",
        .positional = { "domain", "to" },
        .synopsis = "DOMAIN NODE [--cold] [--verbose] | --all [--now]",
        .summary = "Prove that a domain can move to a node, or say why not",
        .options = check_options,
        .timeout_ms = SLOW_MS,
        .run = xf_cmd_check,
    },
    {
        .name = "cancel",
        .positional = { "domain" },
        .n_required = 1,
        .synopsis = "DOMAIN",
        .summary = "Stop a move; the domain stays where it runs",
        .timeout_ms = QUICK_MS,
        .run = xf_ask_and_show,
        .show = xf_show_cancelled,
    },
    {
        .name = "status",
        .positional = { "domain" },
        .synopsis = "[DOMAIN]",
        .summary = "Show moves under way and in doubt",
        .timeout_ms = QUICK_MS,
        .run = xf_ask_and_show,
        .show = xf_show_status,
    },
    {
        .name = "watch",
        .synopsis = "",
        .summary = "Show what happens, until interrupted",
        .timeout_ms = QUICK_MS,
        .run = xf_cmd_watch,
    },
    {
        .name = "history",
        .positional = { "domain" },
        .synopsis = "[DOMAIN] [--limit N]",
        .summary = "Show moves that ended",
        .options = history_options,
        .timeout_ms = QUICK_MS,
        .run = xf_ask_and_show,
        .show = xf_show_history,
    },
    {
        .name = "report",
        .positional = { "domain" },
        .synopsis = "[DOMAIN] [--migration ID]",
        .summary = "Show one move in full: its rounds and its pause",
        .options = report_options,
        .timeout_ms = QUICK_MS,
        .run = xf_ask_and_show,
        .show = xf_show_report,
    },
    {
        .name = "resolve",
        .positional = { "domain", "decision" },
        .n_required = 2,
        .synopsis = "DOMAIN stay|go|drop [--yes]",
        .summary = "Decide, at a risk, a move that is in doubt, or drop what xl left",
        .options = resolve_options,
        .timeout_ms = SLOW_MS,
        .run = xf_cmd_resolve,
    },
    {
        .name = "console",
        .positional = { "domain" },
        .n_required = 1,
        .synopsis = "DOMAIN",
        .summary = "Be at a domain's console, wherever it moves",
        .timeout_ms = QUICK_MS,
        .run = xf_cmd_console,
    },
    {
        .name = "confirm-off",
        .positional = { "node" },
        .n_required = 1,
        .synopsis = "NODE",
        .summary = "Vouch that a node is powered off",
        .timeout_ms = QUICK_MS,
        .run = xf_ask_and_show,
        .show = xf_show_confirmed,
    },
    {
        .name = "debug",
        .synopsis = "",
        .summary = "Show the last events and actions of this node's agent",
        .timeout_ms = QUICK_MS,
        .run = xf_ask_and_show,
        .show = xf_show_trace,
    },
    {
        .name = "metrics",
        .synopsis = "",
        .summary = "Show figures of this node's agent",
        .timeout_ms = QUICK_MS,
        .run = xf_ask_and_show,
        .show = xf_show_metrics,
    },
    {
        .name = "config",
        .positional = { "what", "file" },
        .n_required = 1,
        .synopsis = "check|show [FILE]",
        .summary = "Check the settings, or show them",
        .timeout_ms = QUICK_MS,
        .run = xf_cmd_config,
    },
    {
        .name = "keygen",
        .positional = { "file" },
        .synopsis = "[FILE] [--force]",
        .summary = "Make the cluster's secret",
        .options = keygen_options,
        .timeout_ms = QUICK_MS,
        .run = xf_cmd_keygen,
    },
    {
        .name = "help",
        .positional = { "verb" },
        .synopsis = "[VERB]",
        .summary = "Show this, or a verb's options",
        .timeout_ms = QUICK_MS,
        .run = cmd_help,
    },
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct xf_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < N_VERBS; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

static void print_usage(FILE *out)
{
    fputs("usage: xenferry [--json] VERB [ARGUMENTS]\n\n", out);
    for (size_t i = 0; i < N_VERBS; i++) {
        fprintf(out, "  %-12s %s\n", verbs[i].name, verbs[i].summary);
    }
    fputs("\nxenferry help VERB shows a verb's options; xenferry(8) has it all.\n", out);
}

static int no_such_verb(const struct xf_cli *cli, const char *name)
{
    int rc = xf_complain(cli, XF_REASON_USAGE, "no such verb: '%s'", name);

    print_usage(stderr);
    return rc;
}

static int cmd_help(struct xf_cli *cli, struct xf_given *given)
{
    const char *name = xf_ctl_value(&given->request, "verb");
    const struct xf_verb *verb = name != NULL ? find_verb(name) : NULL;

    if (name != NULL && verb == NULL) {
        return no_such_verb(cli, name);
    }
    if (verb != NULL) {
        xf_options_print(verb, stdout);
    } else {
        print_usage(stdout);
    }
    xf_flush_stdout();
    return 0;
}

static unsigned terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) {
        return size.ws_col;
    }
    return COLUMNS_DEFAULT;
}

/* Known before anything is parsed, so that even an error of usage is told in JSON. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

/* Options before the verb. 0, or the exit code plus 1 when it ends here. */
static int parse_global(const struct xf_cli *cli, int argc, char **argv)
{
    static const struct option table[] = {
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    int value;

    opterr = 0;
    /* '+': stops at the verb, whose options are its own. */
    while ((value = getopt_long(argc, argv, "+hV", table, NULL)) != -1) {
        switch (value) {
        case 'j':
            break;
        case 'h':
            print_usage(stdout);
            xf_flush_stdout();
            return 1;
        case 'V':
            puts("xenferry " PACKAGE_VERSION);
            xf_flush_stdout();
            return 1;
        default:
            xf_complain(cli, XF_REASON_USAGE, "unknown option before the verb");
            print_usage(stderr);
            return xf_reason_exit(XF_REASON_USAGE) + 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct xf_given given;
    struct xf_cli cli = { .json = wants_json(argc, argv) };
    int rc;

    setlocale(LC_CTYPE, "");
    cli.terminal = isatty(STDOUT_FILENO) == 1;
    cli.color = cli.terminal && getenv("NO_COLOR") == NULL;
    cli.columns = terminal_columns();
    rc = parse_global(&cli, argc, argv);
    if (rc != 0) {
        return rc - 1;
    }
    if (optind >= argc) {
        rc = xf_complain(&cli, XF_REASON_USAGE, "a verb is missing");
        print_usage(stderr);
        return rc;
    }
    cli.verb = find_verb(argv[optind]);
    if (cli.verb == NULL) {
        return no_such_verb(&cli, argv[optind]);
    }
    cli.timeout_ms = cli.verb->timeout_ms;
    rc = xf_options_parse(&cli, argc - optind, argv + optind, &given);
    if (rc != 0) {
        return rc - 1;
    }
    return cli.verb->run(&cli, &given);
}
