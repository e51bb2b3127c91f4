#include "dump.h"

#include <hdf5.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/file.h"
#include "communicators.h"
#include "format/checkpoint.h"
#include "report/output_file.h"

struct fg_dump {
    const fg_ranks *ranks;
    char *path, *partial; /* what the user named; what is written (report/output_file.h) */
    bool open;            /* on every rank: closing is collective */
    fg_model_shape shapes[FG_DUMP_SIDES];
    fg_vision_shape vision[FG_DUMP_SIDES];
    uint64_t patches; /* of the image, if one of the prompts has one */
    unsigned prompt;  /* that is written */
    hid_t file;
    haddr_t end; /* of the last dataset in the file */
};

static const char *const side_names[FG_DUMP_SIDES] = {"source", "destination"};

static const struct {
    const char *name;
    const char *description;
} items[] = {
    [FG_DUMP_EMBEDDING] = {"embedding", "hidden states after the token embedding, float32 [tokens, hidden]"},
    [FG_DUMP_MIXER] = {"mixer", "what the mixer adds to the residual stream, float32 [tokens, hidden]"},
    [FG_DUMP_MLP] = {"mlp",
                     "what the feed-forward layer adds to the residual stream, float32 [tokens, hidden]"},
    [FG_DUMP_OUTPUT] = {"output", "residual stream after the block, float32 [tokens, hidden]"},
    [FG_DUMP_FINAL_NORM] = {"final_norm",
                            "hidden states after the final norm, before the head, float32 [tokens, hidden]"},
};

static const char *const vision_items[] = {
    [FG_VISION_EMBEDDING] = "embedding", [FG_VISION_MIXER] = "mixer",     [FG_VISION_MLP] = "mlp",
    [FG_VISION_OUTPUT] = "output",       [FG_VISION_ADAPTER] = "adapter",
};

#define FURTHER_PROMPT "image"

static fg_status failed(const fg_dump *dump, const char *what, fg_error *err) {
    fg_fail(err, FG_ERR_SYSTEM, "--dump %s: HDF5 cannot %s", dump->path, what);
    fg_about_file(err, dump->path);
    return fg_hint(err, "check that its file system is not full");
}

/* ---- making the file: every call here is collective in HDF5, all ranks make the same ones ---- */

static fg_status put_text(const fg_dump *dump, hid_t object, const char *name, const char *text,
                          fg_error *err) {
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool good = attribute >= 0 && H5Awrite(attribute, type, &text) >= 0;
    if (attribute >= 0) good = H5Aclose(attribute) >= 0 && good;
    H5Sclose(space);
    H5Tclose(type);
    return good ? FG_OK : failed(dump, "write an attribute", err);
}

/* Closing may write. */
static fg_status close_group(const fg_dump *dump, hid_t group, fg_status status, fg_error *err) {
    return H5Gclose(group) >= 0 ? status : failed(dump, "close a group", err);
}

static fg_status make_dataset(fg_dump *dump, hid_t parent, const char *name, const char *description,
                              hid_t type, int rank, const hsize_t *shape, fg_error *err) {
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t links = H5Pcreate(H5P_LINK_CREATE), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    /* allocated at once, so that ranks can write on their own later */
    H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER);
    hid_t set = H5Dcreate2(parent, name, type, space, links, plist, H5P_DEFAULT);
    H5Pclose(plist);
    H5Pclose(links);
    H5Sclose(space);
    if (set < 0) return failed(dump, "create a dataset", err);
    dump->end = fg_max(dump->end, H5Dget_offset(set) + H5Dget_storage_size(set));
    fg_status status = put_text(dump, set, "description", description, err);
    return H5Dclose(set) >= 0 ? status : failed(dump, "close a dataset", err);
}

