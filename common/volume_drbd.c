/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What DRBD says of a device: /proc/drbd of 8.x, drbdsetup's show and status of 8.4 and 9. */
#include "config.h"

#include "volume.h"

#include <errno.h>
#include <string.h>

#include "mounts.h"
#include "text.h"

/* Behind "cs:" and the like; false: it is another word. */
static bool value_of(const struct xf_line *word, const char *key, struct xf_line *ret_value)
{
    size_t len = strlen(key);

    if (word->len <= len || memcmp(word->at, key, len) != 0) {
        return false;
    }
    *ret_value = (struct xf_line){ word->at + len, word->len - len };
    return true;
}

/* What stands before the slash: of "Primary/Secondary" this host's. */
static bool first_is(const struct xf_line *word, const char *text)
{
    const char *slash = memchr(word->at, '/', word->len);
    struct xf_line first = { word->at, slash != NULL ? (size_t)(slash - word->at) : word->len };

    return xf_word_is(&first, text);
}

/* In one of these both sides have the same data, or will once the running resync is through. */
static bool connected(const struct xf_line *state)
{
    static const char *const states[] = { "Connected",  "Established", "VerifyS", "VerifyT",
                                          "SyncSource", "PausedSyncS", "Ahead" };

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (xf_word_is(state, states[i])) {
            return true;
        }
    }
    return false;
}

static void describe(struct xf_drbd *drbd, const struct xf_line *word)
{
    struct xf_text text;
    size_t len = strlen(drbd->state);

    xf_text_init(&text, drbd->state + len, sizeof(drbd->state) - len);
    xf_text_str(&text, len > 0 ? " " : "");
    xf_text_mem(&text, word->at, word->len);
    if (!xf_text_name_ok(drbd->state, sizeof(drbd->state)) || !xf_text_utf8_ok(drbd->state)) {
        drbd->state[len] = '\0';
    }
}

int xf_drbd_proc_parse(const char *proc, uint32_t minor, struct xf_drbd *drbd)
{
    char number[16];
    struct xf_text text;
    struct xf_line line, word, value;

    xf_text_init(&text, number, sizeof(number));
    xf_text_u64(&text, minor);
    xf_text_char(&text, ':');
    while (xf_line_next(&proc, &line)) {
        /* " 0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----" */
        if (!xf_word_next(&line, &word) || !xf_word_is(&word, number)) {
            continue;
        }
        while (xf_word_next(&line, &word)) {
            if (value_of(&word, "cs:", &value)) {
                drbd->traits |= connected(&value) ? XF_TRAIT_DRBD_CONNECTED : 0;
                describe(drbd, &value);
            } else if (value_of(&word, "ro:", &value) || value_of(&word, "st:", &value)) {
                drbd->traits |= first_is(&value, "Primary") ? XF_TRAIT_DRBD_PRIMARY : 0;
                describe(drbd, &value);
            } else if (value_of(&word, "ds:", &value)) {
                drbd->traits |= first_is(&value, "UpToDate") ? XF_TRAIT_DRBD_UPTODATE : 0;
                describe(drbd, &value);
            }
        }
        return 0;
    }
    return -ENOENT;
}

static void add_address(struct xf_drbd *drbd, const char *address)
{
    uint32_t at = 0;

    while (at < drbd->n_addresses && strcmp(drbd->address[at], address) < 0) {
        at++;
    }
    if (drbd->n_addresses == XF_DRBD_PEERS_MAX ||
        (at < drbd->n_addresses && strcmp(drbd->address[at], address) == 0)) {
        return;
    }
    for (uint32_t i = drbd->n_addresses; i > at; i--) {
        memcpy(drbd->address[i], drbd->address[i - 1], XF_DRBD_ADDR_SIZE);
    }
    xf_text_copy(drbd->address[at], XF_DRBD_ADDR_SIZE, address);
    drbd->n_addresses++;
}

/* drbdsetup's own language: words, "…" strings, braces and semicolons; # begins a comment. */
static bool token_next(const char **text, struct xf_line *ret_token)
{
    const char *at = *text;
    size_t len = 0;

    while (*at != '\0' && strchr(" \t\r\n#", *at) != NULL) {
        if (*at == '#') {
            while (*at != '\0' && *at != '\n') {
                at++;
            }
        } else {
            at++;
        }
    }
    if (*at == '\0') {
        return false;
    }
    if (*at == '"') {
        at++;
        while (at[len] != '\0' && at[len] != '"') {
            len++;
        }
        *text = at + len + (at[len] == '"');
    } else if (*at == '{' || *at == '}' || *at == ';') {
        len = 1;
        *text = at + 1;
    } else {
        while (at[len] != '\0' && strchr(" \t\r\n{};\"", at[len]) == NULL) {
            len++;
        }
        *text = at + len;
    }
    *ret_token = (struct xf_line){ at, len };
    return true;
}

struct show_walk {
    struct xf_drbd now; /* the resource that is being read */
    uint32_t depth;
    uint32_t volume;
    bool found;
};

