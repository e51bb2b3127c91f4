#include "format/distributed_dims.h"

#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/checked.h"
#include "base/named_row.h"

enum { WORD = 64, BRIEF = 80 };

/* ---- sizes ---- */

static fg_status read_size(const fg_dims_reader *r, const char *name, uint64_t *size, fg_error *err);

static fg_status read_key(const fg_dims_reader *r, const char *key, uint64_t *size, fg_error *err) {
    const json_t *value = fg_json_at(r->config, key);
    char brief[BRIEF];
    if (!json_is_integer(value) || json_integer_value(value) < 1)
        return fg_fail(err, FG_ERR_INPUT, "%s/%s: found %s, expected a positive integer", r->where, key,
                       fg_json_brief(value, brief, sizeof brief));
    *size = (uint64_t)json_integer_value(value);
    return FG_OK;
}

static fg_status compute_size(const fg_dims_reader *r, const fg_module_size *row, uint64_t *size,
                              fg_error *err) {
    uint64_t left, right;
    const json_t *value = fg_json_at(r->config, row->right);
    FG_CALL(read_size(r, row->left, &left, err));
    if (row->operator== '-' && json_is_integer(value) && !json_integer_value(value)) {
        *size = left;
        return FG_OK;
    }
    FG_CALL(read_size(r, row->right, &right, err));
    bool fits = row->operator== '-' ? left > right : left % right == 0;
    if (!fits)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s is %" PRIu64 " and %s %" PRIu64 ", expected %s", r->where,
                       row->left, left, row->right, right,
                       row->operator== '-' ? "more of the first" : "a multiple");
    *size = row->operator== '-' ? left - right : left / right;
    return FG_OK;
}

static const fg_module_size *computed(const fg_dims_reader *r, const char *name) {
    return fg_named_row(r->module->sizes, r->module->size_count, sizeof *r->module->sizes, name);
}

static fg_status read_size(const fg_dims_reader *r, const char *name, uint64_t *size, fg_error *err) {
    const fg_module_size *row = computed(r, name);
    if (row) return compute_size(r, row, size, err);
    *size = 0;
    if (strcmp(name, "hidden") == 0) *size = r->around->hidden;
    if (strcmp(name, "output") == 0) *size = r->around->output;
    if (strcmp(name, "vocab") == 0) *size = r->around->vocab;
    if (*name >= '1' && *name <= '9' && !name[1]) *size = (uint64_t)(*name - '0');
    return *size ? FG_OK : read_key(r, name, size, err);
}

/* ---- one factor ---- */

typedef enum mark { WHOLE, ALWAYS, UNLESS_ONE, ELSE, VOCABULARY } mark;

static mark split_mark(char *word) {
    static const char *const marks[] = {"", "", ">1", "else", "vocab"};
    char *star = strchr(word, '*');
    if (!star) return WHOLE;
    *star = '\0';
    for (mark m = VOCABULARY; m > ALWAYS; m--) {
        if (strcmp(star + 1, marks[m]) == 0) return m;
    }
    return ALWAYS;
}

static fg_status add_factor(const fg_dims_reader *r, const char *text, fg_divided_product *product,
                            fg_error *err) {
    char word[WORD];
    snprintf(word, sizeof word, "%s", text);
    const mark m = split_mark(word);
    if (product->count == FG_DIVIDED_FACTORS)
        return fg_fail(err, FG_ERR_BUG, "%s: too many factors in a dimension", r->where);
    fg_divided_factor *factor = &product->factors[product->count];
    FG_CALL(read_size(r, word, &factor->size, err));
    bool before = product->count && product->factors[product->count - 1].divided;
    factor->divided = m == ALWAYS || (m == UNLESS_ONE && factor->size > 1) || (m == ELSE && !before) ||
                      (m == VOCABULARY && r->around->vocab_divided);
    product->count++;
    if (!factor->divided || factor->size % r->around->tensor_parallel == 0) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT,
                   "%s: %s is %" PRIu64 ", expected a multiple of tensor_parallel (%" PRIu64 ")", r->where,
                   word, factor->size, r->around->tensor_parallel);
}

/* ---- dimensions ---- */

/* Takes the next word, without the spaces around it; false at the end. */
static bool next_word(const char **at, char word[WORD]) {
    *at += strspn(*at, " ");
    size_t length = **at == ',' ? 1 : strcspn(*at, " ,");
    snprintf(word, WORD, "%.*s", (int)length, *at);
    *at += length;
    return length > 0;
}

