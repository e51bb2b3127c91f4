#include "translate/custom.h"

#include <string.h>

static const fg_custom rows[] = {
    {NULL, NULL, NULL},
};

const fg_custom *fg_custom_find(const char *name) {
    for (const fg_custom *row = rows; row->name; row++) {
        if (strcmp(row->name, name) == 0) return row;
    }
    return NULL;
}
