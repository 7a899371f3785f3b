/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * READ FIRST. The command: what its files share.
 *
 *   xenferry.c    main, the table of verbs, help
 *   options.c     a verb's options and arguments -> the agent's named values
 *   ask.c         request, answer, time-outs
 *   say.c         errors and JSON
 *   client.c      the connection
 *   cmd_move.c    move and watch: answers in events
 *   cmd_domain.c  create and resolve             cmd_console.c  xl's console, followed
 *   cmd_check.c   check, and the matrix of all
 *   cmd_config.c cmd_keygen.c           what needs no agent
 *   show.c show_report.c show_check.c   answers as text
 *   bar.c table.c field.c units.c       pure helpers of these
 */
#ifndef XF_CLI_H
#define XF_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "ctl.h"
#include "link.h"

struct xf_cli {
    bool json;
    bool terminal; /* stdout is one: the progress bar may overwrite itself */
    bool color;
    unsigned columns; /* of the terminal */
    int timeout_ms;   /* how long the agent may take for an answer */
    const struct xf_verb *verb;
};

enum xf_option_kind {
    XF_OPTION_FLAG,   /* sends "1" */
    XF_OPTION_NEGATE, /* sends "0" */
    XF_OPTION_NUMBER, /* decimal, sent as it is */
    XF_OPTION_RATE,   /* bytes per second with K, M, G; sends KiB/s */
    XF_OPTION_TEXT,
};

struct xf_option {
    const char *name; /* without the dashes */
    const char *key;  /* the agent's name for it */
    enum xf_option_kind kind;
    const char *metavar;
    const char *help;
    bool required;
};

/* A verb's arguments as given: request.arg[] holds them, copies holds the texts made here. */
struct xf_given {
    struct xf_ctl_request request;
    char copies[XF_CTL_ARGS_MAX][32];
    char text[XF_CONFIG_SIZE_MAX]; /* create: the domain's configuration */
};

#define XF_POSITIONALS_MAX 2
struct xf_verb {
    const char *name;
    const char *positional[XF_POSITIONALS_MAX + 1]; /* keys of the arguments; ends with NULL */
    unsigned n_required;                            /* of these */
    const char *synopsis;                           /* the arguments as usage shows them */
    const char *summary;
    const struct xf_option *options;                        /* ends with name NULL; may be NULL */
    int timeout_ms;                                         /* unless --timeout says otherwise */
    int (*run)(struct xf_cli *cli, struct xf_given *given); /* returns the exit code */
    void (*show)(const struct xf_cli *cli, const json_t *body); /* for xf_ask_and_show() */
};

/* options.c: 0, or the exit code plus 1 when it ends here (usage error, --help). */
int xf_options_parse(struct xf_cli *cli, int argc, char **argv, struct xf_given *ret_given);
void xf_options_print(const struct xf_verb *verb, FILE *out);
void xf_given_add(struct xf_given *given, const char *key, const char *value);
void xf_given_remove(struct xf_given *given, const char *key);

/* say.c */
/* Says why nothing, or not everything, was done; returns the reason's exit code. */
int xf_complain(const struct xf_cli *cli, enum xf_reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Of a move that its check refuses: what was found takes the place of the reason's sentence. */
int xf_complain_of_check(const struct xf_cli *cli, enum xf_reason reason, const char *findings,
                         const char *domain, const char *node);
/* A report's text without the reason's sentence, which is printed anyway; "" for none. */
const char *xf_detail_of(enum xf_reason reason, const char *text);
void xf_print_json(const json_t *body);
/* Ends the process with code 1 when stdout cannot be written: a full disk must not look like success. */
void xf_flush_stdout(void);

/* ask.c */
struct xf_answer {
    enum xf_reason reason;
    char *text;
    json_t *body; /* never NULL once xf_ask() returned 0 */
};
/* Sends and gathers the whole answer. 0, or the exit code of what it complained of. */
int xf_ask(const struct xf_cli *cli, const struct xf_ctl_request *request,
           struct xf_answer *ret_answer);
void xf_answer_clear(struct xf_answer *answer);
/* Complains in the words that fit a negative errno of the client; returns the exit code. */
int xf_complain_of_agent(const struct xf_cli *cli, int rc);
/* run() of the simple verbs. */
int xf_ask_and_show(struct xf_cli *cli, struct xf_given *given);
/* 0 while the agent answers another question in time, else a negative errno. */
int xf_agent_check_alive(const struct xf_cli *cli);

/* cmd_*.c */
int xf_cmd_check(struct xf_cli *cli, struct xf_given *given);
int xf_cmd_create(struct xf_cli *cli, struct xf_given *given);
int xf_cmd_move(struct xf_cli *cli, struct xf_given *given);
int xf_cmd_watch(struct xf_cli *cli, struct xf_given *given);
int xf_cmd_console(struct xf_cli *cli, struct xf_given *given);
int xf_cmd_resolve(struct xf_cli *cli, struct xf_given *given);
int xf_cmd_config(struct xf_cli *cli, struct xf_given *given);
int xf_cmd_keygen(struct xf_cli *cli, struct xf_given *given);

/* show_check.c */
void xf_show_check(const json_t *body, bool verbose);
void xf_show_matrix(const struct xf_cli *cli, const json_t *body);

/* show.c, show_report.c: print a body as text on stdout */
void xf_show_nodes(const struct xf_cli *cli, const json_t *body);
void xf_show_domains(const struct xf_cli *cli, const json_t *body);
void xf_show_created(const struct xf_cli *cli, const json_t *body);
void xf_show_destroyed(const struct xf_cli *cli, const json_t *body);
void xf_show_cancelled(const struct xf_cli *cli, const json_t *body);
void xf_show_confirmed(const struct xf_cli *cli, const json_t *body);
void xf_show_status(const struct xf_cli *cli, const json_t *body);
void xf_show_history(const struct xf_cli *cli, const json_t *body);
void xf_show_report(const struct xf_cli *cli, const json_t *body);
void xf_show_ended(const struct xf_cli *cli, const json_t *body);
void xf_show_trace(const struct xf_cli *cli, const json_t *body);
void xf_show_metrics(const struct xf_cli *cli, const json_t *body);

#endif