/* One more dimension in front for the prediction heads, if there are several. */
static fg_status make_of_heads(fg_dump *dump, hid_t parent, const char *name, const char *description,
                               uint64_t heads, const hsize_t *shape, fg_error *err) {
    hsize_t all[] = {heads, shape[0], shape[1]};
    int dims = heads > 1 ? 3 : 2;
    return make_dataset(dump, parent, name, description, H5T_NATIVE_FLOAT, dims, heads > 1 ? all : shape,
                        err);
}

static fg_status make_hidden(fg_dump *dump, hid_t parent, fg_dump_item item, const hsize_t *shape,
                             fg_error *err) {
    return make_dataset(dump, parent, items[item].name, items[item].description, H5T_NATIVE_FLOAT, 2, shape,
                        err);
}

static fg_status make_block(fg_dump *dump, hid_t parent, uint64_t block, const hsize_t *shape,
                            fg_error *err) {
    fg_status status = FG_OK;
    char name[32];
    snprintf(name, sizeof name, "blocks/%04llu", (unsigned long long)block);
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    hid_t group = H5Gcreate2(parent, name, links, H5P_DEFAULT, H5P_DEFAULT);
    H5Pclose(links);
    if (group < 0) return failed(dump, "create a group", err);
    FG_TRY(make_hidden(dump, group, FG_DUMP_MIXER, shape, err));
    FG_TRY(make_hidden(dump, group, FG_DUMP_MLP, shape, err));
    FG_TRY(make_hidden(dump, group, FG_DUMP_OUTPUT, shape, err));
done:
    return close_group(dump, group, status, err);
}

static fg_status describe_side(const fg_dump *dump, hid_t group, const json_t *about, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer config = {0};
    const char *directory = json_string_value(json_object_get(about, "directory"));
    const char *format = json_string_value(json_object_get(about, "format"));
    FG_TRY(fg_json_write(json_object_get(about, "config"), FG_JSON_SORTED, &config, err));
    FG_TRY(put_text(dump, group, "directory", directory ? directory : "", err));
    FG_TRY(put_text(dump, group, "format", format, err));
    FG_TRY(put_text(dump, group, "config", config.data, err));
done:
    fg_buffer_free(&config);
    return status;
}

