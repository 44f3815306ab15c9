/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests on a real engine share: operations that are waited for, and what they told.
 */
#ifndef TESTS_LIVE_H
#define TESTS_LIVE_H

#include <cleanroom/engine.h>
#include <cleanroom/strbuf.h>

#include "../unit/tap.h"

/* What a completion told, kept after it. */
struct result {
    bool done;
    int calls;
    enum engine_outcome outcome;
    struct error err;
    struct image_info info;
    struct container_state state;
    char state_error[256];
};
void result_deinit(struct result *r);
#define RESULT struct result __attribute__((cleanup(result_deinit)))

/* All tests share an engine, and a run id of their own. */
struct live {
    struct loop *loop;
    struct engine *engine;
    struct engine_options options;
    char run[64];
    const char *image;
    char image_id[128];
};
extern struct live live;

/* A container's output, collected or only counted. */
struct output {
    struct result r;
    bool ready;
    bool early; /* output before ready */
    struct strbuf text[3];
    uint64_t bytes[3];
    unsigned last[3]; /* the last byte of each */
};

struct listing {
    struct result r;
    struct strvec rows; /* "container NAME SHARD ROLE running" */
};

struct download {
    struct result r;
    struct strbuf tar;
};

/* LIVE_IMAGE, CLEANROOM_ENGINE, LIVE_TRACE; a run id with this process's number. -1: *err. */
int live_open(struct error *err);
void live_close(void);
bool is_embedded(void);
bool is_podman(void);

struct labels labels(int shard, const char *role);
/* "RUN-suffix"; release with free(). */
char *name(const char *suffix);
/* A deadline that nothing should come near. */
nsec_t soon(void);

/* Runs the loop until *done, or the deadline has passed, which fails the test. */
void await(const bool *done);
void run_for(nsec_t time);
/* Waits for r, which must not be there yet. */
bool expect(struct result *r, enum engine_outcome outcome);

/* For completions: data is a struct result. */
void keep_result(struct result *r, enum engine_outcome outcome, const struct error *err);
void on_done(void *data, enum engine_outcome outcome, const struct error *err);
void on_image(void *data, enum engine_outcome outcome, const struct image_info *info,
              const struct error *err);
void on_state(void *data, enum engine_outcome outcome, const struct container_state *state,
              const struct error *err);

/* Operations, waited for. */
bool create(const struct container_spec *spec, enum engine_outcome outcome);
bool start(const char *container, enum engine_outcome outcome);
bool drop(enum object_kind kind, const char *object, enum engine_outcome outcome);
bool inspect(const char *container, struct result *r);
/* The same when its output has ended, which Podman tells before it says that it does not run. */
bool inspect_end(const char *container, struct result *r);

/* Attach's; data is a struct output. */
void on_ready(void *data);
void on_output(void *data, enum output_stream stream, const void *bytes, size_t len);
void on_output_done(void *data, enum engine_outcome outcome, const struct error *err);
void output_init(struct output *o);
void output_deinit(struct output *o);

/* Creates, attaches and starts. */
bool begin_spec(struct container_spec *spec, struct output *o);
/* The same, and follows to the end. */
void run_spec(struct container_spec *spec, struct output *o);
void run_container(const char *container, const char *const *argv, struct output *o);

/* A tar archive with one file. */
void make_tar(struct strbuf *out, const char *path, const char *text);

/* data is a struct listing, or a struct download. */
void on_list(void *data, enum engine_outcome outcome, const struct object_info *objects,
             size_t count, const struct error *err);
void on_bytes(void *data, const void *bytes, size_t len);
void on_download_done(void *data, enum engine_outcome outcome, const struct error *err);

#endif
