/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verbs that are answered in events: move, and watch.
 *
 * A move belongs to the agents. Whatever becomes of this command, a signal included, it goes on.
 */
#include "config.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bar.h"
#include "cli.h"
#include "client.h"
#include "field.h"
#include "table.h"

/* What a shell reports of a command that SIGINT ended. */
#define EXIT_INTERRUPTED 130
#define EVENT_SIZE_MAX   (4u << 20)

struct stream {
    struct xf_cli *cli;
    struct xf_client *client;
    const char *domain; /* NULL: watch */
    sigset_t mask;      /* while waiting */
    char *partial;      /* an event that came in several parts, so far */
    size_t partial_len;
    bool has_bar; /* the cursor stands behind a bar */
    bool accepted;
    bool refused; /* by the check, */
    bool found;   /* for what it found */
    int rc;       /* exit code that the "ended" event asks for */
};

static void on_signal(int number)
{
    /* Only so that ppoll() returns; SIG_IGN would not do that. */
    (void)number;
}

/* A signal that our starter has us ignore stays ignored: a move in a script's background. */
static void catch_signal(int number, sigset_t *held, sigset_t *waiting)
{
    static const struct sigaction action = { .sa_handler = on_signal };
    struct sigaction before;

    sigaction(number, NULL, &before);
    if (before.sa_handler != SIG_IGN) {
        sigaddset(held, number);
        sigprocmask(SIG_BLOCK, held, NULL);
        sigaction(number, &action, NULL);
        sigdelset(waiting, number);
    }
}

/* From here on SIGINT and SIGTERM come only while waiting for the agent. */
static void hold_signals(sigset_t *ret_waiting)
{
    sigset_t held;

    sigemptyset(&held);
    sigprocmask(SIG_SETMASK, NULL, ret_waiting);
    catch_signal(SIGINT, &held, ret_waiting);
    catch_signal(SIGTERM, &held, ret_waiting);
}

static void end_bar(struct stream *stream)
{
    if (stream->has_bar) {
        putchar('\n');
        stream->has_bar = false;
        fflush(stdout);
    }
}

static void print_time(void)
{
    time_t now = time(NULL);
    struct tm tm;
    char text[16];

    if (localtime_r(&now, &tm) != NULL && strftime(text, sizeof(text), "%H:%M:%S  ", &tm) > 0) {
        fputs(text, stdout);
    }
}

static void show_progress(struct stream *stream, const json_t *event)
{
    bool overwrites = stream->cli->terminal && stream->domain != NULL;
    char line[XF_BAR_SIZE];

    xf_bar_render(event, overwrites ? stream->cli->columns - 1 : 0, line, sizeof(line));
    if (overwrites) {
        printf("\r%s\033[K", line);
        stream->has_bar = true;
    } else {
        if (stream->domain == NULL) {
            print_time();
        }
        puts(line);
    }
}

static void show_accepted(const struct stream *stream, const json_t *event)
{
    char line[512];

    if (stream->domain == NULL) {
        return;
    }
    if (strcmp(xf_field_text(event, "state"), "queued") == 0) {
        snprintf(line, sizeof(line), "%s: accepted, waits for a free slot", stream->domain);
    } else {
        snprintf(line, sizeof(line), "%s: accepted, migration %s", stream->domain,
                 xf_field_text(event, "migration"));
    }
    xf_utf8_make_safe(line);
    puts(line);
}

/* A move that did not move the domain is a failure of the command, with the reason's exit code. */
static void end_move(struct stream *stream, const json_t *event)
{
    enum xf_reason reason = xf_reason_parse(xf_field_text(event, "reason"));
    const char *text = xf_field_text(event, "text");

    if (stream->domain == NULL || strcmp(xf_field_text(event, "result"), "moved") == 0) {
        return;
    }
    if (reason == XF_REASON_OK || reason == XF_N_REASONS) {
        reason = XF_REASON_INTERNAL;
    }
    stream->rc = xf_complain(stream->cli, reason, "%s", xf_detail_of(reason, text));
}

static bool has_refusal(const json_t *findings)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(findings, i, finding)
    {
        if (strcmp(xf_field_text(finding, "severity"), "refuse") == 0) {
            return true;
        }
    }
    return false;
}

static void take_event(struct stream *stream, const json_t *event)
{
    const char *kind = xf_field_text(event, "event");
    bool is_end = strcmp(kind, "ended") == 0;

    if (strcmp(kind, "accepted") == 0 || strcmp(kind, "checking") == 0) {
        stream->accepted = true;
    } else if (strcmp(kind, "refused") == 0) {
        stream->refused = true;
        stream->found = stream->domain != NULL && has_refusal(xf_field_array(event, "findings"));
    }
    if (stream->cli->json) {
        xf_print_json(event);
    } else if (strcmp(kind, "accepted") == 0) {
        show_accepted(stream, event);
    } else if (strcmp(kind, "progress") == 0) {
        show_progress(stream, event);
    } else if (is_end) {
        end_bar(stream);
        if (stream->domain == NULL) {
            print_time();
        }
        xf_show_ended(stream->cli, event);
    }
    xf_flush_stdout();
    if (is_end) {
        end_move(stream, event);
    }
}

