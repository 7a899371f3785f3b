/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block devices that another host serves: what nbd-client was told, and whose a server's name is. */
#include "config.h"

#include "device.h"

#include <errno.h>
#include <string.h>

#include "text.h"

/* nbd-client's, of all versions; it takes one dash or two, as getopt_long_only() does. */
static const struct option_row {
    const char *name;
    char letter;
    bool has_value;
} options[] = {
    { "block-size", 'b', true },  { "cacertfile", 'A', true },    { "certfile", 'F', true },
    { "connections", 'C', true }, { "dead-timeout", 'T', true },  { "enable-tls", 'x', false },
    { "identifier", 'i', true },  { "keyfile", 'K', true },       { "name", 'N', true },
    { "no-optgo", 'g', false },   { "nofork", 'n', false },       { "nonetlink", 'L', false },
    { "persist", 'p', false },    { "preinit", 'P', false },      { "priority", 'y', true },
    { "readonly", 'R', false },   { "sdp", 'S', false },          { "size", 'B', true },
    { "swap", 's', false },       { "systemd-mark", 'm', false }, { "timeout", 't', true },
    { "tlshostname", 'H', true }, { "unix", 'u', false },
};

static bool same(const char *a, size_t len, const char *b)
{
    return strlen(b) == len && memcmp(a, b, len) == 0;
}

/* ret_value: behind "=" or the letter, NULL when it is the next argument. NULL: no option of its. */
static const struct option_row *find_option(const char *arg, const char **ret_value)
{
    const char *name = arg + (arg[1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);

    *ret_value = NULL;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (same(name, len, options[i].name)) {
            *ret_value = equals != NULL ? equals + 1 : NULL;
            return &options[i];
        }
    }
    for (size_t i = 0; arg[1] != '-' && i < sizeof(options) / sizeof(options[0]); i++) {
        if (arg[1] == options[i].letter && (arg[2] == '\0' || options[i].has_value)) {
            *ret_value = arg[2] != '\0' ? arg + 2 : NULL;
            return &options[i];
        }
    }
    return NULL;
}

struct words {
    uint32_t n;
    const char *of[XF_NBD_ARGV_MAX];
};

static int split(const char *args, size_t size, struct words *ret_words)
{
    ret_words->n = 0;
    while (size > 0) {
        size_t len = strnlen(args, size);

        if (len == size || ret_words->n == XF_NBD_ARGV_MAX) {
            return -EINVAL;
        }
        ret_words->of[ret_words->n++] = args;
        args += len + 1;
        size -= len + 1;
    }
    return ret_words->n > 0 ? 0 : -ESRCH;
}

static const char *last_part(const char *path)
{
    const char *slash;

    while ((slash = strchr(path, '/')) != NULL) {
        path = slash + 1;
    }
    return path;
}

static bool old_style(const char *word)
{
    return strchr(word, '=') != NULL &&
           (memcmp(word, "bs=", 3) == 0 || (strlen(word) > 8 && memcmp(word, "timeout=", 8) == 0));
}

/* Options into nbd, all else into ret_plain. */
static int read_options(const struct words *words, struct xf_nbd *nbd, struct words *ret_plain)
{
    bool only_plain = false;

    ret_plain->n = 0;
    for (uint32_t i = 1; i < words->n; i++) {
        const char *word = words->of[i], *value;
        const struct option_row *option;

        if (only_plain || word[0] != '-' || word[1] == '\0') {
            if (only_plain || strlen(word) < 4 || !old_style(word)) {
                ret_plain->of[ret_plain->n++] = word;
            }
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_plain = true;
            continue;
        }
        option = find_option(word, &value);
        if (option == NULL || (value != NULL && !option->has_value)) {
            return -EINVAL;
        }
        if (option->has_value && value == NULL) {
            if (++i == words->n) {
                return -EINVAL;
            }
            value = words->of[i];
        }
        nbd->is_socket = nbd->is_socket || option->letter == 'u';
        if (option->letter == 'N' &&
            !xf_text_copy(nbd->export_name, sizeof(nbd->export_name), value)) {
            return -EINVAL;
        }
    }
    return 0;
}

