/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What world*.c share and nobody else includes. */
#ifndef XF_WORLD_IMPL_H
#define XF_WORLD_IMPL_H

#include "world.h"

/* The first thing that went wrong in the step under way; world_apply() clears and returns it. */
extern const char *world_bad;

/* What every agent believed of its group before something changed. */
struct views {
    unsigned v[W_NODES];
};

void world_wrong(const char *what);
unsigned world_everyone(const struct world *w);
uint8_t world_id_place(struct world *w, const struct xf_migid *id, struct xf_node src,
                       struct xf_node dst);
struct xf_record world_unpack_record(const struct world *w, const struct w_rec *r);
void world_run_copy(struct world *w, unsigned i);
void world_destroy_copy(struct world *w, unsigned i);
bool world_valid(const struct w_node *x);
bool world_any_valid(const struct world *w);
void world_push_view(struct world *w, unsigned to);
struct views world_views_now(const struct world *w);
void world_tell_views(struct world *w, const struct views *old);
void world_feed(struct world *w, unsigned i, const struct xf_event *ev);
void world_feed_mover(struct world *w, unsigned i, enum xf_mover_ev what);
void world_deliver(struct world *w, unsigned i);
void world_heard(struct world *w, unsigned i);
void world_flush_lazy(struct w_node *x);
bool world_perform(struct world *w, unsigned i);
void world_op_ended(struct world *w, unsigned i, bool ok);

#endif
