/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plays an agent to the command: answers each verb as a script says, writes down what it was asked.
 *
 *     fake_agent SCRIPT REQUESTS
 *
 * Its service name is $XENFERRY_IPC_NAME. Lines of the script:
 *
 *     on VERB            what follows answers this verb; a verb without a section is not answered
 *     part REASON        one part of the answer, with the lines "text ..." and "body ..." after it
 *     last REASON        the same, and it is the last part
 *     split N REASON     parts whose bodies hold N bytes each, of one body; the last one ends it
 *     raw HEX            these bytes instead of a coded part
 *     wait MS
 *     await N VERB       until that verb has been asked N times; goes on before the N-th is answered
 *     exit               dies here
 *
 * Prints "ready" once it can be asked. Ends with its parent, and by itself after a minute.
 */
#include "config.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#include "ctl.h"

#define LINES_MAX        512
#define MESSAGE_SIZE_MAX (XF_CTL_SIZE_MAX + 256u)
#define LIFE_S           60u

static qb_loop_t *loop;
static char *script[LINES_MAX];
static size_t n_lines;
static const char *requests_path;

/* One question that is being answered; a new one on another connection has its own. */
struct play {
    qb_ipcs_connection_t *connection;
    size_t at;
    const char *awaited; /* the verb; NULL: none */
    unsigned long n_awaited;
};

static struct play *waiting; /* a script has at most one that awaits a verb */

static void read_script(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    if (file == NULL) {
        err(1, "%s", path);
    }
    while ((n = getline(&line, &room, file)) > 0) {
        if (line[n - 1] == '\n') {
            line[n - 1] = '\0';
        }
        if (*line == '\0' || *line == '#') {
            continue;
        }
        if (n_lines == LINES_MAX || (script[n_lines] = strdup(line)) == NULL) {
            errx(1, "%s: too long", path);
        }
        n_lines++;
    }
    free(line);
    fclose(file);
}

static const char *after(const char *line, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(line, word, n) != 0 || (line[n] != ' ' && line[n] != '\0')) {
        return NULL;
    }
    return line[n] == ' ' ? line + n + 1 : line + n;
}

static void send_bytes(qb_ipcs_connection_t *connection, const uint8_t *bytes, size_t n)
{
    static uint8_t out[MESSAGE_SIZE_MAX];
    struct qb_ipc_response_header header;
    ssize_t r;

    memset(&header, 0, sizeof(header));
    header.id = 1;
    header.size = (int32_t)(sizeof(header) + n);
    memcpy(out, &header, sizeof(header));
    memcpy(out + sizeof(header), bytes, n);
    r = qb_ipcs_event_send(connection, out, sizeof(header) + n);
    if (r < 0 && r != -ENOTCONN && r != -EPIPE) {
        errx(1, "event: %s", strerror((int)-r));
    }
}

static void send_part(qb_ipcs_connection_t *connection, const char *reason, bool more,
                      const char *text, const char *body)
{
    static uint8_t bytes[XF_CTL_SIZE_MAX];
    struct xf_ctl_reply reply = { .more = more, .text = text, .body = body };
    int n;

    reply.reason = (uint16_t)xf_reason_parse(reason);
    if (reply.reason == XF_N_REASONS) {
        errx(1, "no such reason: %s", reason);
    }
    n = xf_ctl_encode_reply(&reply, bytes, sizeof(bytes));
    if (n < 0) {
        errx(1, "encode: %s", strerror(-n));
    }
    send_bytes(connection, bytes, (size_t)n);
}

static void send_split(qb_ipcs_connection_t *connection, const char *arguments, const char *text,
                       const char *body)
{
    char *reason;
    size_t n = strtoul(arguments, &reason, 10);
    char *piece = calloc(1, n + 1);

    if (piece == NULL || n == 0 || *reason++ != ' ') {
        errx(1, "split N REASON");
    }
    for (size_t left = strlen(body);; left -= n, body += n) {
        if (left <= n) {
            send_part(connection, reason, false, text, body);
            break;
        }
        memcpy(piece, body, n);
        send_part(connection, reason, true, "", piece);
    }
    free(piece);
}

static void send_raw(qb_ipcs_connection_t *connection, const char *hex)
{
    static uint8_t bytes[XF_CTL_SIZE_MAX];
    size_t n = 0;
    int used;
    unsigned value;

    while (n < sizeof(bytes) && sscanf(hex, "%2x%n", &value, &used) == 1) {
        bytes[n++] = (uint8_t)value;
        hex += used;
    }
    send_bytes(connection, bytes, n);
}

/* The "text" and "body" lines of a part; moves behind them. */
static void take_content(size_t *at, const char **ret_text, const char **ret_body)
{
    *ret_text = "";
    *ret_body = "";
    for (; *at < n_lines; (*at)++) {
        const char *text = after(script[*at], "text");
        const char *body = after(script[*at], "body");

        if (text == NULL && body == NULL) {
            return;
        }
        if (text != NULL) {
            *ret_text = text;
        } else {
            *ret_body = body;
        }
    }
}

/* Stops the play until the verb has been asked that often. */
static void await(struct play *play, const char *arguments)
{
    char *verb;

    play->n_awaited = strtoul(arguments, &verb, 10);
    if (play->n_awaited == 0 || *verb++ != ' ' || waiting != NULL) {
        errx(1, "await N VERB, one at a time");
    }
    play->awaited = verb;
    waiting = play;
}

