/* SPDX-License-Identifier: Apache-2.0 */
/* What cleanroom keeps in a daemon, by hand; the images that are not ours are the daemon's matter.
 */
#ifndef CLEANROOM_DAEMON_IMAGES_H
#define CLEANROOM_DAEMON_IMAGES_H

#include "cli/invocation.h"
#include "run/kept.h"

struct daemon_images {
    struct loop *loop;
    struct engine *engine;
    struct kept kept;
    FILE *out;
    bool stop;
};

/* Asks what is there. *images: zeroed, and to be released also after a failure. */
int daemon_images_open(struct daemon_images *images, const struct engine_options *options,
                       struct error *err);
void daemon_images_deinit(struct daemon_images *images);

/* The subcommands. */
int daemon_images_list(const struct invocation *inv, struct daemon_images *images, FILE *out,
                       struct error *err);
int daemon_images_remove(const struct invocation *inv, struct daemon_images *images, FILE *out,
                         struct error *err);
int daemon_images_prune(const struct invocation *inv, struct daemon_images *images, FILE *out,
                        struct error *err);

#endif