static fg_status read_dim(const fg_dims_reader *r, const char **at, fg_divided_dim *dim, fg_error *err) {
    char word[WORD];
    *dim = (fg_divided_dim){.part_count = 1};
    while (next_word(at, word) && strcmp(word, ",") != 0) {
        if (strcmp(word, "(") == 0) {
            dim->outer = dim->parts[0];
            dim->parts[0] = (fg_divided_product){0};
        } else if (strcmp(word, "+") == 0) {
            dim->part_count++;
        } else if (strcmp(word, ")") != 0) {
            FG_CALL(add_factor(r, word, &dim->parts[dim->part_count - 1], err));
        }
    }
    return FG_OK;
}

uint64_t fg_divided_factor_local(const fg_divided_factor *factor, uint64_t tensor_parallel) {
    return factor->divided ? factor->size / tensor_parallel : factor->size;
}

uint64_t fg_divided_product_size(const fg_divided_product *product, uint64_t tensor_parallel) {
    uint64_t size = 1;
    for (uint32_t i = 0; i < product->count; i++)
        size *= fg_divided_factor_local(&product->factors[i], tensor_parallel);
    return size;
}

uint64_t fg_divided_dim_size(const fg_divided_dim *dim, uint64_t tensor_parallel) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < dim->part_count; i++)
        sum += fg_divided_product_size(&dim->parts[i], tensor_parallel);
    return fg_divided_product_size(&dim->outer, tensor_parallel) * sum;
}

static bool multiply(const fg_divided_product *product, uint64_t *size) {
    bool fits = true;
    for (uint32_t i = 0; fits && i < product->count; i++)
        fits = fg_mul(*size, product->factors[i].size, size);
    return fits;
}

/* The whole size of a dimension; false on overflow. */
static bool whole_size(const fg_divided_dim *dim, uint64_t *size) {
    *size = 0;
    for (uint32_t i = 0; i < dim->part_count; i++) {
        uint64_t part = 1;
        if (!multiply(&dim->parts[i], &part) || !fg_add(*size, part, size)) return false;
    }
    return multiply(&dim->outer, size);
}

static bool is_divided(const fg_divided_dim *dim) {
    bool divided = false;
    for (uint32_t i = 0; i < dim->outer.count; i++) divided = divided || dim->outer.factors[i].divided;
    for (uint32_t p = 0; p < dim->part_count; p++) {
        for (uint32_t i = 0; i < dim->parts[p].count; i++)
            divided = divided || dim->parts[p].factors[i].divided;
    }
    return divided;
}

static fg_status add_dim(const fg_dims_reader *r, const char **at, fg_parameter *p, fg_error *err) {
    enum { BYTES = 8 }; /* of the largest dtype */
    uint64_t bytes;
    fg_divided_dim *dim = &p->dims[p->rank];
    if (p->rank == FG_DIVIDED_DIMS) return fg_fail(err, FG_ERR_BUG, "%s: too many dimensions", r->where);
    FG_CALL(read_dim(r, at, dim, err));
    if (!whole_size(dim, &p->shape[p->rank]) || !fg_mul(p->elements, p->shape[p->rank], &p->elements) ||
        !fg_mul(p->elements, BYTES, &bytes))
        return fg_fail(err, FG_ERR_INPUT, "%s: the size of %s overflows 64 bits", r->where, p->name);
    p->local *= fg_divided_dim_size(dim, r->around->tensor_parallel);
    p->divided = p->divided || is_divided(dim);
    p->rank++;
    return FG_OK;
}

fg_status fg_dims_read_first(const fg_dims_reader *r, const char *dims, fg_parameter *p, fg_error *err) {
    p->rank = 0;
    p->elements = p->local = 1;
    p->divided = false;
    return add_dim(r, &dims, p, err);
}

fg_status fg_dims_read(const fg_dims_reader *r, const char *dims, fg_parameter *p, fg_error *err) {
    p->rank = 0;
    p->elements = p->local = 1;
    p->divided = false;
    while (*dims) FG_CALL(add_dim(r, &dims, p, err));
    return FG_OK;
}

void fg_dims_transpose(fg_parameter *p) {
    const fg_divided_dim dim = p->dims[0];
    const uint64_t size = p->shape[0];
    p->dims[0] = p->dims[1];
    p->shape[0] = p->shape[1];
    p->dims[1] = dim;
    p->shape[1] = size;
}