static hid_t make_group(hid_t parent, const char *name) {
    return H5Gcreate2(parent, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
}

/* What a side makes of one prompt. */
static fg_status make_prompt(fg_dump *dump, const fg_model_shape *shape, uint64_t tokens, hid_t group,
                             fg_error *err) {
    uint64_t heads = shape->heads;
    hsize_t logits[] = {tokens, shape->vocab}, hidden[] = {tokens, shape->hidden};
    FG_CALL(make_of_heads(dump, group, "logits",
                          heads > 1 ? "scores before softmax, float32 [prediction heads, tokens, vocab]"
                                    : "scores before softmax, float32 [tokens, vocab]",
                          heads, logits, err));
    FG_CALL(make_hidden(dump, group, FG_DUMP_EMBEDDING, hidden, err));
    FG_CALL(make_of_heads(dump, group, items[FG_DUMP_FINAL_NORM].name,
                          heads > 1 ? "hidden states after each prediction head's final norm, float32 "
                                      "[prediction heads, tokens, hidden]"
                                    : items[FG_DUMP_FINAL_NORM].description,
                          heads, hidden, err));
    for (uint64_t b = 0; b < shape->blocks; b++) FG_CALL(make_block(dump, group, b, hidden, err));
    return FG_OK;
}

static fg_status make_further_prompt(fg_dump *dump, const fg_model_shape *shape, uint64_t tokens,
                                     hid_t parent, fg_error *err) {
    hid_t group = make_group(parent, FURTHER_PROMPT);
    if (group < 0) return failed(dump, "create a group", err);
    return close_group(dump, group, make_prompt(dump, shape, tokens, group, err), err);
}

static fg_status make_vision(fg_dump *dump, int side, hid_t parent, fg_error *err) {
    fg_status status = FG_OK;
    const fg_vision_shape *shape = &dump->vision[side];
    hsize_t hidden[] = {dump->patches, shape->hidden}, rows[] = {dump->patches, dump->shapes[side].hidden};
    hid_t group = make_group(parent, "vision");
    if (group < 0) return failed(dump, "create a group", err);
    FG_TRY(make_dataset(dump, group, vision_items[FG_VISION_EMBEDDING],
                        "patches after the patch embedding and its norm, float32 [patches, vision hidden]",
                        H5T_NATIVE_FLOAT, 2, hidden, err));
    FG_TRY(make_dataset(dump, group, vision_items[FG_VISION_ADAPTER],
                        "what replaces the embeddings of image tokens, float32 [patches, hidden]",
                        H5T_NATIVE_FLOAT, 2, rows, err));
    for (uint64_t b = 0; b < shape->blocks; b++) FG_TRY(make_block(dump, group, b, hidden, err));
done:
    return close_group(dump, group, status, err);
}

static fg_status make_side(fg_dump *dump, const fg_dump_layout *layout, int side, fg_error *err) {
    fg_status status = FG_OK;
    const fg_model_shape *shape = &layout->shapes[side];
    hid_t group = make_group(dump->file, side_names[side]);
    if (group < 0) return failed(dump, "create a group", err);
    FG_TRY(describe_side(dump, group, json_object_get(layout->about, side_names[side]), err));
    FG_TRY(make_prompt(dump, shape, layout->prompts[0].token_count, group, err));
    if (layout->prompt_count > 1)
        FG_TRY(make_further_prompt(dump, shape, layout->prompts[1].token_count, group, err));
    if (dump->patches) FG_TRY(make_vision(dump, side, group, err));
done:
    return close_group(dump, group, status, err);
}

/* ---- differences ---- */

enum { POINT = 32 }; /* bytes of a point's path, with the NUL */

static const struct {
    const char *name, *description;
    size_t offset; /* in fg_dump_point */
} difference_columns[] = {
    {"largest", "largest absolute difference, float64 [points]", offsetof(fg_dump_point, largest)},
    {"mean", "mean absolute difference, float64 [points]", offsetof(fg_dump_point, mean)},
    {"source_norm", "Euclidean norm of the source's values, float64 [points]",
     offsetof(fg_dump_point, source_norm)},
    {"destination_norm", "Euclidean norm of the destination's values, float64 [points]",
     offsetof(fg_dump_point, destination_norm)},
    {"relative", "largest difference / largest absolute value of the source, float64 [points]",
     offsetof(fg_dump_point, relative)},
    {"cosine", "cosine of source and destination, float64 [points]", offsetof(fg_dump_point, cosine)},
};
enum { COLUMNS = sizeof difference_columns / sizeof *difference_columns };

static hsize_t count_points(const fg_model_shape *shape) {
    return 1 + 3 * shape->blocks + shape->heads;
}

static hsize_t count_vision_points(const fg_vision_shape *shape) {
    return 1 + 3 * shape->blocks + 1;
}

static hid_t point_type(void) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, POINT);
    return type;
}

/* The groups below /difference; that of the first prompt is /difference itself. */
static const char *difference_group(unsigned prompt) {
    return prompt ? FURTHER_PROMPT "/" : "";
}
#define VISION_GROUP "vision/"

static const char *difference_path(const char *group, const char *name, char *text, size_t size) {
    snprintf(text, size, "difference/%s%s", group, name);
    return text;
}

static fg_status make_differences(fg_dump *dump, const char *group, hsize_t count, fg_error *err) {
    char path[96];
    hid_t type = point_type();
    fg_status status = make_dataset(
        dump, dump->file, difference_path(group, "point", path, sizeof path),
        "where both models are compared: its path inside of source and destination", type, 1, &count, err);
    H5Tclose(type);
    for (size_t i = 0; status == FG_OK && i < COLUMNS; i++)
        status = make_dataset(dump, dump->file,
                              difference_path(group, difference_columns[i].name, path, sizeof path),
                              difference_columns[i].description, H5T_NATIVE_DOUBLE, 1, &count, err);
    return status;
}

