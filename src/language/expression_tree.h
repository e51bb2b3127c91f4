/* The parsed form of an expression: shared by the files expression_*.c only.
 *
 * Invariant: no node is deeper than FG_EXPRESSION_DEPTH, so that recursion over the tree is bounded; the
 * numbers of arguments of functions are right; the argument of has() is a path.
 */
#ifndef FG_LANGUAGE_EXPRESSION_TREE_H
#define FG_LANGUAGE_EXPRESSION_TREE_H

#include "language/expression.h"

enum {
    FG_EXPRESSION_DEPTH = 64,
    FG_EXPRESSION_LENGTH = 4096, /* bytes of text */
};

typedef enum fg_node_kind {
    FG_NODE_VALUE,
    FG_NODE_PATH,
    FG_NODE_VARIABLE,
    FG_NODE_LIST,
    FG_NODE_CALL,
    FG_NODE_NOT,
    FG_NODE_NEGATE,
    FG_NODE_OPERATOR,
    FG_NODE_INDEX,
    FG_NODE_EACH, /* children: the list, what each element becomes, and maybe a condition */
} fg_node_kind;

typedef enum fg_operator {
    FG_OP_NONE,
    FG_OP_OR,
    FG_OP_AND,
    FG_OP_EQUAL,
    FG_OP_NOT_EQUAL,
    FG_OP_LESS,
    FG_OP_LESS_EQUAL,
    FG_OP_GREATER,
    FG_OP_GREATER_EQUAL,
    FG_OP_IN,
    FG_OP_NOT_IN,
    FG_OP_ADD,
    FG_OP_SUBTRACT,
    FG_OP_MULTIPLY,
    FG_OP_DIVIDE,
    FG_OP_REMAINDER,
} fg_operator;

struct evaluator;
struct fg_node;

/* A function of the language. */
typedef struct fg_function {
    const char *name;
    unsigned least, most; /* arguments; UINT32_MAX: any number */
    bool lazy;            /* it evaluates its arguments itself; else there are two at most */
    bool of_path;         /* its argument is a path */
    fg_status (*run)(const struct evaluator *evaluator, const struct fg_node *node, const json_t *first,
                     const json_t *second, json_t **value);
} fg_function;

typedef struct fg_node {
    fg_node_kind kind;
    fg_operator op;              /* of FG_NODE_OPERATOR */
    const fg_function *function; /* of FG_NODE_CALL */
    json_t *value;               /* owned; of FG_NODE_VALUE */
    char *text;                  /* owned; the path as written, or the name of a variable */
    char *path;                  /* owned; of a path: keys joined with "/", without what leads up */
    unsigned ups;                /* how many "../" */
    bool absolute;               /* a leading "/" */
    unsigned column;             /* from 1 */
    unsigned depth;              /* of the tree below, itself included */
    size_t first, next;          /* first child, next sibling: indices of nodes; 0: none */
} fg_node;

struct fg_expression {
    char *text;     /* owned */
    char *where;    /* owned; for messages */
    fg_node *nodes; /* owned; number 0 is not used */
    size_t count, capacity;
    size_t root;
};

/* What a path leads to (expression_eval.c). Borrowed; NULL if it leads nowhere. */
json_t *fg_expression_look_up(const fg_scope *scope, const fg_node *node);
/* The function of a name that has `length` bytes, or NULL (expression_eval.c). */
const fg_function *fg_function_find(const char *name, size_t length);

#endif