int xf_nbd_cmdline_parse(const char *args, size_t size, const char *device, struct xf_nbd *ret_nbd)
{
    struct xf_nbd nbd = { .port = XF_NBD_PORT };
    struct words words, plain;
    uint64_t port;
    int rc = split(args, size, &words);

    if (rc < 0 || strcmp(last_part(words.of[0]), "nbd-client") != 0) {
        return rc < 0 ? rc : -ESRCH;
    }
    rc = read_options(&words, &nbd, &plain);
    if (rc < 0) {
        return rc;
    }
    if (plain.n < 2 || plain.n > 3 || (nbd.is_socket && plain.n != 2)) {
        return -EINVAL;
    }
    if (strcmp(last_part(plain.of[plain.n - 1]), device) != 0) {
        return -ESRCH;
    }
    if (plain.n == 3) {
        if (xf_u64_parse(plain.of[1], 1, 65535, &port) < 0) {
            return -EINVAL;
        }
        nbd.port = (uint32_t)port;
    }
    if (plain.of[0][0] == '\0' || !xf_text_copy(nbd.server, sizeof(nbd.server), plain.of[0]) ||
        !xf_text_name_ok(nbd.server, sizeof(nbd.server)) ||
        !xf_text_name_ok(nbd.export_name, sizeof(nbd.export_name)) ||
        !xf_text_utf8_ok(nbd.server) || !xf_text_utf8_ok(nbd.export_name)) {
        return -EINVAL;
    }
    *ret_nbd = nbd;
    return 0;
}

void xf_nbd_text(const struct xf_nbd *nbd, char *buf, size_t size)
{
    bool bare_ipv6 = !nbd->is_socket && nbd->server[0] != '[' && strchr(nbd->server, ':') != NULL;
    struct xf_text text;

    xf_text_init(&text, buf, size);
    xf_text_str(&text, nbd->is_socket ? "unix:" : bare_ipv6 ? "[" : "");
    xf_text_str(&text, nbd->server);
    xf_text_str(&text, bare_ipv6 ? "]" : "");
    if (!nbd->is_socket) {
        xf_text_char(&text, ':');
        xf_text_u64(&text, nbd->port);
    }
    xf_text_char(&text, '/');
    xf_text_str(&text, nbd->export_name);
}

/* Lower case, without brackets, a zone and the last dot of a name. */
static void plain_server(const char *server, char buf[static XF_SERVER_SIZE])
{
    size_t len = 0;

    server += server[0] == '[';
    while (server[len] != '\0' && server[len] != ']' && server[len] != '%' &&
           len < XF_SERVER_SIZE - 1) {
        char c = server[len];

        buf[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    while (len > 0 && buf[len - 1] == '.') {
        len--;
    }
    buf[len] = '\0';
}

static bool is_address(const char *server)
{
    return strchr(server, ':') != NULL || (server[0] >= '0' && server[0] <= '9');
}

static bool begins(const char *text, const char *with)
{
    return strlen(text) >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

static bool is_loopback(const char *server)
{
    const char *v4 = begins(server, "::ffff:") ? server + 7 : server;

    return begins(v4, "127.") || strcmp(v4, "0.0.0.0") == 0 || strcmp(v4, "0") == 0 ||
           strcmp(server, "::1") == 0 || strcmp(server, "::") == 0 ||
           strcmp(server, "localhost") == 0 || begins(server, "localhost.") ||
           begins(server, "ip6-localhost") || begins(server, "ip6-loopback");
}

/* "node1" and "node1.example.com" are one host's; two domains are not. */
static bool same_host(const char *a, const char *b)
{
    const char *dot_a = strchr(a, '.'), *dot_b = strchr(b, '.');
    size_t len_a = dot_a != NULL ? (size_t)(dot_a - a) : strlen(a);
    size_t len_b = dot_b != NULL ? (size_t)(dot_b - b) : strlen(b);

    if (is_address(a) || is_address(b) || (dot_a != NULL && dot_b != NULL)) {
        return strcmp(a, b) == 0;
    }
    return len_a == len_b && memcmp(a, b, len_a) == 0;
}

bool xf_server_is_own(const char *server, const struct xf_own_names *own)
{
    char plain[XF_SERVER_SIZE], name[XF_SERVER_SIZE];

    plain_server(server, plain);
    if (plain[0] == '\0' || plain[0] == '/' || is_loopback(plain)) {
        return true;
    }
    for (uint32_t i = 0; i < own->n; i++) {
        plain_server(own->of[i], name);
        if (name[0] != '\0' && same_host(plain, name)) {
            return true;
        }
    }
    return false;
}