static void go_on(void *data)
{
    struct play *play = data;

    while (play->at < n_lines && after(script[play->at], "on") == NULL) {
        const char *line = script[play->at++];
        const char *arguments;
        const char *text;
        const char *body;

        take_content(&play->at, &text, &body);
        if ((arguments = after(line, "part")) != NULL) {
            send_part(play->connection, arguments, true, text, body);
        } else if ((arguments = after(line, "last")) != NULL) {
            send_part(play->connection, arguments, false, text, body);
        } else if ((arguments = after(line, "split")) != NULL) {
            send_split(play->connection, arguments, text, body);
        } else if ((arguments = after(line, "raw")) != NULL) {
            send_raw(play->connection, arguments);
        } else if ((arguments = after(line, "wait")) != NULL) {
            uint64_t ns = strtoull(arguments, NULL, 10) * 1000000u;

            qb_loop_timer_add(loop, QB_LOOP_MED, ns, play, go_on, NULL);
            return;
        } else if ((arguments = after(line, "await")) != NULL) {
            await(play, arguments);
            return;
        } else if (strcmp(line, "exit") == 0) {
            _exit(0);
        } else {
            errx(1, "script: %s", line);
        }
    }
    qb_ipcs_connection_unref(play->connection);
    free(play);
}

static void write_down(const struct xf_ctl_request *request)
{
    FILE *file = fopen(requests_path, "ae");

    if (file == NULL) {
        err(1, "%s", requests_path);
    }
    fputs(request->verb, file);
    for (uint32_t i = 0; i < request->n_args; i++) {
        fprintf(file, " %s=%s", request->arg[i].key, request->arg[i].value);
    }
    fputc('\n', file);
    fclose(file);
}

/* A verb was asked: what awaits it for the last time goes on. */
static void count_asked(const char *verb)
{
    struct play *play = waiting;

    if (play != NULL && strcmp(play->awaited, verb) == 0 && --play->n_awaited == 0) {
        waiting = NULL;
        go_on(play);
    }
}

static int32_t on_message(qb_ipcs_connection_t *connection, void *data, size_t size)
{
    size_t header_size = sizeof(struct qb_ipc_request_header);
    struct xf_ctl_request request;
    struct play *play;

    if (size < header_size || xf_ctl_decode_request((const uint8_t *)data + header_size,
                                                    size - header_size, &request) != 0) {
        errx(1, "a request that cannot be decoded");
    }
    write_down(&request);
    count_asked(request.verb);
    for (size_t i = 0; i < n_lines; i++) {
        const char *verb = after(script[i], "on");

        if (verb != NULL && strcmp(verb, request.verb) == 0) {
            play = calloc(1, sizeof(*play));
            if (play == NULL) {
                err(1, "play");
            }
            play->connection = connection;
            play->at = i + 1;
            qb_ipcs_connection_ref(connection);
            go_on(play);
            break;
        }
    }
    return 0;
}

static int32_t on_accept(qb_ipcs_connection_t *connection, uid_t uid, gid_t gid)
{
    (void)connection;
    (void)uid;
    (void)gid;
    return 0;
}

static void on_created(qb_ipcs_connection_t *connection)
{
    (void)connection;
}

static int32_t on_closed(qb_ipcs_connection_t *connection)
{
    (void)connection;
    return 0;
}

static void on_destroyed(qb_ipcs_connection_t *connection)
{
    (void)connection;
}

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
    return qb_loop_job_add(loop, p, data, fn);
}

static int32_t dispatch_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
                            qb_ipcs_dispatch_fn_t fn)
{
    return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t dispatch_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
                            qb_ipcs_dispatch_fn_t fn)
{
    return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t dispatch_del(int32_t fd)
{
    return qb_loop_poll_del(loop, fd);
}

int main(int argc, char **argv)
{
    static struct qb_ipcs_service_handlers handlers = {
        .connection_accept = on_accept,
        .connection_created = on_created,
        .msg_process = on_message,
        .connection_closed = on_closed,
        .connection_destroyed = on_destroyed,
    };
    static struct qb_ipcs_poll_handlers poll_handlers = {
        .job_add = job_add,
        .dispatch_add = dispatch_add,
        .dispatch_mod = dispatch_mod,
        .dispatch_del = dispatch_del,
    };
    const char *name = getenv("XENFERRY_IPC_NAME");
    qb_ipcs_service_t *service;

    if (argc != 3 || name == NULL) {
        errx(2, "usage: XENFERRY_IPC_NAME=NAME fake_agent SCRIPT REQUESTS");
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(LIFE_S);
    read_script(argv[1]);
    requests_path = argv[2];
    loop = qb_loop_create();
    service = qb_ipcs_create(name, 0, QB_IPC_SOCKET, &handlers);
    if (loop == NULL || service == NULL) {
        errx(1, "libqb");
    }
    qb_ipcs_poll_handlers_set(service, &poll_handlers);
    qb_ipcs_enforce_buffer_size(service, MESSAGE_SIZE_MAX);
    if (qb_ipcs_run(service) != 0) {
        errx(1, "cannot serve %s", name);
    }
    puts("ready");
    fflush(stdout);
    qb_loop_run(loop);
    return 0;
}
