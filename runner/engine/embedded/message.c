/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/message.h"

void recipe_deinit(struct recipe *r)
{
    free(r->name);
    free(r->hostname);
    free(r->user);
    strvec_deinit(&r->entrypoint);
    strvec_deinit(&r->argv);
    strvec_deinit(&r->env);
    for (size_t i = 0; i < r->mounts.len; i++) {
        free(r->mounts.items[i].target);
        free(r->mounts.items[i].options);
    }
    vec_deinit(&r->mounts);
    image_info_deinit(&r->image);
    free(r->working_dir);
    strvec_deinit(&r->layers);
    *r = (struct recipe){0};
}

static void wire_image(struct wire *w, struct image_info *image)
{
    wire_str(w, &image->id);
    wire_str(w, &image->digest);
    wire_str(w, &image->user);
    wire_strvec(w, &image->entrypoint);
    wire_strvec(w, &image->cmd);
    wire_strvec(w, &image->env);
    wire_strvec(w, &image->volumes);
}

static void wire_mounts(struct wire *w, struct recipe *r)
{
    size_t count = r->mounts.len;
    wire_count(w, &count);
    for (size_t i = 0; i < count; i++) {
        struct recipe_mount *m = w->reading ? vec_push(&r->mounts) : &r->mounts.items[i];
        wire_int(w, &m->kind);
        wire_str(w, &m->target);
        wire_str(w, &m->options);
        wire_u32(w, &m->volume);
    }
}

static void wire_recipe(struct wire *w, struct recipe *r)
{
    wire_str(w, &r->name);
    wire_str(w, &r->hostname);
    wire_str(w, &r->user);
    wire_bool(w, &r->has_entrypoint);
    wire_bool(w, &r->has_argv);
    wire_strvec(w, &r->entrypoint);
    wire_strvec(w, &r->argv);
    wire_strvec(w, &r->env);
    wire_u32(w, &r->pod);
    wire_bool(w, &r->outside);
    wire_bool(w, &r->ours);
    wire_u32(w, &r->handed);
    wire_bool(w, &r->input);
    wire_bool(w, &r->terminal);
    wire_u32(w, &r->rows);
    wire_u32(w, &r->columns);
    wire_mounts(w, r);
    wire_u64(w, &r->memory);
    wire_u64(w, &r->shm_size);
    wire_u64(w, &r->cpu);
    wire_u64(w, &r->pids);
    wire_image(w, &r->image);
    wire_str(w, &r->working_dir);
    wire_strvec(w, &r->layers);
}

void request_deinit(struct request *r)
{
    free(r->path);
    free(r->name);
    free(r->parent);
    free(r->label);
    strvec_deinit(&r->entrypoint);
    recipe_deinit(&r->recipe);
    *r = (struct request){0};
}

void request_wire(struct wire *w, struct request *r)
{
    wire_u32(w, &r->number);
    wire_int(w, &r->kind);
    wire_u32(w, &r->object);
    switch (r->kind) {
    case REQUEST_MAKE:
        wire_recipe(w, &r->recipe);
        break;
    case REQUEST_SIGNAL:
        wire_int(w, &r->signal);
        break;
    case REQUEST_EXTRACT:
    case REQUEST_ARCHIVE:
        wire_str(w, &r->path);
        break;
    case REQUEST_COMMIT:
        wire_str(w, &r->name);
        wire_str(w, &r->parent);
        wire_str(w, &r->label);
        break;
    case REQUEST_EXEC:
        wire_strvec(w, &r->entrypoint);
        break;
    case REQUEST_IMPORT:
        wire_str(w, &r->name);
        wire_strvec(w, &r->entrypoint);
        break;
    default:
        break;
    }
}

void answer_deinit(struct answer *a)
{
    free(a->text);
    *a = (struct answer){0};
}

void answer_wire(struct wire *w, struct answer *a)
{
    wire_int(w, &a->kind);
    wire_u32(w, &a->number);
    wire_u32(w, &a->object);
    wire_int(w, &a->outcome);
    wire_int(w, &a->error_kind);
    wire_str(w, &a->text);
    wire_int(w, &a->code);
    wire_bool(w, &a->oom);
}
