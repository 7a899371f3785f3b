/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question, one answer: the parts of a body are put together, and whatever the agent does or
 * does not do ends in an answer or in an error within the time-out.
 */
#include "config.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "client.h"
#include "table.h"

/* Far above what 32 nodes with 512 domains each say; keeps a mad agent from filling the memory. */
#define BODY_SIZE_MAX (64u << 20)

int xf_complain_of_agent(const struct xf_cli *cli, int rc)
{
    switch (-rc) {
    case ETIMEDOUT:
        return xf_complain(cli, XF_REASON_NO_AGENT, "no answer within %g s",
                           cli->timeout_ms / 1000.0);
    case EBADMSG:
        return xf_complain(cli, XF_REASON_INTERNAL, "the agent's answer cannot be read");
    case EMSGSIZE:
        return xf_complain(cli, XF_REASON_USAGE, "the request is too long");
    case EACCES:
    case EPERM:
        return xf_complain(cli, XF_REASON_NOT_ALLOWED, "%s", strerror(-rc));
    case ENOTCONN:
    case ECONNRESET:
    case ESHUTDOWN:
    case EPIPE:
        return xf_complain(cli, XF_REASON_NO_AGENT, "the connection broke");
    case ECONNREFUSED:
    case ENOENT:
        return xf_complain(cli, XF_REASON_NO_AGENT, "xenferryd is not running");
    default:
        return xf_complain(cli, XF_REASON_NO_AGENT, "%s", strerror(-rc));
    }
}

static char *append_bounded(char *have, size_t *len, const char *more)
{
    size_t n = strlen(more);

    have = realloc(have, *len + n + 1);
    if (have == NULL) {
        err(1, "answer");
    }
    memcpy(have + *len, more, n + 1);
    *len += n;
    return have;
}

static int gather(struct xf_client *client, int timeout_ms, struct xf_answer *answer,
                  char **ret_body)
{
    struct xf_ctl_reply reply;
    size_t body_len = 0;
    int rc;

    do {
        rc = xf_client_recv(client, timeout_ms, NULL, &reply);
        if (rc == -EINTR) {
            reply.more = true;
            continue;
        }
        if (rc < 0) {
            return rc;
        }
        if (strlen(reply.body) > BODY_SIZE_MAX - body_len) {
            return -EBADMSG;
        }
        *ret_body = append_bounded(*ret_body, &body_len, reply.body);
    } while (reply.more);
    answer->reason = reply.reason;
    answer->text = strdup(reply.text); /* the same in every part */
    if (answer->text == NULL) {
        err(1, "answer");
    }
    return 0;
}

void xf_answer_clear(struct xf_answer *answer)
{
    free(answer->text);
    json_decref(answer->body);
    memset(answer, 0, sizeof(*answer));
}

/* Asks without a word; 0 or a negative errno. */
static int ask_quietly(int timeout_ms, const struct xf_ctl_request *request,
                       struct xf_answer *answer)
{
    struct xf_client *client = NULL;
    char *body = NULL;
    int rc;

    memset(answer, 0, sizeof(*answer));
    rc = xf_client_open(timeout_ms, &client);
    if (rc == 0) {
        rc = xf_client_send(client, request, timeout_ms);
    }
    if (rc == 0) {
        rc = gather(client, timeout_ms, answer, &body);
    }
    xf_client_close(client);
    if (rc == 0) {
        /* A refusal needs no body. */
        answer->body =
            *body == '\0' ? json_object() : json_loads(body, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(answer->body)) {
            rc = -EBADMSG;
        }
    }
    free(body);
    if (rc < 0) {
        xf_answer_clear(answer);
    }
    return rc;
}

int xf_ask(const struct xf_cli *cli, const struct xf_ctl_request *request,
           struct xf_answer *ret_answer)
{
    int rc = ask_quietly(cli->timeout_ms, request, ret_answer);

    if (rc < 0) {
        return xf_complain_of_agent(cli, rc);
    }
    if (ret_answer->reason != XF_REASON_OK) {
        rc = xf_complain(cli, ret_answer->reason, "%s", ret_answer->text);
        xf_answer_clear(ret_answer);
    }
    return rc;
}

int xf_ask_and_show(struct xf_cli *cli, struct xf_given *given)
{
    struct xf_answer answer;
    int rc = xf_ask(cli, &given->request, &answer);

    if (rc != 0) {
        return rc;
    }
    if (cli->json) {
        xf_print_json(answer.body);
    } else {
        cli->verb->show(cli, answer.body);
        xf_flush_stdout();
    }
    xf_answer_clear(&answer);
    return 0;
}

int xf_agent_check_alive(const struct xf_cli *cli)
{
    const struct xf_ctl_request request = { .verb = "metrics" };
    struct xf_answer answer;
    int rc = ask_quietly(cli->timeout_ms, &request, &answer);

    xf_answer_clear(&answer);
    return rc;
}