static fg_status describe_root(const fg_dump *dump, const fg_dump_layout *layout, fg_error *err) {
    return put_text(dump, dump->file, "fgconv_version", layout->version ? layout->version : "", err);
}

static fg_status write_slab(const fg_dump *dump, const char *path, hid_t type, int rank, const hsize_t *start,
                            const hsize_t *count, const void *values, fg_error *err) {
    hid_t set = H5Dopen2(dump->file, path, H5P_DEFAULT);
    if (set < 0) return failed(dump, "open a dataset", err);
    hid_t space = H5Dget_space(set), memory = H5Screate_simple(rank, count, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    bool good =
        H5Dwrite(set, type, memory, space, H5P_DEFAULT, values) >= 0; /* independent transfer, the default */
    H5Sclose(memory);
    H5Sclose(space);
    good = H5Dclose(set) >= 0 && good;
    return good ? FG_OK : failed(dump, "write", err);
}

static fg_status make_token_ids(fg_dump *dump, const char *path, const fg_pair_prompt *prompt,
                                fg_error *err) {
    hsize_t start = 0, count = prompt->token_count;
    fg_status status =
        make_dataset(dump, dump->file, path, "the prompt that both models ran on, uint32 [tokens]",
                     H5T_NATIVE_UINT32, 1, &count, err);
    if (status == FG_OK && dump->ranks->rank == 0)
        status = write_slab(dump, path, H5T_NATIVE_UINT32, 1, &start, &count, prompt->tokens, err);
    return status;
}

fg_status fg_dump_prepare(fg_error *err) {
    setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0); /* some parallel file systems refuse locks */
    if (H5dont_atexit() < 0 || H5open() < 0) return fg_fail(err, FG_ERR_SYSTEM, "cannot initialize HDF5");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* failures come back as ours */
    return FG_OK;
}

const char *fg_dump_library(char text[FG_DUMP_LIBRARY]) {
    unsigned major, minor, release;
    *text = '\0';
    if (H5get_libversion(&major, &minor, &release) >= 0)
        snprintf(text, FG_DUMP_LIBRARY, "%u.%u.%u", major, minor, release);
    return text;
}

/* ---- names ---- */

static const struct {
    const char *name, *description;
} name_columns[] = {
    {"source", "a tensor of source that the one of destination is made of; empty: of none, UTF-8 [rows]"},
    {"destination", "the tensor of destination, UTF-8 [rows]"},
    {"dtype", "of the tensor of destination, UTF-8 [rows]"},
    {"shape", "of the tensor of destination, UTF-8 [rows]"},
};

static bool put_texts(const fg_dump *dump, hid_t group, size_t column, const char *const *texts,
                      hsize_t count, fg_error *err) {
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &count, NULL);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t set =
        H5Dcreate2(group, name_columns[column].name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool good = set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts) >= 0;
    if (set >= 0) {
        good = put_text(dump, set, "description", name_columns[column].description, err) == FG_OK && good;
        good = H5Dclose(set) >= 0 && good;
    }
    H5Sclose(space);
    H5Tclose(type);
    return good;
}

static fg_status put_names(const fg_dump *dump, hid_t file, const json_t *rows, fg_error *err) {
    fg_status status = FG_OK;
    const char **texts = NULL;
    json_t *row;
    size_t count = json_array_size(rows);
    hid_t group = make_group(file, "name_map");
    if (group < 0) return failed(dump, "create a group", err);
    FG_NEW(texts, count);
    for (size_t c = 0; c < sizeof name_columns / sizeof *name_columns; c++) {
        FG_JSON_EACH(rows, i, row) texts[i] = json_string_value(json_array_get(row, c));
        if (!put_texts(dump, group, c, texts, count, err)) FG_TRY(failed(dump, "write names", err));
    }
done:
    fg_free(texts);
    return close_group(dump, group, status, err);
}

