/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host is called: a server of one of these names or addresses is nobody else's. */
#include "config.h"

#include "look.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "text.h"

static void add(struct xf_own_names *own, const char *name)
{
    if (own->n < XF_OWN_NAMES_MAX && name[0] != '\0' &&
        xf_text_copy(own->of[own->n], sizeof(own->of[own->n]), name)) {
        own->n++;
    }
}

/* Numeric; false: it is no internet address. */
static bool address_text(const struct sockaddr *addr, char *buf, socklen_t size)
{
    const void *bytes;

    if (addr == NULL || (addr->sa_family != AF_INET && addr->sa_family != AF_INET6)) {
        return false;
    }
    bytes = addr->sa_family == AF_INET
                ? (const void *)&((const struct sockaddr_in *)(const void *)addr)->sin_addr
                : (const void *)&((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
    return inet_ntop(addr->sa_family, bytes, buf, size) != NULL;
}

static void recorded(const struct xf_tree *tree, struct xf_own_names *own)
{
    char text[4096], name[XF_SERVER_SIZE];
    const char *at = text;
    struct xf_line line;

    if (xf_tree_kept(tree, "own", text, sizeof(text)) == 0) {
        while (xf_line_next(&at, &line)) {
            if (xf_word_copy(&line, name, sizeof(name))) {
                add(own, name);
            }
        }
    }
}

static void live(struct xf_own_names *own)
{
    char name[XF_SERVER_SIZE];
    struct ifaddrs *list, *at;

    if (gethostname(name, sizeof(name)) == 0 && strnlen(name, sizeof(name)) < sizeof(name)) {
        add(own, name);
    }
    if (getifaddrs(&list) < 0) {
        return;
    }
    for (at = list; at != NULL; at = at->ifa_next) {
        if (address_text(at->ifa_addr, name, sizeof(name))) {
            add(own, name);
        }
    }
    freeifaddrs(list);
}

/* A name that the host's own tables give to itself. A resolver that does not answer has a second. */
static bool leads_home(const char *server, const struct xf_own_names *own)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    char text[XF_SERVER_SIZE];
    bool home = false;

    setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);
    if (getaddrinfo(server, NULL, &hints, &list) != 0) {
        return false;
    }
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        home =
            home || (address_text(at->ai_addr, text, sizeof(text)) && xf_server_is_own(text, own));
    }
    freeaddrinfo(list);
    return home;
}

bool xf_own_is(const struct xf_tree *tree, const char *server)
{
    struct xf_own_names own = { 0 };
    char plain[XF_SERVER_SIZE];

    xf_own_plain(server, plain, sizeof(plain));
    if (tree->root != NULL) {
        recorded(tree, &own);
        return xf_server_is_own(plain, &own);
    }
    live(&own);
    return xf_server_is_own(plain, &own) || leads_home(plain, &own);
}

void xf_own_plain(const char *server, char *buf, size_t size)
{
    struct in6_addr v6;
    struct in_addr v4;
    char text[XF_SERVER_SIZE];
    size_t len;

    xf_text_copy(text, sizeof(text), server + (server[0] == '['));
    len = strlen(text);
    if (server[0] == '[' && len > 0 && text[len - 1] == ']') {
        text[len - 1] = '\0';
    }
    if (inet_pton(AF_INET, text, &v4) == 1) {
        inet_ntop(AF_INET, &v4, text, sizeof(text));
    } else if (inet_pton(AF_INET6, text, &v6) == 1) {
        if (IN6_IS_ADDR_V4MAPPED(&v6)) {
            inet_ntop(AF_INET, &v6.s6_addr[12], text, sizeof(text));
        } else {
            inet_ntop(AF_INET6, &v6, text, sizeof(text));
        }
    }
    for (char *c = text; *c != '\0'; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    }
    xf_text_copy(buf, size, text);
}
