/* The parsed form of an expression: shared by expression_parse.c and expression_eval.c only.
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
} fg_operator;

typedef enum fg_function {
    FG_FUNCTION_LEN,
    FG_FUNCTION_ALL,
    FG_FUNCTION_HAS,
    FG_FUNCTION_COALESCE,
    FG_FUNCTION_MIN,
    FG_FUNCTION_MAX,
    FG_FUNCTION_STARTS_WITH,
    FG_FUNCTION_POWER,
    FG_FUNCTION_LOG,
    FG_FUNCTION_CEIL_DIV,
    FG_FUNCTION_FIRST,
    FG_FUNCTION_EACH_IN,
} fg_function;

typedef struct fg_node {
    fg_node_kind kind;
    fg_operator op;       /* of FG_NODE_OPERATOR */
    fg_function function; /* of FG_NODE_CALL */
    json_t *value;        /* owned; of FG_NODE_VALUE */
    char *text;           /* owned; the path as written, or the variable's name */
    char *path;           /* owned; of a path: keys joined with "/", without what leads up */
    unsigned ups;         /* how many "../" */
    bool absolute;        /* a leading "/" */
    unsigned column;      /* from 1 */
    unsigned depth;       /* of the tree below, itself included */
    size_t first, next;   /* first child, next sibling: indices of nodes; 0: none */
} fg_node;

struct fg_expression {
    char *text;     /* owned */
    char *where;    /* owned; for messages */
    fg_node *nodes; /* owned; number 0 is not used */
    size_t count, capacity;
    size_t root;
};

#endif