/* ---- the file ---- */

static hid_t file_access(void) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST); /* attributes of any length */
    return access;
}

/* Rank 0 makes the file and writes the names, before all ranks open it: with MPI HDF5 writes no datasets of
 * variable length. */
static fg_status make_file(const fg_dump *dump, const fg_dump_layout *layout, fg_error *err) {
    const json_t *names = json_object_get(layout->about, "name_map");
    hid_t access = file_access();
    hid_t file = H5Fcreate(dump->partial, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    if (file < 0) return failed(dump, "create the file", err);
    fg_status status = json_array_size(names) ? put_names(dump, file, names, err) : FG_OK;
    return H5Fclose(file) >= 0 ? status : failed(dump, "close the file", err);
}

static fg_status open_file(fg_dump *dump, const fg_dump_layout *layout, fg_error *err) {
    if (dump->ranks->rank == 0) make_file(dump, layout, err);
    FG_CALL(fg_ranks_agree(dump->ranks, err));
    hid_t access = file_access();
    if (dump->ranks->mpi) H5Pset_fapl_mpio(access, dump->ranks->mpi->world, MPI_INFO_NULL);
    dump->file = H5Fopen(dump->partial, H5F_ACC_RDWR, access);
    H5Pclose(access);
    return dump->file < 0 ? failed(dump, "open the file", err) : FG_OK;
}

static fg_status fill_in(fg_dump *dump, const fg_dump_layout *layout, fg_error *err) {
    FG_CALL(describe_root(dump, layout, err));
    FG_CALL(make_token_ids(dump, "token_ids", layout->prompts, err));
    if (layout->prompt_count > 1)
        FG_CALL(make_token_ids(dump, FURTHER_PROMPT "/token_ids", layout->prompts + 1, err));
    for (int side = 0; side < FG_DUMP_SIDES; side++) FG_CALL(make_side(dump, layout, side, err));
    for (unsigned i = 0; i < layout->prompt_count; i++)
        FG_CALL(make_differences(dump, difference_group(i), count_points(&dump->shapes[0]), err));
    if (!dump->patches) return FG_OK;
    return make_differences(dump, VISION_GROUP, count_vision_points(&dump->vision[0]), err);
}

/* Rank 0 takes all of the file's room before there are numbers to write: a full disk is found here, by one
 * rank, and not by some of them inside of HDF5. */
static void reserve(const fg_dump *dump, fg_error *err) {
    fg_file file;
    if (dump->ranks->rank != 0 || fg_file_open(&file, dump->partial, FG_OPEN_WRITE, err) != FG_OK) return;
    int code = fg_file_allocate(&file, dump->end);
    if (code) {
        fg_fail_errno(err, code, "--dump %s: cannot write %llu bytes", dump->path,
                      (unsigned long long)dump->end);
        fg_about_file(err, dump->path);
    }
    fg_file_finish(&file, err);
}

static uint64_t patches_of(const fg_dump_layout *layout) {
    uint64_t patches = 0;
    for (unsigned i = 0; i < layout->prompt_count; i++) patches = fg_max(patches, layout->prompts[i].patches);
    return patches;
}

uint64_t fg_dump_bytes(const fg_dump_layout *layout) {
    uint64_t per_token = sizeof(uint32_t), per_patch = 0, tokens = 0;
    for (int side = 0; side < FG_DUMP_SIDES; side++) {
        const fg_model_shape *s = &layout->shapes[side];
        const fg_vision_shape *v = &layout->vision[side];
        uint64_t states = 1 + 3 * s->blocks + s->heads; /* as make_prompt makes them */
        per_token += sizeof(float) * (states * s->hidden + s->heads * s->vocab);
        per_patch += sizeof(float) * ((1 + 3 * v->blocks) * v->hidden + s->hidden);
    }
    uint64_t points = count_points(&layout->shapes[0]) * layout->prompt_count, patches = patches_of(layout);
    if (patches) points += count_vision_points(&layout->vision[0]);
    for (unsigned i = 0; i < layout->prompt_count; i++) tokens += layout->prompts[i].token_count;
    return per_token * tokens + per_patch * patches + points * (POINT + COLUMNS * sizeof(double));
}

fg_status fg_dump_check_reachable(const fg_ranks *ranks, const char *path, fg_error *err) {
    fg_file file;
    char *partial = fg_output_file_partial(path, err);
    if (partial && fg_file_open(&file, partial, FG_OPEN_WRITE, err) == FG_OK)
        fg_file_finish(&file, err);
    else
        fg_hint(err, "--dump needs a path that leads every rank to the same file");
    fg_free(partial);
    return fg_ranks_agree(ranks, err);
}

fg_status fg_dump_create(fg_dump **dump, const fg_ranks *ranks, const fg_dump_layout *layout, fg_error *err) {
    fg_dump *d = *dump = fg_alloc(1, sizeof *d, err);
    if (d)
        *d = (fg_dump){.ranks = ranks,
                       .patches = patches_of(layout),
                       .file = H5I_INVALID_HID,
                       .path = fg_strdup(layout->path, err),
                       .partial = fg_output_file_partial(layout->path, err)};
    if (d) memcpy(d->shapes, layout->shapes, sizeof d->shapes);
    if (d) memcpy(d->vision, layout->vision, sizeof d->vision);
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) {
        open_file(d, layout, err);
        status = fg_ranks_agree(ranks, err);
    }
    if (status == FG_OK) {
        d->open = true;
        fill_in(d, layout, err);
        status = fg_ranks_agree(ranks, err);
    }
    if (status == FG_OK) {
        reserve(d, err);
        status = fg_ranks_agree(ranks, err);
    }
    return status;
}