/* Of the words of one statement, without what ends it. */
static void statement(struct show_walk *walk, const struct xf_line *word, size_t n, uint32_t minor)
{
    char address[XF_DRBD_ADDR_SIZE];
    uint64_t v;

    if (n >= 2 && xf_word_is(&word[0], "volume") && xf_word_u64(&word[1], &v) == 0 && v < 65536) {
        walk->volume = (uint32_t)v;
    } else if (n >= 3 && xf_word_is(&word[0], "device") && xf_word_is(&word[n - 2], "minor") &&
               xf_word_u64(&word[n - 1], &v) == 0 && v == minor) {
        walk->now.volume = walk->volume;
        walk->found = true;
    } else if (n >= 1 && xf_word_is(&word[0], "allow-two-primaries") &&
               !(n >= 2 && xf_word_is(&word[1], "no"))) {
        walk->now.traits |= XF_TRAIT_DRBD_TWO_PRIMARIES;
    } else if (n >= 3 &&
               (xf_word_is(&word[0], "address") || xf_word_is(&word[0], "_this_host") ||
                xf_word_is(&word[0], "_remote_host")) &&
               xf_word_copy(&word[2], address, sizeof(address)) && address[0] != '\0') {
        add_address(&walk->now, address);
    }
}

int xf_drbd_show_parse(const char *show, uint32_t minor, struct xf_drbd *drbd)
{
    struct show_walk walk = { 0 };
    struct xf_line word[8], token;
    size_t n = 0;

    while (token_next(&show, &token)) {
        bool opens = xf_word_is(&token, "{"), closes = xf_word_is(&token, "}");

        if (!opens && !closes && !xf_word_is(&token, ";")) {
            if (n < sizeof(word) / sizeof(word[0])) {
                word[n++] = token;
            }
            continue;
        }
        if (walk.depth == 0 && opens) {
            walk = (struct show_walk){ 0 };
            if (n == 0 ||
                !xf_word_copy(&word[n - 1], walk.now.resource, sizeof(walk.now.resource))) {
                return -EINVAL;
            }
        } else {
            statement(&walk, word, n, minor);
        }
        n = 0;
        if (closes && (walk.depth == 0 || (walk.depth == 1 && walk.found))) {
            break;
        }
        walk.depth += opens;
        walk.depth -= closes;
    }
    if (!walk.found) {
        return -ENOENT;
    }
    walk.now.traits |= drbd->traits;
    memcpy(walk.now.state, drbd->state, sizeof(walk.now.state));
    *drbd = walk.now;
    return 0;
}

struct status_walk {
    bool ours;            /* within our resource */
    bool peer;            /* within one of its peers */
    bool volume;          /* in the lines of our volume */
    uint32_t peers, away; /* of them, how many are not connected */
};

static void status_line(struct status_walk *walk, struct xf_line line, size_t indent,
                        struct xf_drbd *drbd)
{
    struct xf_line word, value;
    uint64_t v;

    while (xf_word_next(&line, &word)) {
        if (value_of(&word, "volume:", &value)) {
            walk->volume = xf_word_u64(&value, &v) == 0 && v == drbd->volume;
        } else if (value_of(&word, "connection:", &value)) {
            walk->peers++;
            walk->away += !connected(&value);
            describe(drbd, &value);
        } else if (value_of(&word, "role:", &value) && indent == 0) {
            drbd->traits |= xf_word_is(&value, "Primary") ? XF_TRAIT_DRBD_PRIMARY : 0;
            describe(drbd, &value);
        } else if (value_of(&word, "disk:", &value) && !walk->peer && walk->volume) {
            drbd->traits |= xf_word_is(&value, "UpToDate") ? XF_TRAIT_DRBD_UPTODATE : 0;
            describe(drbd, &value);
        }
    }
}

int xf_drbd_status_parse(const char *status, struct xf_drbd *drbd)
{
    struct status_walk walk = { 0 };
    bool found = false;
    struct xf_line line;

    while (xf_line_next(&status, &line)) {
        struct xf_line rest = line, word;
        size_t indent = 0;

        while (indent < line.len && line.at[indent] == ' ') {
            indent++;
        }
        if (!xf_word_next(&rest, &word)) {
            continue;
        }
        if (indent == 0) {
            walk = (struct status_walk){ .ours = xf_word_is(&word, drbd->resource) };
            found = found || walk.ours;
        } else if (indent == 2) {
            walk.peer = memchr(word.at, ':', word.len) == NULL;
            walk.volume = false;
        }
        if (walk.ours) {
            status_line(&walk, line, indent, drbd);
            if (walk.peers > 0 && walk.away == 0) {
                drbd->traits |= XF_TRAIT_DRBD_CONNECTED;
            } else {
                drbd->traits &= ~(uint32_t)XF_TRAIT_DRBD_CONNECTED;
            }
        }
    }
    return found ? 0 : -ENOENT;
}

int xf_drbd_text(const struct xf_drbd *drbd, char *buf, size_t size)
{
    struct xf_text text;

    xf_text_init(&text, buf, size);
    xf_text_str(&text, drbd->resource);
    xf_text_char(&text, '/');
    xf_text_u64(&text, drbd->volume);
    for (uint32_t i = 0; i < drbd->n_addresses; i++) {
        xf_text_char(&text, ' ');
        xf_text_str(&text, drbd->address[i]);
    }
    return text.truncated ? -EMSGSIZE : 0;
}
