/* A text of more than 2 GiB, which is what a plan may have, comes from rank 0 to all others: MPI counts with int.
 * Run under mpirun, by big.py. */
#include <inttypes.h>
#include <stdio.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "launcher.h"
#include "ranks.h"

static const uint64_t LENGTH = ((uint64_t)2 << 30) + 12345;

static fg_status fill(fg_buffer *text, fg_error *err) {
    FG_CALL_NEW(text->data, fg_alloc_buffer(LENGTH, err));
    text->length = text->capacity = LENGTH;
    for (uint64_t i = 0; i < LENGTH; i++) text->data[i] = (char)(i * 2654435761u >> 13);
    return FG_OK;
}

/* The text of rank 0, which each rank compares with its checksum. */
static fg_status share(const fg_ranks *ranks, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    if (ranks->rank == 0) fill(&text, err);
    FG_TRY(fg_ranks_agree(ranks, err));
    uint64_t expected = ranks->rank == 0 ? XXH3_64bits(text.data, LENGTH) : 0;
    fg_ranks_share(ranks, &expected, sizeof expected);
    FG_TRY(fg_ranks_share_text(ranks, &text, err));
    if (text.length != LENGTH || XXH3_64bits(text.data, LENGTH) != expected)
        fg_fail(err, FG_ERR_BUG, "rank %d got another text of %zu bytes", ranks->rank, text.length);
    status = fg_ranks_agree(ranks, err);
done:
    fg_buffer_free(&text);
    return status;
}

int main(int argc, char **argv) {
    fg_error err = {0};
    fg_ranks ranks = {0};
    fg_launch launch = fg_launch_read();
    fg_alloc_init();
    fg_status status = fg_ranks_start(&ranks, &launch, &argc, &argv, &err);
    if (status == FG_OK) status = share(&ranks, &err);
    if (ranks.rank == 0) {
        if (status == FG_OK)
            printf("%" PRIu64 " bytes are the same on %d ranks\n", LENGTH, ranks.size);
        else
            fprintf(stderr, "%s\n", err.text);
    }
    fg_ranks_stop(&ranks);
    return status;
}