/*
 * An event may come in several parts: gathers until it is whole. 0, or -EBADMSG for what can
 * become no JSON object.
 */
static int take_part(struct stream *stream, const char *body)
{
    size_t n = strlen(body);
    json_error_t error;
    json_t *event;

    if (n == 0) {
        return 0;
    }
    if (n > EVENT_SIZE_MAX - stream->partial_len) {
        return -EBADMSG;
    }
    stream->partial = realloc(stream->partial, stream->partial_len + n + 1);
    if (stream->partial == NULL) {
        err(1, "event");
    }
    memcpy(stream->partial + stream->partial_len, body, n + 1);
    event = json_loadb(stream->partial, stream->partial_len + n, JSON_REJECT_DUPLICATES, &error);
    if (event == NULL && json_error_code(&error) == json_error_premature_end_of_input) {
        stream->partial_len += n;
        return 0;
    }
    stream->partial_len = 0;
    if (!json_is_object(event)) {
        json_decref(event);
        return -EBADMSG;
    }
    take_event(stream, event);
    json_decref(event);
    return 0;
}

static int interrupted(struct stream *stream)
{
    end_bar(stream);
    if (stream->domain != NULL) {
        char name[XF_NAME_SIZE];

        snprintf(name, sizeof(name), "%s", stream->domain);
        xf_utf8_make_safe(name);
        fprintf(stderr, "xenferry: the move of %s goes on; to stop it: xenferry cancel %s\n", name,
                name);
    }
    return EXIT_INTERRUPTED;
}

static int broken(struct stream *stream, int rc)
{
    end_bar(stream);
    if (stream->accepted && rc != -EBADMSG) {
        return xf_complain(stream->cli, XF_REASON_NO_AGENT,
                           "lost during the move, which goes on or is undone without this "
                           "command: xenferry status, xenferry history");
    }
    return xf_complain_of_agent(stream->cli, rc);
}

/* Silence is in order while a move waits for a slot, or nothing moves; then the agent still answers. */
static int wait_for_part(struct stream *stream, struct xf_ctl_reply *ret_reply)
{
    int rc;

    for (;;) {
        rc = xf_client_recv(stream->client, stream->cli->timeout_ms, &stream->mask, ret_reply);
        if (rc != -ETIMEDOUT) {
            return rc;
        }
        rc = xf_agent_check_alive(stream->cli);
        if (rc < 0) {
            return rc;
        }
    }
}

static int run_stream(struct stream *stream, const struct xf_ctl_request *request)
{
    struct xf_ctl_reply reply;
    int rc;

    rc = xf_client_open(stream->cli->timeout_ms, &stream->client);
    if (rc == 0) {
        rc = xf_client_send(stream->client, request, stream->cli->timeout_ms);
    }
    if (rc < 0) {
        return xf_complain_of_agent(stream->cli, rc);
    }
    do {
        rc = wait_for_part(stream, &reply);
        if (rc == -EINTR) {
            return interrupted(stream);
        }
        if (rc == 0) {
            rc = take_part(stream, reply.body);
        }
        if (rc < 0) {
            return broken(stream, rc);
        }
    } while (reply.more);
    end_bar(stream);
    if (stream->rc != 0) {
        return stream->rc; /* said already, by the report */
    }
    if (reply.reason != XF_REASON_OK && reply.reason != XF_REASON_QUEUED) {
        if (stream->found && reply.text[0] != '\0') {
            return xf_complain_of_check(stream->cli, reply.reason, reply.text, stream->domain,
                                        xf_ctl_value(request, "to"));
        }
        rc = xf_complain(stream->cli, reply.reason, "%s", reply.text);
        if (stream->refused) {
            fputs("hint: move --unproven goes on in spite of it\n", stderr);
        }
        return rc;
    }
    return 0;
}

static int stream_and_close(struct stream *stream, const struct xf_ctl_request *request)
{
    int rc;

    hold_signals(&stream->mask);
    rc = run_stream(stream, request);
    xf_client_close(stream->client);
    free(stream->partial);
    return rc;
}

int xf_cmd_move(struct xf_cli *cli, struct xf_given *given)
{
    struct stream stream = { .cli = cli };
    const char *wait = xf_ctl_value(&given->request, "wait");
    bool waits = wait == NULL || strcmp(wait, "1") == 0;

    stream.domain = xf_ctl_value(&given->request, "domain");
    xf_given_add(given, "wait", waits ? "1" : "0");
    /* Who does not wait wants to know now whether it starts. */
    xf_given_add(given, "queue", waits ? "1" : "0");
    return stream_and_close(&stream, &given->request);
}

int xf_cmd_watch(struct xf_cli *cli, struct xf_given *given)
{
    struct stream stream = { .cli = cli };

    return stream_and_close(&stream, &given->request);
}
