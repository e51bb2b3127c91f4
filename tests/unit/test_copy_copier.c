/* copy/copier: whatever the pieces, the cuts and the order, the bytes are those of an element by element
 * evaluation. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "copy/copier.h"
#include "copy/shards.h"
#include "expect_ok.h"
#include "plan/plan_check.h"
#include "store/cast.h"
#include "store/safetensors.h"
#include "tries.h"

static char *shard_name(size_t index, size_t count, fg_error *err) {
    return count == 1 ? fg_strdup("model.safetensors", err)
                      : fg_strformat(err, "model-%05zu-of-%05zu.safetensors", index + 1, count);
}

static uint64_t seed;

static uint64_t draw(uint64_t below) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (seed >> 33) % below;
}

/* A plan with everything around it. */
typedef struct scene {
    char directory[64], path[96]; /* path: the source file */
    fg_plan plan;
    unsigned char *source; /* the bytes of the source file */
    uint64_t source_size;
    unsigned char **expected; /* of each output */
} scene;

static void open_scene(scene *s, uint64_t source_size) {
    *s = (scene){.source_size = source_size};
    strcpy(s->directory, "/tmp/fg_copy_XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    snprintf(s->path, sizeof s->path, "%s/source", s->directory);
    s->source = malloc(source_size);
    assert_non_null(s->source);
    for (uint64_t i = 0; i < source_size; i++) s->source[i] = (unsigned char)draw(256);
}

static void write_source(scene *s) {
    uint32_t index;
    OK(fg_file_write_all(s->path, s->source, s->source_size, e));
    OK(fg_tensors_add_file(&s->plan.source, s->path, &index, e));
}

static void close_scene(scene *s) {
    for (size_t i = 0; s->expected && i < s->plan.output_count; i++) free(s->expected[i]);
    free(s->expected);
    free(s->source);
    fg_plan_free(&s->plan);
    OK(fg_directory_remove(s->directory, e));
}

static uint32_t add_source(scene *s, fg_dtype dtype, uint32_t rank, const uint64_t *shape,
                           const uint64_t *stride, uint64_t offset) {
    char name[32];
    snprintf(name, sizeof name, "s%zu", s->plan.source.count);
    fg_tensor t = {.name = name, .dtype = dtype, .rank = rank, .offset = offset};
    memcpy(t.shape, shape, rank * sizeof *shape);
    assert_true(fg_tensor_row_major(&t));
    if (stride) memcpy(t.stride, stride, rank * sizeof *stride);
    OK(fg_tensors_add(&s->plan.source, &t, e));
    return (uint32_t)s->plan.source.count - 1;
}

/* ---- the slow and obvious evaluation ---- */

static const unsigned char *element(const scene *s, const fg_tensor *t, uint64_t position) {
    uint64_t at = 0;
    for (uint32_t i = t->rank; i-- > 0;) {
        at += position % t->shape[i] * t->stride[i];
        position /= t->shape[i];
    }
    return s->source + t->offset + at * fg_dtype_size(t->dtype);
}

static void evaluate_piece(const scene *s, const fg_output *o, const fg_piece *p, unsigned char *to,
                           uint64_t *overflows) {
    const fg_tensor *t = &s->plan.source.items[p->source];
    uint64_t count = 1, size = fg_dtype_size(o->dtype);
    for (uint32_t d = 0; d < p->dims; d++) count *= p->extent[d];
    for (uint64_t i = 0; i < count; i++) {
        uint64_t left = i, from = p->from, there = p->to;
        for (uint32_t d = p->dims; d-- > 0;) {
            from += left % p->extent[d] * p->from_stride[d];
            there += left % p->extent[d] * p->to_stride[d];
            left /= p->extent[d];
        }
        if (p->kind == FG_PIECE_ZERO) {
            memset(to + there * size, 0, size);
        } else if (p->kind == FG_PIECE_COPY) {
            *overflows += fg_cast(t->dtype, element(s, t, from), o->dtype, to + there * size, 1);
        } else {
            double sum = 0;
            float value, mean;
            uint64_t width = t->elements / t->shape[0];
            for (uint64_t row = 0; row < t->shape[0]; row++) {
                fg_cast_to_f32(t->dtype, element(s, t, row * width + from), &value, 1);
                sum += (double)value;
            }
            mean = (float)(sum / (double)t->shape[0]);
            if (isnan(mean)) mean = NAN;
            *overflows += fg_cast(FG_F32, &mean, o->dtype, to + there * size, 1);
        }
    }
}

static uint64_t evaluate(scene *s) {
    uint64_t overflows = 0;
    s->expected = calloc(s->plan.output_count + 1, sizeof *s->expected);
    for (size_t i = 0; i < s->plan.output_count; i++) {
        const fg_output *o = &s->plan.outputs[i];
        s->expected[i] = malloc(fg_output_bytes(o) + 1);
        memset(s->expected[i], 0xa5, fg_output_bytes(o));
        for (size_t k = 0; k < o->piece_count; k++)
            evaluate_piece(s, o, &s->plan.pieces[o->first_piece + k], s->expected[i], &overflows);
    }
    return overflows;
}

/* ---- running ---- */

static void make_shards(const scene *s) {
    for (size_t i = 0; i < s->plan.shard_count; i++) {
        fg_file file;
        char path[160];
        fg_buffer header = {0};
        snprintf(path, sizeof path, "%s/%s", s->directory, s->plan.shard_files[i]);
        unlink(path);
        OK(fg_file_open(&file, path, FG_OPEN_CREATE, e));
        OK(fg_shards_header(&s->plan, i, &header, e));
        OK(fg_file_resize(&file, s->plan.shard_bytes[i], e));
        OK(fg_file_write(&file, header.data, header.length, 0, e));
        fg_buffer_free(&header);
        fg_file_close(&file);
    }
}

static void expect_shards(const scene *s) {
    fg_reader *reader = NULL;
    fg_tensors written = {0};
    char path[160];
    for (size_t i = 0; i < s->plan.shard_count; i++) {
        snprintf(path, sizeof path, "%s/%s", s->directory, s->plan.shard_files[i]);
        OK(fg_safetensors_read_header(path, &written, NULL, e));
    }
    OK(fg_reader_new(&reader, &written, e));
    assert_int_equal(written.count, s->plan.output_count);
    for (size_t i = 0; i < s->plan.output_count; i++) {
        const fg_output *o = &s->plan.outputs[i];
        const fg_tensor *t = fg_tensors_find(&written, o->name);
        assert_non_null(t);
        assert_int_equal(t->offset, o->offset);
        unsigned char *bytes = malloc(fg_output_bytes(o) + 1);
        OK(fg_reader_read(reader, t, 0, t->elements, bytes, e));
        for (uint64_t k = 0; k < fg_output_bytes(o); k++) {
            if (bytes[k] != s->expected[i][k])
                fail_msg("output %zu (%s, %u pieces of kind %u first) differs at byte %llu: %02x, not %02x",
                         i, fg_dtype_name(o->dtype), (unsigned)o->piece_count,
                         s->plan.pieces[o->first_piece].kind, (unsigned long long)k, bytes[k],
                         s->expected[i][k]);
        }
        free(bytes);
    }
    fg_reader_free(&reader);
    fg_tensors_free(&written);
}

/* Two copiers take the items in a random order. */
static fg_copy_totals run_all(const scene *s, uint64_t item_bytes, uint64_t *digests) {
    fg_work work;
    fg_copier *copiers[2];
    fg_copy_totals sum = {0};
    make_shards(s);
    OK(fg_work_split(&s->plan, &(fg_work_choice){0}, item_bytes, &work, e));
    for (int i = 0; i < 2; i++) OK(fg_copier_new(&copiers[i], &s->plan, s->directory, e));
    for (size_t i = work.count; i > 0; i--) {
        size_t k = draw(i);
        fg_work_item item = work.items[k];
        work.items[k] = work.items[i - 1];
        if (item.count) assert_true(item.bytes <= fg_max(item_bytes, 8));
        OK(fg_copier_run(copiers[draw(2)], &item, digests, NULL, NULL, NULL, e));
    }
    for (int i = 0; i < 2; i++) {
        fg_copy_totals t = fg_copier_totals(copiers[i]);
        sum.bytes_read += t.bytes_read, sum.bytes_written += t.bytes_written;
        sum.bytes_skipped += t.bytes_skipped, sum.values.overflows += t.values.overflows;
        fg_copier_free(&copiers[i]);
    }
    fg_work_free(&work);
    return sum;
}

static void expect_digests(const scene *s, const uint64_t *digests) {
    uint64_t *first;
    OK(fg_digest_blocks(&s->plan, &first, e));
    for (size_t i = 0; i < s->plan.output_count; i++) {
        uint64_t bytes = fg_output_bytes(&s->plan.outputs[i]), blocks[8], n = 0;
        for (uint64_t at = 0; at < bytes; at += FG_WORK_ITEM_BYTES)
            blocks[n++] = XXH3_64bits(s->expected[i] + at, fg_min(FG_WORK_ITEM_BYTES, bytes - at));
        assert_int_equal(first[i + 1] - first[i], n);
        uint64_t expected = n == 1 ? blocks[0] : XXH3_64bits(blocks, n * sizeof *blocks);
        assert_int_equal(fg_digest_of(digests, first[i], n), expected);
    }
    fg_free(first);
}

static void expect_reads(const scene *s, int tries) {
    fg_copier *copier;
    OK(fg_copier_new(&copier, &s->plan, NULL, e));
    for (int i = 0; i < tries; i++) {
        size_t output = draw(s->plan.output_count);
        const fg_output *o = &s->plan.outputs[output];
        uint64_t first = draw(o->elements + 1), count = draw(o->elements - first + 1),
                 size = fg_dtype_size(o->dtype);
        unsigned char *bytes = malloc(count * size + 1);
        OK(fg_copier_read(copier, output, first, count, bytes, e));
        assert_memory_equal(bytes, s->expected[output] + first * size, count * size);
        free(bytes);
    }
    fg_copier_free(&copier);
}

static uint64_t *new_digests(const scene *s) {
    uint64_t *first, *digests;
    OK(fg_digest_blocks(&s->plan, &first, e));
    digests = calloc(first[s->plan.output_count] + 1, sizeof *digests);
    fg_free(first);
    return digests;
}

static void check_scene(scene *s, uint64_t smallest) {
    const uint64_t item_sizes[] = {smallest, 3 * smallest + 7, 1 << 20, FG_WORK_ITEM_BYTES};
    uint64_t overflows = evaluate(s);
    OK(fg_plan_check(&s->plan, e));
    OK(fg_shards_assign(&s->plan, 1 + draw(fg_plan_bytes(&s->plan) + 1), shard_name, e));
    for (size_t i = 0; i < 4; i++) {
        uint64_t *digests = i == 3 ? new_digests(s) : NULL;
        fg_copy_totals totals = run_all(s, item_sizes[i], digests);
        expect_shards(s);
        assert_int_equal(totals.values.overflows, overflows);
        assert_int_equal(totals.bytes_written + totals.bytes_skipped, fg_plan_bytes(&s->plan));
        if (digests) expect_digests(s, digests);
        free(digests);
    }
    expect_reads(s, 20);
}

/* ---- random plans ---- */

/* A source tensor of at least `elements`, contiguous or a permuted view, at a place of the file that others
 * may share. */
static uint32_t random_source(scene *s, fg_dtype dtype, uint64_t elements) {
    uint64_t shape[3] = {1 + draw(3), 1 + draw(7), 0}, stride[3];
    shape[2] = (elements + shape[0] * shape[1] - 1) / (shape[0] * shape[1]);
    uint64_t all = shape[0] * shape[1] * shape[2], size = fg_dtype_size(dtype);
    stride[2] = shape[0], stride[0] = 1, stride[1] = shape[0] * shape[2];
    assert_true(all * size <= s->source_size);
    return add_source(s, dtype, 3, shape, draw(3) ? NULL : stride, draw(s->source_size - all * size + 1));
}

/* A piece for the box of the current output that begins at `to`: some order of the dimensions on the source
 * side, with gaps. */
static void random_piece(scene *s, fg_dtype dtype, uint32_t dims, const uint64_t *extent, uint64_t to,
                         const uint64_t *to_stride) {
    static const fg_dtype floats[] = {FG_F16, FG_BF16, FG_F32, FG_F64};
    fg_piece p = {.kind = FG_PIECE_COPY, .dims = (uint8_t)dims, .to = to};
    uint32_t order[FG_MAX_DIMS];
    uint64_t step = 1;
    memcpy(p.extent, extent, dims * sizeof *extent);
    memcpy(p.to_stride, to_stride, dims * sizeof *to_stride);
    for (uint32_t i = 0; i < dims; i++) {
        uint32_t k = (uint32_t)draw(i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    if (draw(2)) {
        for (uint32_t i = 0; i < dims; i++) order[i] = i;
    }
    for (uint32_t i = dims; i-- > 0;) {
        p.from_stride[order[i]] = step;
        step *= extent[order[i]] + (draw(4) ? 0 : draw(5));
    }
    p.from = draw(3) ? 0 : draw(100);
    if (fg_dtype_is_float(dtype) && draw(3) == 0) dtype = floats[draw(4)];
    uint64_t kind = draw(12);
    if (kind == 0) {
        p.kind = FG_PIECE_ZERO;
        memset(p.from_stride, 0, sizeof p.from_stride);
        p.from = 0;
    } else if (kind == 1 && fg_dtype_is_float(dtype)) {
        uint64_t shape[2] = {1 + draw(5), step + p.from};
        p.kind = FG_PIECE_MEAN;
        p.source = add_source(s, dtype, 2, shape, NULL, draw(100));
    } else {
        p.source = random_source(s, dtype, p.from + step);
    }
    OK(fg_plan_add_piece(&s->plan, &p, e));
}

/* An output cut along one dimension into up to three pieces. */
static void random_output(scene *s, uint64_t largest) {
    static const fg_dtype dtypes[] = {FG_U8,  FG_I16, FG_F16, FG_BF16, FG_BF16,
                                      FG_F32, FG_F32, FG_F64, FG_I64};
    uint32_t rank = 1 + (uint32_t)draw(4), axis = (uint32_t)draw(rank);
    uint64_t shape[FG_MAX_DIMS], stride[FG_MAX_DIMS], extent[FG_MAX_DIMS], step = 1, room = largest;
    fg_dtype dtype = dtypes[draw(9)];
    char name[32];
    for (uint32_t i = 0; i < rank; i++) {
        shape[i] = 1 + draw(i + 1 == rank ? room : 1 + room / 4);
        room /= shape[i];
        if (!room) room = 1;
    }
    for (uint32_t i = rank; i-- > 0; step *= shape[i]) stride[i] = step;
    snprintf(name, sizeof name, "o%zu", s->plan.output_count);
    OK(fg_plan_add_output(&s->plan, name, dtype, rank, shape, e));
    uint64_t parts = 1 + draw(fg_min(3, shape[axis])), done = 0;
    for (uint64_t i = 0; i < parts; i++) {
        memcpy(extent, shape, sizeof extent);
        extent[axis] = i + 1 == parts ? shape[axis] - done : 1 + draw(shape[axis] - done - (parts - i - 1));
        random_piece(s, dtype, rank, extent, done * stride[axis], stride);
        done += extent[axis];
    }
}

static void random_plans_equal_the_slow_evaluation(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 40; round++) {
        scene s;
        seed = round;
        open_scene(&s, 1 << 20);
        write_source(&s);
        uint64_t outputs = 1 + draw(12);
        for (uint64_t i = 0; i < outputs; i++) random_output(&s, round % 4 ? 300 : 12000);
        check_scene(&s, 1000);
        close_scene(&s);
    }
}

/* ---- particular shapes ---- */

static void add_permuted(scene *s, const char *name, fg_dtype from, fg_dtype to, uint32_t rank,
                         const uint64_t *shape, const uint32_t *order) {
    fg_piece p = {.kind = FG_PIECE_COPY, .dims = (uint8_t)rank};
    uint64_t source_shape[FG_MAX_DIMS], step = 1;
    for (uint32_t i = 0; i < rank; i++) {
        source_shape[i] = shape[order[i]];
        p.extent[i] = shape[i];
    }
    for (uint32_t i = rank; i-- > 0; step *= source_shape[i]) p.from_stride[order[i]] = step;
    step = 1;
    for (uint32_t i = rank; i-- > 0; step *= shape[i]) p.to_stride[i] = step;
    p.source = add_source(s, from, rank, source_shape, NULL, 0);
    OK(fg_plan_add_output(&s->plan, name, to, rank, shape, e));
    OK(fg_plan_add_piece(&s->plan, &p, e));
}

static void large_transposes_and_casts_cross_windows_and_items(void **state) {
    (void)state;
    scene s;
    seed = 77;
    open_scene(&s, share_of(48 << 20));
    write_source(&s);
    add_permuted(&s, "transposed", FG_BF16, FG_BF16, 2, (uint64_t[]){share_of(4111), 2500},
                 (uint32_t[]){1, 0});
    add_permuted(&s, "transposed_cast", FG_F32, FG_F16, 2, (uint64_t[]){1500, share_of(2111)},
                 (uint32_t[]){1, 0});
    add_permuted(&s, "permuted", FG_F32, FG_F32, 3, (uint64_t[]){70, share_of(300), 133},
                 (uint32_t[]){2, 0, 1});
    add_permuted(&s, "swapped", FG_U8, FG_U8, 3, (uint64_t[]){30, share_of(257), 300}, (uint32_t[]){1, 0, 2});
    add_permuted(&s, "long", FG_F64, FG_F64, 1, (uint64_t[]){share_of(4500000)}, (uint32_t[]){0});
    add_permuted(&s, "wide", FG_BF16, FG_F32, 1, (uint64_t[]){share_of(9000001)}, (uint32_t[]){0});
    add_permuted(&s, "narrow", FG_F64, FG_F16, 1, (uint64_t[]){share_of(3000001)}, (uint32_t[]){0});
    check_scene(&s, share_of(1 << 21));
    close_scene(&s);
}

/* ---- holes ---- */

static uint64_t disk_blocks(const scene *s, size_t shard) {
    char path[160];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", s->directory, s->plan.shard_files[shard]);
    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_blocks * 512;
}

/* The source file has data at both ends only. */
static void make_sparse_source(scene *s) {
    fg_file file;
    uint32_t index;
    uint64_t edge = 100001;
    memset(s->source + edge, 0, s->source_size - 2 * edge);
    OK(fg_file_open(&file, s->path, FG_OPEN_CREATE, e));
    OK(fg_file_resize(&file, s->source_size, e));
    OK(fg_file_write(&file, s->source, edge, 0, e));
    OK(fg_file_write(&file, s->source + s->source_size - edge, edge, s->source_size - edge, e));
    fg_file_close(&file);
    OK(fg_tensors_add_file(&s->plan.source, s->path, &index, e));
}

static void holes_stay_holes_with_right_checksums(void **state) {
    (void)state;
    scene s;
    seed = 5;
    open_scene(&s, share_of(80 << 20));
    make_sparse_source(&s);
    add_permuted(&s, "all", FG_F32, FG_F32, 1, (uint64_t[]){share_of(20 << 20)}, (uint32_t[]){0});
    add_permuted(&s, "cast", FG_F16, FG_F32, 1, (uint64_t[]){share_of(40 << 20)}, (uint32_t[]){0});
    uint64_t shape = 500000;
    uint32_t small = add_source(&s, FG_U8, 1, &shape, NULL, share_of(30 << 20));
    OK(fg_plan_add_output(&s.plan, "small", FG_U8, 1, &shape, e));
    OK(fg_plan_add_whole(&s.plan, small, e));
    shape = share_of(9 << 20);
    OK(fg_plan_add_output(&s.plan, "zeros", FG_F64, 1, &shape, e));
    fg_piece zero = {.kind = FG_PIECE_ZERO, .dims = 1, .extent = {shape}, .to_stride = {1}};
    OK(fg_plan_add_piece(&s.plan, &zero, e));
    evaluate(&s);
    OK(fg_shards_assign(&s.plan, UINT64_MAX, shard_name, e));
    uint64_t *digests = new_digests(&s);
    fg_copy_totals totals = run_all(&s, FG_WORK_ITEM_BYTES, digests);
    expect_shards(&s);
    expect_digests(&s, digests);
    assert_true(totals.bytes_written < 2 << 20);
    assert_true(disk_blocks(&s, 0) < 4 << 20);
    assert_int_equal(totals.bytes_written + totals.bytes_skipped, fg_plan_bytes(&s.plan));
    free(digests);
    close_scene(&s);
}

/* ---- many small tensors ---- */

static void small_neighbours_are_moved_together(void **state) {
    (void)state;
    scene s;
    enum { COUNT = 5000, ELEMENTS = 512 };
    seed = 9;
    open_scene(&s, 2 * COUNT * ELEMENTS);
    write_source(&s);
    uint64_t shape = ELEMENTS;
    for (uint64_t i = 0; i < COUNT; i++) {
        char name[32];
        uint32_t source = add_source(&s, FG_BF16, 1, &shape, NULL, i * 2 * ELEMENTS);
        snprintf(name, sizeof name, "t%05d", (int)i);
        OK(fg_plan_add_output(&s.plan, name, FG_BF16, 1, &shape, e));
        OK(fg_plan_add_whole(&s.plan, source, e));
    }
    evaluate(&s);
    OK(fg_shards_assign(&s.plan, UINT64_MAX, shard_name, e));
    make_shards(&s);
    fg_work work;
    fg_copier *copier;
    uint64_t *digests = new_digests(&s);
    OK(fg_work_split(&s.plan, &(fg_work_choice){0}, FG_WORK_ITEM_BYTES, &work, e));
    assert_int_equal(work.count, 1);
    OK(fg_copier_new(&copier, &s.plan, s.directory, e));
    fg_file_fail_after(60); /* 5 MB are far fewer calls than tensors */
    OK(fg_copier_run(copier, &work.items[0], digests, NULL, NULL, NULL, e));
    fg_file_fail_after(0);
    expect_shards(&s);
    expect_digests(&s, digests);
    free(digests);
    fg_copier_free(&copier);
    fg_work_free(&work);
    close_scene(&s);
}

/* ---- stopping ---- */

typedef struct meter {
    uint64_t bytes, calls, stop_after;
} meter;

static bool measure(void *context, uint64_t bytes) {
    meter *m = context;
    m->bytes += bytes;
    return ++m->calls != m->stop_after;
}

static void progress_counts_bytes_and_can_stop(void **state) {
    (void)state;
    scene s;
    seed = 11;
    open_scene(&s, 12 << 20);
    write_source(&s);
    add_permuted(&s, "run", FG_F32, FG_F32, 1, (uint64_t[]){3 << 20}, (uint32_t[]){0});
    add_permuted(&s, "transposed", FG_F32, FG_F32, 2, (uint64_t[]){1024, 2048}, (uint32_t[]){1, 0});
    OK(fg_shards_assign(&s.plan, UINT64_MAX, shard_name, e));
    make_shards(&s);
    fg_work work;
    fg_copier *copier;
    OK(fg_work_split(&s.plan, &(fg_work_choice){0}, FG_WORK_ITEM_BYTES, &work, e));
    OK(fg_copier_new(&copier, &s.plan, s.directory, e));
    for (size_t i = 0; i < work.count; i++) {
        meter all = {0}, some = {.stop_after = 2};
        bool stopped = true;
        OK(fg_copier_run(copier, &work.items[i], NULL, measure, &all, &stopped, e));
        assert_false(stopped);
        assert_int_equal(all.bytes, work.items[i].bytes);
        assert_true(all.calls >= all.bytes >> 21);
        OK(fg_copier_run(copier, &work.items[i], NULL, measure, &some, &stopped, e));
        assert_true(stopped);
        assert_int_equal(some.calls, 2);
    }
    fg_copier_free(&copier);
    fg_work_free(&work);
    close_scene(&s);
}

/* ---- verifying ---- */

static fg_status verify_all(const scene *s, const fg_tensors *other, fg_error *err) {
    fg_status status = FG_OK;
    fg_work work = {0};
    fg_reader *reader = NULL;
    fg_copier *copier = NULL;
    FG_TRY(fg_work_split(&s->plan, &(fg_work_choice){0}, FG_WORK_ITEM_BYTES, &work, err));
    FG_TRY(fg_reader_new(&reader, other, err));
    FG_TRY(fg_copier_new(&copier, &s->plan, NULL, err));
    for (size_t i = 0; i < work.count; i++)
        FG_TRY(fg_copier_verify(copier, &work.items[i], other, reader, err));
done:
    fg_copier_free(&copier);
    fg_reader_free(&reader);
    fg_work_free(&work);
    return status;
}

static void verify_names_the_first_difference(void **state) {
    (void)state;
    scene s;
    seed = 13;
    open_scene(&s, 4 << 20);
    write_source(&s);
    add_permuted(&s, "weight", FG_F32, FG_F32, 2, (uint64_t[]){1000, 700}, (uint32_t[]){1, 0});
    add_permuted(&s, "ids", FG_I16, FG_I16, 1, (uint64_t[]){50}, (uint32_t[]){0});
    OK(fg_shards_assign(&s.plan, UINT64_MAX, shard_name, e));
    run_all(&s, FG_WORK_ITEM_BYTES, NULL);
    char path[160], expected[400];
    fg_tensors other = {0};
    fg_error err = {0};
    fg_file file;
    snprintf(path, sizeof path, "%s/model.safetensors", s.directory);
    OK(fg_safetensors_read_header(path, &other, NULL, e));
    assert_int_equal(verify_all(&s, &other, &err), FG_OK);
    OK(fg_file_open(&file, path, FG_OPEN_WRITE, e));
    OK(fg_file_write(&file, "\x00\x00\x20\xc0", 4, s.plan.outputs[0].offset + 4 * (567 * 700 + 89), e));
    float value;
    memcpy(&value, s.source + 4 * (89 * 1000 + 567), 4);
    uint32_t bits;
    memcpy(&bits, &value, 4);
    snprintf(expected, sizeof expected,
             "%s: tensor \"weight\": element [567, 89] is -2.5 (0xc0200000), expected %.9g (0x%08x)", path,
             (double)value, bits);
    fg_tensors_free(&other);
    OK(fg_safetensors_read_header(path, &other, NULL, e));
    assert_int_equal(verify_all(&s, &other, &err), FG_ERR_DIFFER);
    assert_string_equal(err.text, expected);
    OK(fg_file_write(&file, &value, 4, s.plan.outputs[0].offset + 4 * (567 * 700 + 89), e));
    OK(fg_file_write(&file, "\xfe\xff", 2, s.plan.outputs[1].offset + 2 * 49, e));
    fg_file_close(&file);
    int16_t id;
    memcpy(&id, s.source + 98, 2);
    snprintf(expected, sizeof expected, "%s: tensor \"ids\": element [49] is -2, expected %d", path, id);
    fg_tensors_free(&other);
    err = (fg_error){0};
    OK(fg_safetensors_read_header(path, &other, NULL, e));
    assert_int_equal(verify_all(&s, &other, &err), FG_ERR_DIFFER);
    assert_string_equal(err.text, expected);
    fg_tensors_free(&other);
    err = (fg_error){0};
    assert_int_equal(verify_all(&s, &other, &err), FG_ERR_DIFFER);
    assert_string_equal(err.text, "tensor \"weight\" is missing");
    close_scene(&s);
}

/* ---- failures ---- */

/* Everything from cutting to writing and reading back one output. */
static fg_status do_all(const scene *s, unsigned char *buffer, fg_error *err) {
    fg_status status = FG_OK;
    fg_work work = {0};
    fg_copier *copier = NULL;
    FG_TRY(fg_work_split(&s->plan, &(fg_work_choice){0}, 5000, &work, err));
    FG_TRY(fg_copier_new(&copier, &s->plan, s->directory, err));
    for (size_t i = 0; i < work.count; i++)
        FG_TRY(fg_copier_run(copier, &work.items[i], NULL, NULL, NULL, NULL, err));
    FG_TRY(fg_copier_read(copier, 0, 0, s->plan.outputs[0].elements, buffer, err));
done:
    fg_copier_free(&copier);
    fg_work_free(&work);
    return status;
}

static void every_failure_is_a_status(void **state) {
    (void)state;
    scene s;
    seed = 3;
    open_scene(&s, 1 << 20);
    write_source(&s);
    for (int i = 0; i < 8; i++) random_output(&s, 3000);
    add_permuted(&s, "transposed", FG_F32, FG_BF16, 2, (uint64_t[]){300, 200}, (uint32_t[]){1, 0});
    OK(fg_shards_assign(&s.plan, 20000, shard_name, e));
    make_shards(&s);
    unsigned char *buffer = malloc(1 << 20);
    for (int kind = 0; kind < 2; kind++) {
        uint64_t k = 1;
        for (;; k++) {
            fg_error err = {0};
            kind ? fg_alloc_fail_after(k) : fg_file_fail_after(k);
            fg_status status = do_all(&s, buffer, &err);
            kind ? fg_alloc_fail_after(0) : fg_file_fail_after(0);
            if (status == FG_OK) break;
            assert_int_equal(status, kind ? FG_ERR_MEMORY : FG_ERR_SYSTEM);
            assert_int_equal(err.status, status);
            assert_true(strlen(err.text) > 10);
        }
        assert_true(k > 10);
    }
    free(buffer);
    close_scene(&s);
}

static void items_that_do_not_fit_are_refused(void **state) {
    (void)state;
    scene s;
    fg_copier *copier;
    fg_error err = {0};
    uint64_t digests[4];
    seed = 4;
    open_scene(&s, 1 << 20);
    write_source(&s);
    add_permuted(&s, "t", FG_F32, FG_F32, 1, (uint64_t[]){1000}, (uint32_t[]){0});
    OK(fg_shards_assign(&s.plan, UINT64_MAX, shard_name, e));
    make_shards(&s);
    OK(fg_copier_new(&copier, &s.plan, s.directory, e));
    fg_work_item item = {.output = 1, .outputs = 1};
    assert_int_equal(fg_copier_run(copier, &item, NULL, NULL, NULL, NULL, &err), FG_ERR_BUG);
    item = (fg_work_item){.first = 10, .count = 991};
    assert_int_equal(fg_copier_run(copier, &item, NULL, NULL, NULL, NULL, &err), FG_ERR_BUG);
    item = (fg_work_item){.first = 10, .count = 10};
    assert_int_equal(fg_copier_run(copier, &item, digests, NULL, NULL, NULL, &err), FG_ERR_BUG);
    assert_int_equal(fg_copier_run(copier, &item, NULL, NULL, NULL, NULL, &err), FG_OK);
    fg_copier_free(&copier);
    close_scene(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_plans_equal_the_slow_evaluation),
        cmocka_unit_test(large_transposes_and_casts_cross_windows_and_items),
        cmocka_unit_test(holes_stay_holes_with_right_checksums),
        cmocka_unit_test(small_neighbours_are_moved_together),
        cmocka_unit_test(progress_counts_bytes_and_can_stop),
        cmocka_unit_test(verify_names_the_first_difference),
        cmocka_unit_test(every_failure_is_a_status),
        cmocka_unit_test(items_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
