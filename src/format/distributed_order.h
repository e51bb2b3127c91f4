/* In which order a run's program put the parameters into its vectors. Until commit 288513c of June 2026
 * weight decay applied to nearly all of them, and the order follows from that; sizes and metadata.yaml are
 * the same.
 *
 * Where the two orders agree, there is no question; nor where a parameter has a weight_decay of its own,
 * which came with that commit. Else the values decide: the weights of norms are mostly positive, those of
 * what the other order has in their place are not. The order is taken in which at least FG_NORM_POSITIVE of
 * each norm that the orders put in different places is positive (1 + what is stored, if it is zero-centered),
 * if that is so in one of them alone.
 */
#ifndef FG_FORMAT_DISTRIBUTED_ORDER_H
#define FG_FORMAT_DISTRIBUTED_ORDER_H

#include "format/distributed_layout.h"

#define FG_NORM_POSITIVE 0.9

/* `facts` gets a new object: "order" (what was taken), "orders_differ", "why"; and where values decided
 * "norms" (how many were looked at), "least_positive_older", "least_positive_newer" (the smallest share of
 * positive weights of a norm). FG_ERR_INPUT that names the option: the values do not decide. */
fg_status fg_distributed_order(const fg_distributed_layout *layout, const fg_tensors *vectors,
                               fg_parameter_order asked, const char *file, fg_parameter_order *order,
                               json_t **facts, fg_error *err);

#endif