/* Rows of a dataset that make_of_heads made. */
static fg_status write_of_head(const fg_dump *dump, const char *path, int side, uint64_t head,
                               const hsize_t *start, const hsize_t *count, const float *values,
                               fg_error *err) {
    hsize_t begin[] = {head, start[0], start[1]}, extent[] = {1, count[0], count[1]};
    if (dump->shapes[side].heads > 1)
        return write_slab(dump, path, H5T_NATIVE_FLOAT, 3, begin, extent, values, err);
    return write_slab(dump, path, H5T_NATIVE_FLOAT, 2, start, count, values, err);
}

void fg_dump_set_prompt(fg_dump *dump, unsigned prompt) {
    dump->prompt = prompt;
}

/* The group of the prompt that is written. */
static const char *group_of(const fg_dump *dump, int side, char *text, size_t size) {
    snprintf(text, size, "%s%s", side_names[side], dump->prompt ? "/" FURTHER_PROMPT : "");
    return text;
}

/* Inside of a prompt's group. */
static void describe_point(fg_dump_item item, uint64_t of, char *text, size_t size) {
    bool of_block = item == FG_DUMP_MIXER || item == FG_DUMP_MLP || item == FG_DUMP_OUTPUT;
    if (of_block)
        snprintf(text, size, "blocks/%04llu/%s", (unsigned long long)of, items[item].name);
    else
        snprintf(text, size, "%s", items[item].name);
}

/* Inside of a side's group. */
static void describe_vision_point(fg_dump_item item, uint64_t of, char *text, size_t size) {
    char inside[POINT];
    describe_point(item, of, inside, sizeof inside);
    snprintf(text, size, VISION_GROUP "%.*s", POINT - (int)sizeof VISION_GROUP,
             item == FG_DUMP_FINAL_NORM ? vision_items[FG_VISION_ADAPTER] : inside);
}

fg_status fg_dump_differences(fg_dump *dump, bool vision, const fg_dump_point *points, size_t count,
                              fg_error *err) {
    fg_status status = FG_OK;
    char *names = NULL, path[96];
    double *values = NULL;
    const char *group = vision ? VISION_GROUP : difference_group(dump->prompt);
    const hsize_t start = 0,
                  extent = vision ? count_vision_points(&dump->vision[0]) : count_points(&dump->shapes[0]);
    hid_t type = point_type();
    if (count != extent)
        FG_FAIL(err, FG_ERR_BUG, "--dump: %zu differences of %llu points", count, (unsigned long long)extent);
    FG_NEW(names, count * POINT);
    FG_NEW(values, count);
    for (size_t i = 0; i < count; i++)
        (vision ? describe_vision_point : describe_point)(points[i].item, points[i].of, names + i * POINT,
                                                          POINT);
    FG_TRY(write_slab(dump, difference_path(group, "point", path, sizeof path), type, 1, &start, &extent,
                      names, err));
    for (size_t c = 0; c < COLUMNS; c++) {
        for (size_t i = 0; i < count; i++)
            memcpy(&values[i], (const char *)&points[i] + difference_columns[c].offset, sizeof *values);
        FG_TRY(write_slab(dump, difference_path(group, difference_columns[c].name, path, sizeof path),
                          H5T_NATIVE_DOUBLE, 1, &start, &extent, values, err));
    }
done:
    H5Tclose(type);
    fg_free(names);
    fg_free(values);
    return status;
}

fg_status fg_dump_hidden(fg_dump *dump, int side, fg_dump_item item, uint64_t of, uint64_t position,
                         uint64_t count, const float *values, fg_error *err) {
    char path[96], group[32], point[POINT];
    group_of(dump, side, group, sizeof group);
    const hsize_t start[] = {position, 0}, extent[] = {count, dump->shapes[side].hidden};
    describe_point(item, of, point, sizeof point);
    snprintf(path, sizeof path, "%s/%s", group, point);
    if (item == FG_DUMP_FINAL_NORM) return write_of_head(dump, path, side, of, start, extent, values, err);
    return write_slab(dump, path, H5T_NATIVE_FLOAT, 2, start, extent, values, err);
}

fg_status fg_dump_logits(fg_dump *dump, int side, uint64_t head, uint64_t position, uint64_t count,
                         uint64_t column, uint64_t columns, const float *values, fg_error *err) {
    char path[64], group[32];
    snprintf(path, sizeof path, "%s/logits", group_of(dump, side, group, sizeof group));
    return write_of_head(dump, path, side, head, (hsize_t[]){position, column}, (hsize_t[]){count, columns},
                         values, err);
}

fg_status fg_dump_vision(fg_dump *dump, int side, fg_vision_item item, uint64_t block, uint64_t first,
                         uint64_t count, const float *values, fg_error *err) {
    char path[96];
    bool alone = item == FG_VISION_EMBEDDING || item == FG_VISION_ADAPTER;
    uint64_t width = item == FG_VISION_ADAPTER ? dump->shapes[side].hidden : dump->vision[side].hidden;
    const hsize_t start[] = {first, 0}, extent[] = {count, width};
    if (alone)
        snprintf(path, sizeof path, "%s/vision/%s", side_names[side], vision_items[item]);
    else
        snprintf(path, sizeof path, "%s/vision/blocks/%04llu/%s", side_names[side], (unsigned long long)block,
                 vision_items[item]);
    return write_slab(dump, path, H5T_NATIVE_FLOAT, 2, start, extent, values, err);
}

fg_status fg_dump_close(fg_dump **dump, fg_error *err) {
    fg_dump *d = *dump;
    if (!d) return FG_OK;
    /* Closing writes. After a failure it may fail too, on some ranks, and the others would wait for them
     * inside of HDF5. */
    if (d->open && fg_ranks_agree(d->ranks, err) == FG_OK && H5Fclose(d->file) < 0)
        failed(d, "close the file", err);
    fg_free(d->path);
    fg_free(d->partial);
    fg_free(d);
    *dump = NULL;
    return err ? (fg_status)err->status : FG_OK;
}
